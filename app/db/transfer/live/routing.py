"""RoutedDatabase: the contract on whichever of two databases serves, through a migration and without one.

Reading: do it, then look whether what the process knew held until it was done; if not, look where the data is now, and
if that changed read again there. Writing without a migration: look before and afterwards. A write that took so long
that a migration may have begun without waiting for it is marked for the migration, or its outcome is unknown if that is
too late. Writing during a migration: captured.py. While writes are paused: wait.

Without a migration that costs a reading of the boot clock or two, and one small read every five seconds in which the
process is used. An idle process reads nothing.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar
from zlib import crc32

from app.db.backend import Backend
from app.db.boot_clock import BOOT_CLOCK, boot_time
from app.db.capabilities import Capabilities, CollectionInfo, Finding, ScanPage
from app.db.documents import Document
from app.db.errors import Conflict, DatabaseError, Key, NotPrepared, Unavailable
from app.db.metrics import Meter, measure
from app.db.paging import Walk
from app.db.query import Condition, Page, Query
from app.db.service import DatabaseService
from app.db.time_limit import resting
from app.db.transfer.collections import is_machinery
from app.db.transfer.live.captured import Captured, Fenced
from app.db.transfer.live.changes import keys_of, mark_dirty
from app.db.transfer.live.state import Timing
from app.db.transfer.live.whereabouts import Open, View, Whereabouts
from app.db.writes import Outcome, Saved, Write

R = TypeVar("R")
_CHUNK: Final = 500
_TRIES: Final = 20
_MARKED_AT_ONCE: Final = 100
_LEFT: Final = (
    "It is not known whether this was saved, as the data was moved to another database meanwhile: look before saving it"
    " again."
)
_PAUSED: Final = "Nothing can be saved while the data moves to another database; that takes a few seconds."


class RoutedDatabase(DatabaseService):
    """The service of an application. ``home`` is the database of the settings, ``open_peer`` opens another one.

    Constructing it does no I/O. ``meter`` counts and times every operation once, whatever becomes of it beneath.
    """

    def __init__(
        self,
        home: Backend,
        open_peer: Open,
        *,
        reference: str = "",
        timing: Timing | None = None,
        meter: Meter | None = None,
        seats: int = 64,
    ) -> None:
        """``seats``: so many writers wait at a time while writes are paused."""
        self.schema = home.schema
        self._where = Whereabouts(home, open_peer, reference=reference, timing=timing)
        self._home = home
        self._seats: SimpleQueue[None] = SimpleQueue()
        for _ in range(seats):
            self._seats.put(None)
        self.meter = meter
        if meter is not None:
            measure(self, meter)

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        """Those of the database that serves."""
        return self._where.view.service.capabilities

    @property
    def unserved(self) -> Counter[str]:  # type: ignore[override]
        """Of the database that serves."""
        return self._where.view.service.unserved

    @property
    def answers_within(self) -> float:  # type: ignore[override]
        """Of the database that serves."""
        return self._where.view.service.answers_within

    # Reading

    def get(self, collection: str, id: str) -> Document:
        view = self._where.view
        try:
            document = view.get(collection, id)
        except DatabaseError as error:
            return self._again(view, lambda service: service.get(collection, id), None, error)
        if time.clock_gettime(BOOT_CLOCK) < view.until:
            return document
        return self._again(view, lambda service: service.get(collection, id), document)

    def get_many(self, collection: str, ids: Iterable[str]) -> dict[str, Document]:
        wanted = list(ids)
        return self._read(lambda service: service.get_many(collection, wanted))

    def read_together(self, keys: Sequence[Key]) -> list[Document | None]:
        return self._read(lambda service: service.read_together(keys))

    def list_all(self, collection: str) -> Iterator[Document]:
        self._where.view.service.list_all(collection)  # says at once that a name is none

        def chunks() -> Iterator[Document]:
            walk = Walk.by_id(limit=_CHUNK)
            while True:
                part = self._read(lambda service, walk=walk: service.walk_path(collection, walk))  # type: ignore[misc]
                yield from part.documents
                if not part.more:
                    return
                walk = walk.after_id(part.documents[-1]["_id"])

        return chunks()

    def query(self, collection: str, query: Query) -> Page:
        return self._read(lambda service: service.query(collection, query))

    def count(self, collection: str, where: tuple[Condition, ...] = (), up_to: int = 1_000) -> tuple[int, bool]:
        return self._read(lambda service: service.count(collection, where, up_to))

    def scan(self, name: str, after: str | None = None, limit: int = 500) -> ScanPage:
        def page(service: Backend) -> ScanPage:
            found = service.scan(name, self._opened(service, after), limit)
            return found._replace(after=self._sealed(service, found.after))

        return self._read(page)

    def _read(self, call: Callable[[Backend], R]) -> R:
        view = self._where.view
        try:
            answer = call(view.service)
        except DatabaseError as error:
            return self._again(view, call, None, error)
        if time.clock_gettime(BOOT_CLOCK) < view.until:
            return answer
        return self._again(view, call, answer)

    def _again(
        self, view: View, call: Callable[[Backend], R], answer: R | None, error: DatabaseError | None = None
    ) -> R:
        """The answer that was read under a view, or a new one where that view no longer held."""
        for _ in range(_TRIES):
            if boot_time() >= view.until and not _outage(error):
                newer = self._where.renew(view)
                if not newer.same(view):
                    view = newer
                    try:
                        answer, error = call(view.service), None
                    except DatabaseError as again:
                        answer, error = None, again
                    continue
            if error is not None:
                raise error
            return answer  # type: ignore[return-value]
        raise Unavailable("The database answers too slowly to say where the data is.", retry_after=2.0)

    # A place in a scan is a backend's own: it means nothing to another.

    def _sealed(self, service: Backend, after: str | None) -> str | None:
        return after if after is None or service is self._home else f"{self._mark(service)}{after}"

    def _opened(self, service: Backend, after: str | None) -> str | None:
        if type(after) is not str:
            return after
        marks = {one: self._mark(one) for one in self._where.services() if one is not self._home}
        owner = next((one for one, mark in marks.items() if after.startswith(mark)), self._home)
        if owner is not service:
            raise Unavailable("The data has moved to another database meanwhile: begin from the start.")
        return after.removeprefix(marks.get(owner, ""))

    def _mark(self, service: Backend) -> str:
        return f"~{crc32(self._where.reference_of(service).encode()):08x}~"

    # Writing

    def save(self, collection: str, id: str, document: Document) -> Saved:
        view = self._where.view
        if view.plain and time.clock_gettime(BOOT_CLOCK) < view.until:
            try:
                saved = view.save(collection, id, document)
            except DatabaseError as error:
                failed = error
            else:
                if time.clock_gettime(BOOT_CLOCK) < view.late:
                    return saved
                self._look_back(view, [(collection, id)])
                return saved
            if not self._misled(view, failed):
                raise failed
        return self._write(
            lambda service: service.save(collection, id, document),
            lambda captured: captured.save(collection, id, document),
            lambda: [(collection, id)],
        )

    def create(self, collection: str, id: str, document: Document) -> Saved:
        return self._write(
            lambda service: service.create(collection, id, document),
            lambda captured: captured.create(collection, id, document),
            lambda: [(collection, id)],
        )

    def delete(self, collection: str, id: str, rev: str | None = None) -> None:
        return self._write(
            lambda service: service.delete(collection, id, rev),
            lambda captured: captured.delete(collection, id, rev),
            lambda: [(collection, id)],
        )

    def commit(self, writes: Sequence[Write]) -> list[Saved | None]:
        return self._write(
            lambda service: service.commit(writes),
            lambda captured: captured.commit(writes),
            lambda: keys_of(writes),
        )

    def write_batch(
        self,
        collection: str,
        documents: Iterable[Document],
        keep_revisions: bool = False,
        only_newer: bool = False,
    ) -> list[Outcome]:
        given = list(documents)
        return self._write(
            lambda service: service.write_batch(collection, given, keep_revisions, only_newer),
            lambda captured: captured.write_batch(collection, given, keep_revisions, only_newer),
            lambda: [(collection, document["_id"]) for document in given if type(document.get("_id")) is str],
        )

    def _write(
        self, plain: Callable[[Backend], R], captured: Callable[[Captured], R], keys: Callable[[], list[Key]]
    ) -> R:
        """Write where and how it is to be done now; what was refused because it is no longer so, again."""
        view = self._writable(self._where.fresh())
        while True:
            try:
                if view.fences is not None:
                    return captured(Captured(view.service, view.fences))
                answer = plain(view.service)
            except Fenced:
                view = self._writable(self._where.look())
            except DatabaseError as error:
                if not self._misled(view, error):
                    raise
                view = self._writable(self._where.fresh())
            else:
                if boot_time() >= view.late:
                    self._look_back(view, keys())
                return answer

    def _writable(self, view: View) -> View:
        """The view once writes are not paused. Some writers wait, others are told to come again: reads need threads."""
        if view.mode != "paused":
            return view
        try:
            self._seats.get_nowait()
        except Empty:
            raise Unavailable(_PAUSED, retry_after=2.0) from None
        end = boot_time() + self._where.timing.patience
        try:
            while not view.plain and view.fences is None:
                if boot_time() >= end:
                    raise Unavailable(_PAUSED, retry_after=2.0)
                with resting():
                    time.sleep(self._where.timing.poll)
                view = self._where.look()
        finally:
            self._seats.put(None)
        return view

    def _misled(self, view: View, error: DatabaseError) -> bool:
        """Whether an error that says that nothing was written came from a database that does not serve any more."""
        if boot_time() < view.until or _outage(error):
            return False
        return not self._where.renew(view).same(view)

    def _look_back(self, view: View, keys: list[Key]) -> None:
        """After a plain write that was late: let a migration that began meanwhile look at these documents.

        Unavailable with an unknown outcome if the database has been left meanwhile, is being left, or does not tell.
        """
        try:
            for start in range(0, len(keys), _MARKED_AT_ONCE):
                self._let_look(view, keys[start : start + _MARKED_AT_ONCE])
        except DatabaseError as error:
            raise Unavailable(_LEFT, retry_after=2.0, outcome="unknown") from error

    def _let_look(self, view: View, keys: list[Key]) -> None:
        while True:
            newer = self._where.look()
            if newer.service is not view.service or newer.mode == "paused":
                raise Unavailable(_LEFT, retry_after=2.0)
            if newer.fences is None:
                return
            with suppress(Conflict):  # the fences changed: look again
                mark_dirty(newer.service, newer.fences, keys)
                return

    # Operating

    def prepare(self, schema: Any = None, dry_run: bool = False) -> list[str]:
        return self._serving().prepare(schema, dry_run)

    def collections(self) -> list[CollectionInfo]:
        """See DatabaseService. The machinery's own are not the application's, and are left out."""
        return [one for one in self._read(lambda service: service.collections()) if not is_machinery(one.name)]

    def estimate(self, name: str) -> int | None:
        return self._read(lambda service: service.estimate(name))

    def ping(self) -> None:
        self._where.view.service.ping()

    def doctor(self) -> list[Finding]:
        return self._serving().doctor()

    def recover_commits(self) -> list[str]:
        return self._serving().recover_commits()

    def close(self) -> None:
        self._where.close()

    def _serving(self) -> Backend:
        """The database that serves, or the last one known where that cannot be asked."""
        try:
            return self._where.fresh().service
        except Unavailable:
            return self._where.view.service


def _outage(error: DatabaseError | None) -> bool:
    """Whether a database did not answer, so that asking it where the data is would only take as long again."""
    return isinstance(error, Unavailable) and not isinstance(error, NotPrepared)
