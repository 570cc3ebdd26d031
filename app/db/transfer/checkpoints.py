"""How far a copy has come, kept in its target: ``migration_checkpoints``.

The document ``:run`` tells of the latest copy: from which database (identity.py), what of it, and whether it was
finished. Beside it stands a checkpoint for each collection, named like it: what was done, and the source's place behind
the last stretch before which everything was written. So a copy that was cut off loses nothing and writes again only
what was in flight. Where the latest one was finished, the next begins anew, and ``:brought:<collection>`` tells it
what there should be (brought.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from secrets import token_hex
from typing import Any, Final

from app.db.documents import Document
from app.db.errors import NotFound
from app.db.service import DatabaseService
from app.db.transfer.collections import CHECKPOINTS, machinery
from app.db.transfer.errors import TransferRefused
from app.db.transfer.writing import Tally

FORMAT: Final = 1
RUN: Final = ":run"
"""The id of the run's document; a collection's name has no colon."""
_BROUGHT: Final = ":brought:"


@dataclass(frozen=True, slots=True)
class Run:
    """One copy, which may take several calls. ``tenants``: those asked for, None for all. ``rejects`` are the files in
    which its calls have named documents that were left out, where a later call does not name them again."""

    run: str
    source: str
    policy: str
    tenants: tuple[str, ...] | None
    finished: bool = False
    rejects: tuple[str, ...] = ()

    @staticmethod
    def begun(source: str, policy: str, tenants: tuple[str, ...] | None) -> "Run":
        """A new one."""
        return Run(token_hex(8), source, policy, tenants)

    def is_like(self, other: "Run") -> bool:
        """Whether one can go on where the other was."""
        return (self.source, self.policy, self.tenants) == (other.source, other.policy, other.tenants)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One collection's: what became of the documents up to ``after``; see Tally."""

    collection: str
    run: str
    after: str | None = None
    done: bool = False
    copied: int = 0
    same: int = 0
    kept: int = 0
    rejected: int = 0
    bytes: int = 0
    deleted: int = 0

    def moved(self, after: str | None, tally: Tally) -> "Checkpoint":
        """The same behind one more stretch; done if nothing comes after it."""
        return replace(
            self,
            after=after,
            done=after is None,
            copied=self.copied + tally.copied,
            same=self.same + tally.same,
            kept=self.kept + tally.kept,
            rejected=self.rejected + tally.rejected,
            bytes=self.bytes + tally.bytes,
            deleted=self.deleted + tally.deleted,
        )

    @property
    def begun(self) -> bool:
        """Whether anything was read."""
        return self.done or self.after is not None

    @property
    def tally(self) -> Tally:
        """What was done."""
        return Tally(self.copied, self.same, self.kept, self.rejected, self.bytes, self.deleted)


class Checkpoints:
    """The checkpoints of one target. ``read...`` write nothing, and find nothing where nothing was ever copied."""

    def __init__(self, target: DatabaseService) -> None:
        self._target = target

    def prepare(self) -> None:
        """Make sure that they can be kept."""
        self._target.prepare(machinery(CHECKPOINTS))

    def read_run(self) -> Run | None:
        """The latest copy. TransferRefused if another release made it."""
        document = self._read(RUN)
        if document is None:
            return None
        tenants, rejects = document.pop("tenants"), document.pop("rejects", ())
        return Run(**document, tenants=None if tenants is None else tuple(tenants), rejects=tuple(rejects))

    def read(self, run: Run, collection: str) -> Checkpoint | None:
        """A collection's checkpoint of that run."""
        document = self._read(collection)
        if document is None or document["run"] != run.run:
            return None
        return Checkpoint(**document)

    def save_run(self, run: Run) -> None:
        """Keep it in place of an earlier one, whose checkpoints count no more."""
        tenants = None if run.tenants is None else list(run.tenants)
        self._save(RUN, {**asdict(run), "tenants": tenants, "rejects": list(run.rejects)})

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep it."""
        self._save(checkpoint.collection, asdict(checkpoint))

    def read_brought(self, source: str, collections: Iterable[str]) -> dict[str, dict[str, str]]:
        """The marks that finished copies of that source have left, by collection and tenant (see brought.py)."""
        found: dict[str, dict[str, str]] = {}
        for name in collections:
            document = self._read(_BROUGHT + name)
            if document is not None and document["source"] == source:
                found[name] = dict(document["marks"])
        return found

    def save_brought(self, source: str, collection: str, marks: Mapping[str, str]) -> None:
        """Keep a collection's, in place of another source's."""
        self._save(_BROUGHT + collection, {"source": source, "marks": [list(pair) for pair in marks.items()]})

    def _save(self, id: str, document: dict[str, Any]) -> None:
        self._target.save(CHECKPOINTS, id, {**document, "format": FORMAT})

    def _read(self, id: str) -> Document | None:
        # Asked first: a service that must not create anything calls a collection that is not there unavailable.
        if CHECKPOINTS not in {one.name for one in self._target.collections()}:
            return None
        try:
            document = self._target.get(CHECKPOINTS, id)
        except NotFound:
            return None
        if document.get("format") != FORMAT:
            raise TransferRefused(
                f"The target has checkpoints of format {document.get('format')!r}, made by another release;"
                f" this one knows {FORMAT}."
            )
        return {key: value for key, value in document.items() if key not in ("_id", "_rev", "format")}
