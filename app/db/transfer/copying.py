"""Copying: every document of a source that is missing in a target, or older there, in bulk and resumable."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Final, Literal

from app.db.capabilities import CollectionInfo
from app.db.schema import Schema
from app.db.service import DatabaseService
from app.db.transfer.brought import ALL, Brought, Marks, mark_now
from app.db.transfer.catalogue import collections_of, estimated, is_there, target_schema
from app.db.transfer.checkpoints import Checkpoint, Checkpoints, Run
from app.db.transfer.comparing import Rehearsal
from app.db.transfer.errors import TransferRefused
from app.db.transfer.identity import looks_same, same_database
from app.db.transfer.pacing import BatchSize, Patience, RateLimit
from app.db.transfer.paged_reading import Stretch, stretches
from app.db.transfer.pipeline import Course, Pipeline, Write
from app.db.transfer.preparing import SAME, check_occupied, check_target, check_versions, source_identity
from app.db.transfer.progress import Progress, Silent
from app.db.transfer.rejections import Rejected, Rejections
from app.db.transfer.selection import Selection, holds_tenant
from app.db.transfer.writing import BulkWriter, Tally

__all__ = ["CopyOptions", "CopyReport", "Policy", "Rejected", "copy"]

Policy = Literal["newer", "source"]
_MOST_WORKERS: Final = 32
_LARGEST_CHUNK: Final = 10_000
_FIRST_CONTACT: Final = 2.0


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """How a copy is made.

    ``collections`` and ``tenants`` narrow it (None: all; with tenants the installation's documents are left out).
    ``workers`` write at the same time (None: as many as the target has use for). ``rate`` is at most so many documents
    a second. With ``policy`` "newer" a newer document of the target stands, with "source" the source wins. ``chunk`` is
    the most documents in one bulk write. A database that does not answer is tried again for ``patience`` seconds.
    ``rejects`` is the file for documents that do not fit. ``resume`` goes on where a copy was cut off, and then
    ``look_again`` reads once more what earlier calls had read; False only where whoever asks sees to what was written
    to the source since. ``source_name`` stands for a source that has no identity and may not be given one.
    ``within_live`` is the live migration's own: its target is in one.
    """

    collections: tuple[str, ...] | None = None
    tenants: tuple[str, ...] | None = None
    workers: int | None = None
    rate: float | None = None
    dry_run: bool = False
    policy: Policy = "newer"
    chunk: int = 1_000
    into_existing: bool = False
    patience: float = 60.0
    rejects: Path | None = None
    resume: bool = True
    look_again: bool = True
    source_name: str = ""
    within_live: bool = False

    def check(self) -> None:
        """TransferRefused names the first option that makes no sense."""
        if self.workers is not None and not 1 <= self.workers <= _MOST_WORKERS:
            raise TransferRefused(f"--workers is {self.workers}, but must be 1 to {_MOST_WORKERS}.")
        if self.rate is not None and not 0 < self.rate < float("inf"):
            raise TransferRefused(f"--rate is {self.rate:g}, but must be a number above 0.")
        if not 1 <= self.chunk <= _LARGEST_CHUNK:
            raise TransferRefused(f"--chunk is {self.chunk}, but must be 1 to {_LARGEST_CHUNK:,}.")
        Selection(self.collections, self.tenants).check()


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What became of a copy, over all its calls if it was cut off and ``resumed``.

    ``copied`` were written; ``same`` were there with the same revision; ``kept`` are newer in the target; ``rejected``
    do not fit, the first 20 in ``rejections``. ``bytes`` of JSON. ``moved`` and ``seconds`` are this call's own.
    ``again`` of those that earlier calls had dealt with were read once more; what had changed is counted as copied once
    more. ``deleted`` were brought by an earlier copy and deleted in the target since: they are named among the
    ``rejections`` and not brought again, unless ``into_existing``. ``done`` are sentences about what was created.
    """

    copied: int
    same: int
    kept: int
    rejected: int
    rejections: tuple[Rejected, ...]
    bytes: int
    moved: int
    seconds: float
    resumed: bool
    done: tuple[str, ...] = ()
    again: int = 0
    deleted: int = 0


def copy(
    source: DatabaseService,
    target: DatabaseService,
    options: CopyOptions,
    progress: Progress,
    schema: Schema | None = None,
) -> CopyReport:
    """Carry the documents of ``source`` over into ``target``; ``schema`` is what the application declares (default:
    the target service's own).

    TransferRefused before anything moves: the same database twice, a target with other data, another version.
    Unavailable when a database did not answer for ``patience`` seconds: a later call goes on where this one was. A
    document that the target refuses is reported, and the rest goes on. A source that is written to meanwhile is fine:
    what was written before this call is carried over when it returns, whatever earlier calls had read; what is written
    meanwhile may be, and another call brings it.
    """
    options.check()
    return _Copy(source, target, options, progress, schema if schema is not None else target.schema).run()


class _Copy:
    """One call of ``copy``."""

    def __init__(
        self,
        source: DatabaseService,
        target: DatabaseService,
        options: CopyOptions,
        progress: Progress,
        declared: Schema,
    ) -> None:
        self._source, self._target = source, target
        self._options = options
        self._progress = progress
        self._declared = declared
        self._stop = Event()
        self._reading = Patience("The source", options.patience, self._stop, progress)
        self._writing = Patience("The target", options.patience, self._stop, progress)
        self._rejections = Rejections(None if options.dry_run else options.rejects)
        self._checkpoints = Checkpoints(target)
        self._size = BatchSize(options.chunk)
        self._marks: Marks = {}
        self._mark = mark_now()
        self._began = time.monotonic()

    def run(self) -> CopyReport:
        # With little patience: a wrong address is told soon.
        for name, look in (("The source", self._source.ping), ("The target", lambda: is_there(self._target))):
            Patience(name, min(_FIRST_CONTACT, self._options.patience), self._stop, Silent()).call(look)
        held = self._held()
        wanted = target_schema(held, self._declared)
        if self._options.dry_run:
            return self._rehearse(held, wanted)
        if self._writing.call(lambda: same_database(self._source, self._target)):
            raise TransferRefused(SAME)
        identity = self._reading.call(lambda: source_identity(self._source, self._options.source_name, write=True))
        latest = self._writing.call(lambda: self._check(held, identity))
        # Indexes before the documents: measured on SQLite, rows that get their keys and index entries as they are
        # written are ready in half the time of rows that are filled and indexed afterwards, and Firestore and DynamoDB
        # have to rewrite every document for a late index.
        done = self._writing.call(lambda: self._prepare(wanted))
        self._marks = self._writing.call(lambda: self._read_marks(held, identity))
        run, resumed = self._choose(latest, identity)
        courses = self._courses(held, run)
        again = self._again(courses) if resumed and self._options.look_again else []
        try:
            self._go_on(courses, again)
        finally:
            self._rejections.close()
        # Views of CouchDB are built when they are asked for: now, and not by the first visitor.
        done += self._writing.call(lambda: self._target.prepare(wanted))
        if self._options.look_again:
            self._writing.call(
                lambda: leave_marks(self._checkpoints, identity, held, self._options.tenants, self._mark)
            )
        self._writing.call(lambda: self._checkpoints.save_run(replace(run, finished=True)))
        return report_of(courses, self._rejections, self._began, resumed, done, again)

    def _again(self, courses: Sequence[Course]) -> list[Course]:
        """What earlier calls had read, from its beginning.

        Its checkpoints are kept nowhere: a call that is cut off here has read nothing that the next need not read
        itself, which promises what was written before *it* began. And that one has only this left to do.
        """
        return [
            Course(one.collection, Checkpoint(one.collection.name, one.checkpoint.run), _nowhere)
            for one in courses
            if one.checkpoint.begun
        ]

    def _go_on(self, courses: Sequence[Course], again: Sequence[Course]) -> None:
        # What does not fit is named once, by this call: in a collection that is read again, only then.
        read_again = {course.collection.name for course in again}
        named, unnamed = self._writer(self._rejections), self._writer(Rejections(None))
        self._carry(
            "copy",
            [course for course in courses if not course.checkpoint.done],
            lambda one, stretch: (unnamed if one.name in read_again else named)(one, stretch),
        )
        if again:
            self._carry("Looking again through what was read earlier", again, named)

    def _held(self) -> list[CollectionInfo]:
        selection = Selection(self._options.collections, self._options.tenants)
        held = selection.within(self._reading.call(lambda: collections_of(self._source, selection.collections)))
        selection.check_tenants(
            "in the source", lambda tenant: self._reading.call(lambda: holds_tenant(self._source, held, tenant))
        )
        return held

    def _check(self, held: Sequence[CollectionInfo], identity: str) -> Run | None:
        check_versions(self._source, self._target)
        if not self._options.within_live:
            check_target(self._target, held)
        latest = self._checkpoints.read_run()
        if not self._options.into_existing:
            check_occupied(self._target, latest, identity)
        return latest

    def _read_marks(self, held: Sequence[CollectionInfo], identity: str) -> Marks:
        options = self._options
        if options.into_existing or options.within_live or options.policy == "source":
            return {}
        return self._checkpoints.read_brought(identity, [one.name for one in held])

    def _prepare(self, wanted: Schema) -> list[str]:
        done = self._target.prepare(wanted)
        self._checkpoints.prepare()
        return done

    def _choose(self, latest: Run | None, identity: str) -> tuple[Run, bool]:
        """The run to go on with, or a new one."""
        run = Run.begun(identity, self._options.policy, self._options.tenants)
        if self._options.resume and latest is not None and not latest.finished and latest.is_like(run):
            return latest, True
        self._writing.call(lambda: self._checkpoints.save_run(run))
        return run, False

    def _courses(self, held: Sequence[CollectionInfo], run: Run) -> list[Course]:
        def course(one: CollectionInfo) -> Course:
            known = self._writing.call(lambda: self._checkpoints.read(run, one.name))
            return Course(one, known or Checkpoint(one.name, run.run), self._save)

        return [course(one) for one in held]

    def _save(self, checkpoint: Checkpoint) -> None:
        self._writing.call(lambda: self._checkpoints.save(checkpoint))

    def _writer(self, rejections: Rejections) -> Write:
        bulk = BulkWriter(
            self._target,
            only_newer=self._options.policy == "newer",
            patience=self._writing,
            size=self._size,
            rejections=rejections,
        )
        return Brought(self._target, self._marks, self._writing, rejections).around(
            lambda collection, stretch: bulk.write(collection, stretch.documents)
        )

    def _carry(self, title: str, courses: Sequence[Course], write: Write) -> None:
        options = self._options
        workers = options.workers or self._target.capabilities.parallel
        # What is asked for at a time is written at a time, and a slow rate must not come in rare large gulps.
        most = options.chunk if options.rate is None else max(1, min(options.chunk, int(options.rate / 4)))
        pipeline = Pipeline(
            lambda one, after: stretches(self._source, one, options.tenants, after, most, self._reading),
            lambda one, stretch: _counted(write(one, stretch), stretch),
            readers=min(workers, self._source.capabilities.parallel),
            writers=workers,
            limit=RateLimit(options.rate, self._stop),
            stop=self._stop,
            progress=self._progress,
        )
        self._progress.begin(title)
        if options.tenants is None:
            self._progress.total(self._to_do(courses))
        try:
            pipeline.run(courses)
        finally:
            self._progress.end()

    def _to_do(self, courses: Sequence[Course]) -> int | None:
        """About how many documents are left, as far as the source can tell."""
        there = estimated(self._source, [course.collection for course in courses])
        return None if there is None else max(0, there - sum(course.checkpoint.tally.documents for course in courses))

    def _rehearse(self, held: Sequence[CollectionInfo], wanted: Schema) -> CopyReport:
        """Read and check everything, compare it with the target, and write nothing anywhere."""
        rehearsal = Rehearsal(self._target, self._writing, self._rejections, only_newer=self._options.policy == "newer")
        if rehearsal.exists:
            if looks_same(self._source, self._target):
                raise TransferRefused(SAME)
            identity = source_identity(self._source, self._options.source_name, write=False)
            self._check(held, identity)
            self._marks = self._writing.call(lambda: self._read_marks(held, identity))
        would = self._writing.call(lambda: self._target.prepare(wanted, dry_run=True))
        courses = [Course(one, Checkpoint(one.name, ""), _nowhere) for one in held]
        brought = Brought(self._target, self._marks, self._writing, self._rejections)
        write = brought.around(lambda one, stretch: rehearsal.compare(one, stretch.documents))
        self._carry("dry run", courses, write)
        return report_of(courses, self._rejections, self._began, False, would)


def report_of(
    courses: Sequence[Course],
    rejections: Rejections,
    began: float,
    resumed: bool,
    done: Sequence[str],
    again: Sequence[Course] = (),
) -> CopyReport:
    """What became of these courses, by their checkpoints; ``began`` is of the monotonic clock, ``again`` are those that
    were gone through once more."""
    looked = {course.collection.name: course.checkpoint.tally for course in again}
    total = Tally()
    for course in courses:
        tally = course.checkpoint.tally
        second = looked.get(course.collection.name)
        if second is not None:  # of every document: what stands and what does not fit is known anew
            tally.copied += second.copied
            tally.kept, tally.rejected, tally.deleted = second.kept, second.rejected, second.deleted
        total.add(tally)
    return CopyReport(
        total.copied,
        total.same,
        total.kept,
        total.rejected,
        tuple(rejections.first),
        total.bytes,
        sum(course.moved for course in courses),
        time.monotonic() - began,
        resumed,
        tuple(dict.fromkeys(done)),
        sum(course.moved for course in again),
        total.deleted,
    )


def leave_marks(
    checkpoints: Checkpoints, source: str, held: Sequence[CollectionInfo], tenants: Sequence[str] | None, mark: str
) -> None:
    """Note that all of these collections, or of these tenants in them, was brought before ``mark`` (see brought.py)."""
    earlier = {} if tenants is None else checkpoints.read_brought(source, [one.name for one in held])
    new = dict.fromkeys([ALL] if tenants is None else tenants, mark)
    for one in held:
        checkpoints.save_brought(source, one.name, {**earlier.get(one.name, {}), **new})


def _counted(tally: Tally, stretch: Stretch) -> Tally:
    tally.bytes = stretch.bytes
    return tally


def _nowhere(checkpoint: Checkpoint) -> None:
    """A rehearsal has no checkpoints."""
