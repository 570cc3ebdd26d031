"""How far a copy has come, kept in its target: ``migration_checkpoints``, a document for each collection.

A checkpoint says from which database (identity.py) how many documents were carried over and where the scan goes on.
``after`` is the source's place of the last chunk before which every chunk was written, so that a copy that was cut off
loses nothing and repeats only what was in flight. A finished collection is marked, and is begun anew by the next copy.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from app.db.errors import NotFound
from app.db.service import DatabaseService
from app.db.transfer.collections import CHECKPOINTS, machinery
from app.db.transfer.errors import TransferRefused

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One collection's. ``documents``, ``kept``, ``rejected`` and ``bytes`` are what was done up to ``after``."""

    collection: str
    source: str
    scope: str
    """What is carried over: the tenants asked for, "" for all. Another choice begins anew."""
    policy: str
    after: str | None = None
    documents: int = 0
    kept: int = 0
    rejected: int = 0
    bytes: int = 0
    done: bool = False

    def moved(self, after: str | None, documents: int, kept: int, rejected: int, bytes: int) -> "Checkpoint":
        """The same, so much further."""
        return replace(
            self,
            after=after,
            documents=self.documents + documents,
            kept=self.kept + kept,
            rejected=self.rejected + rejected,
            bytes=self.bytes + bytes,
        )


class Checkpoints:
    """The checkpoints of one target."""

    def __init__(self, target: DatabaseService) -> None:
        self._target = target

    def prepare(self) -> None:
        """Make sure that they can be kept."""
        self._target.prepare(machinery(CHECKPOINTS))

    def all(self) -> list[Checkpoint]:
        """Every checkpoint; none where nothing was ever copied. Writes nothing.

        TransferRefused for one that a newer release wrote.
        """
        if CHECKPOINTS not in {one.name for one in self._target.collections()}:
            return []
        return [_opened(document) for document in self._target.list_all(CHECKPOINTS)]

    def read(self, collection: str) -> Checkpoint | None:
        """The checkpoint of a collection, or None."""
        try:
            return _opened(self._target.get(CHECKPOINTS, collection))
        except NotFound:
            return None

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep it, in place of an earlier one."""
        self._target.save(CHECKPOINTS, checkpoint.collection, {**asdict(checkpoint), "format": FORMAT})

    def forget(self, collection: str) -> None:
        """Remove the checkpoint of a collection, if there is one."""
        try:
            self._target.delete(CHECKPOINTS, collection)
        except NotFound:
            return


def _opened(document: dict[str, Any]) -> Checkpoint:
    if document.get("format") != FORMAT:
        raise TransferRefused(
            f"The target has a checkpoint of format {document.get('format')!r}, made by another release;"
            f" this one knows {FORMAT}."
        )
    return Checkpoint(**{key: value for key, value in document.items() if key not in ("_id", "_rev", "format")})
