"""The threads of a copy: readers that go through the collections, writers that take what they read, and the place up to
which everything is written.

Between them is a bounded queue, so a copy holds a few megabytes whatever the size of the source. Writers finish in any
order; a collection's place moves on only over stretches that are all written, and is saved a few times a second. The
first failure stops all of them.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from threading import Event, Lock, Thread
from typing import Final, NamedTuple

from app.db.capabilities import CollectionInfo
from app.db.transfer.checkpoints import Checkpoint
from app.db.transfer.pacing import RateLimit, Stopped
from app.db.transfer.paged_reading import Stretch
from app.db.transfer.progress import Progress
from app.db.transfer.writing import Tally

Read = Callable[[CollectionInfo, str | None], Iterator[Stretch]]
"""The stretches of a collection from a place on."""
Write = Callable[[CollectionInfo, Stretch], Tally]
"""Writes one stretch and tells what became of it."""
Save = Callable[[Checkpoint], None]

_SAVED_EVERY: Final = 0.25
_LOOK_EVERY: Final = 0.1


@dataclass(slots=True)
class Course:
    """How far one collection has come: what was written, and the checkpoint before the first stretch that was not."""

    collection: CollectionInfo
    checkpoint: Checkpoint
    save: Save
    moved: int = 0
    """Documents that were dealt with in this call."""
    _lock: Lock = field(default_factory=Lock)
    _given: int = 0
    _next: int = 0
    _done: dict[int, tuple[str | None, Tally]] = field(default_factory=dict)
    _saved_at: float = field(default_factory=time.monotonic)

    def give(self) -> int:
        """A number for the next stretch, in the order of reading; one reader asks."""
        self._given += 1
        return self._given - 1

    def written(self, number: int, after: str | None, tally: Tally) -> None:
        """A stretch is written: save the checkpoint if it is time to, and always behind the last one."""
        with self._lock:
            self._done[number] = (after, tally)
            self.moved += tally.documents
            while self._next in self._done:
                place, counted = self._done.pop(self._next)
                self._next += 1
                self.checkpoint = self.checkpoint.moved(place, counted)
            if self.checkpoint.done or time.monotonic() - self._saved_at >= _SAVED_EVERY:
                self.save(self.checkpoint)
                self._saved_at = time.monotonic()


class _Load(NamedTuple):
    """A stretch on its way to a writer."""

    course: Course
    number: int
    stretch: Stretch


class Pipeline:
    """Carries courses through ``readers`` and ``writers`` threads; used once."""

    def __init__(
        self,
        read: Read,
        write: Write,
        *,
        readers: int,
        writers: int,
        limit: RateLimit,
        stop: Event,
        progress: Progress,
    ) -> None:
        self._read, self._write = read, write
        self._readers, self._writers = readers, writers
        self._limit = limit
        self._stop = stop
        self._progress = progress
        self._failures: list[BaseException] = []
        self._lock = Lock()

    def run(self, courses: Sequence[Course]) -> None:
        """Carry them all, or raise what stopped it. Ends with every thread."""
        waiting = list(reversed(courses))
        queue: Queue[_Load | None] = Queue(self._writers)
        readers = [
            Thread(target=self._guarded, args=(self._reader, waiting, queue), name=f"copy-reader-{number}")
            for number in range(min(self._readers, max(1, len(waiting))))
        ]
        writers = [
            Thread(target=self._guarded, args=(self._writer, queue), name=f"copy-writer-{number}")
            for number in range(self._writers)
        ]
        try:
            for thread in (*readers, *writers):
                thread.start()
            self._join(readers)
            for _ in writers:
                self._put(queue, None)
            self._join(writers)
        except BaseException:
            # One of the threads has failed, or this one was interrupted: no write goes on behind the command's back.
            self._stop.set()
            for thread in (*readers, *writers):
                if thread.is_alive():
                    thread.join()
            if self._failures:
                raise self._failures[0] from None
            raise
        if self._failures:
            raise self._failures[0]

    def _join(self, threads: Sequence[Thread]) -> None:
        """Wait for threads in short steps, so that the main thread hears an interruption."""
        for thread in threads:
            while thread.is_alive():
                thread.join(_LOOK_EVERY)

    def _guarded(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that runs all this
            with self._lock:
                self._failures.append(error)
            self._stop.set()

    def _reader(self, waiting: list[Course], queue: "Queue[_Load | None]") -> None:
        while True:
            with self._lock:
                if not waiting:
                    return
                course = waiting.pop()
            for stretch in self._read(course.collection, course.checkpoint.after):
                self._limit.take(len(stretch.documents))
                self._put(queue, _Load(course, course.give(), stretch))

    def _writer(self, queue: "Queue[_Load | None]") -> None:
        while not self._stop.is_set():
            try:
                load = queue.get(timeout=_LOOK_EVERY)
            except Empty:
                continue
            if load is None:
                return
            tally = self._write(load.course.collection, load.stretch)
            self._progress.advance(len(load.stretch.documents), load.stretch.bytes)
            load.course.written(load.number, load.stretch.after, tally)

    def _put(self, queue: "Queue[_Load | None]", load: _Load | None) -> None:
        while not self._stop.is_set():
            try:
                queue.put(load, timeout=_LOOK_EVERY)
            except Full:
                continue
            return
        raise Stopped
