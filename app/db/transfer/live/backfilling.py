"""The backfill of a live migration: everything is copied once, with what is written meanwhile left to the tail."""

from collections.abc import Callable
from dataclasses import replace
from threading import Event
from typing import Any, Final

from app.db.backend import Backend
from app.db.schema import Schema
from app.db.transfer.checkpoints import Checkpoints
from app.db.transfer.collections import CHECKPOINTS, STATE, machinery
from app.db.transfer.copying import CopyOptions, CopyReport, copy
from app.db.transfer.errors import TransferRefused
from app.db.transfer.progress import Progress

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
    lost: Event,
    schema: Schema,
) -> CopyReport:
    """Copy from ``source`` to ``target``, going on where this migration's copy was cut off.

    ``lost`` is set when another runner takes over: TransferRefused then, and nothing more is written.
    """
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
    guarded: Any = _Guarded(target, lost)
    return copy(source, guarded, wanted, _Told(progress, told), schema)


class _Guarded:
    """The backfill's target, which is not written to once another runner has taken over. Else it is the service."""

    def __init__(self, service: Backend, lost: Event) -> None:
        self._service, self._lost = service, lost

    def write_batch(self, *args: Any, **options: Any) -> Any:
        """See DatabaseService."""
        if self._lost.is_set():
            raise TransferRefused("Another runner has taken over.")
        return self._service.write_batch(*args, **options)

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
