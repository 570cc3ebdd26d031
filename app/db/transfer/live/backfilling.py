"""The backfill of a live migration: everything is copied once, with what is written meanwhile left to the tail.

Its writes are as safe as the tail's: each is a commit that also checks a fence of the runner's on the target, so that
one that was held up in the middle of a page, and goes on when another has taken over, writes nothing any more. Without
that it would bring back what was deleted since: a document that is gone has no newer revision that could stand. To look
before writing would not do, as a process can be suspended between the look and the write; nor would waiting, as nobody
knows for how long it is. What the target has stands if it is as new, and is expected to be there still.

That costs time, as a commit takes 98 documents and a bulk write of ``copy`` a thousand; the figures are in
docs/migration.md.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from queue import SimpleQueue
from threading import Event
from typing import Any, Final

from app.db.backend import Backend
from app.db.documents import Document
from app.db.errors import Conflict
from app.db.schema import Schema
from app.db.transfer.checkpoints import Checkpoints
from app.db.transfer.collections import CHECKPOINTS, STATE, machinery
from app.db.transfer.copying import CopyOptions, CopyReport, copy
from app.db.transfer.live.bulk import write_in_commits
from app.db.transfer.live.fences import filling_checks, is_fenced
from app.db.transfer.live.tail import Superseded
from app.db.transfer.progress import Progress
from app.db.writes import Check, Outcome, Put, Saved

BACKFILL: Final = "backfill"
"""The id of the document that says of which migration the target's checkpoints are."""
Told = Callable[[int, int | None], None]
"""Called with how many documents more were copied, and how many there are in all, where that is known."""


def backfill(
    source: Backend,
    target: Backend,
    migration: str,
    options: CopyOptions,
    progress: Progress,
    told: Told,
    owner: str,
    lost: Event,
    schema: Schema,
) -> CopyReport:
    """Copy from ``source`` to ``target``, going on where this migration's copy was cut off.

    ``owner`` is the runner, which has raised its fences; Superseded if another one has meanwhile. ``lost`` is set when
    that is known already, which only saves the work.
    """
    checks = filling_checks(target, owner)
    if not checks:
        raise Superseded
    target.prepare(machinery(CHECKPOINTS))
    begun = target.get_many(STATE, [BACKFILL]).get(BACKFILL, {})
    if begun.get("migration") != migration:
        # An earlier copy may not be gone on with: what was written since left no records.
        checkpoints = Checkpoints(target)
        latest = checkpoints.read_run()
        if latest is not None:
            checkpoints.save_run(replace(latest, finished=True))
        target.save(STATE, BACKFILL, {"migration": migration})
    # What was written since an earlier call is in the change records, and the tail brings it.
    wanted = replace(options, policy="newer", dry_run=False, resume=True, look_again=False, within_live=True)
    fenced: Any = _Fenced(target, checks, lost)
    return copy(source, fenced, wanted, _Told(progress, told), schema)


class _Fenced:
    """The backfill's target, which takes documents under a fence only. Else it is the service."""

    def __init__(self, service: Backend, checks: Iterable[Check], lost: Event) -> None:
        self._service, self._lost = service, lost
        # One for each writer, as far as they go: some databases let only one at a time check a document.
        self._free: SimpleQueue[Check] = SimpleQueue()
        for check in checks:
            self._free.put(check)

    def write_batch(
        self,
        collection: str,
        documents: Iterable[Document],
        keep_revisions: bool = False,
        only_newer: bool = False,
    ) -> list[Outcome]:
        """See DatabaseService, and Superseded."""
        return write_in_commits(self._service.get_many, self._commit, collection, documents, keep_revisions, only_newer)

    def _commit(self, puts: list[Put]) -> Sequence[Saved | None]:
        if self._lost.is_set():
            raise Superseded
        check = self._free.get()
        try:
            return self._service.commit_with(puts, [check])
        except Conflict as conflict:
            if is_fenced(conflict):
                raise Superseded from conflict
            raise
        finally:
            self._free.put(check)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)


class _Told:
    """A progress that also goes on the board."""

    def __init__(self, progress: Progress, told: Told) -> None:
        self._progress, self._told = progress, told

    def total(self, documents: int | None, bytes: int | None = None) -> None:
        """See Progress."""
        self._told(0, documents)
        self._progress.total(documents, bytes)

    def advance(self, documents: int, bytes: int = 0) -> None:
        """See Progress."""
        self._told(documents, None)
        self._progress.advance(documents, bytes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._progress, name)
