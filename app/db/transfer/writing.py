"""Bulk writes of a copy: what fits is written, what does not is reported, what was refused for now is tried again."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from app.db.capabilities import CollectionInfo
from app.db.documents import Document, split_rev
from app.db.errors import Conflict, DatabaseError, InvalidQuery, NotWritable, Unauthorised, Unavailable
from app.db.names import parse_name
from app.db.service import DatabaseService
from app.db.transfer.pacing import BatchSize, Patience
from app.db.transfer.rejections import Rejected, Rejections
from app.db.writes import Outcome

_PATHS: Final = 4_096


@dataclass(slots=True)
class Tally:
    """What became of documents. ``same``: the target had that very revision; ``kept``: a newer one, which stands;
    ``deleted``: it had one once (see brought.py)."""

    copied: int = 0
    same: int = 0
    kept: int = 0
    rejected: int = 0
    bytes: int = 0
    deleted: int = 0

    def add(self, other: "Tally") -> None:
        """Count another's in."""
        self.copied += other.copied
        self.same += other.same
        self.kept += other.kept
        self.rejected += other.rejected
        self.bytes += other.bytes
        self.deleted += other.deleted

    @property
    def documents(self) -> int:
        """All of them."""
        return self.copied + self.same + self.kept + self.rejected + self.deleted


class BulkWriter:
    """Writes stretches of a source into one target; several threads may."""

    def __init__(
        self,
        target: DatabaseService,
        *,
        only_newer: bool,
        patience: Patience,
        size: BatchSize,
        rejections: Rejections,
    ) -> None:
        self._target = target
        self._only_newer = only_newer
        self._patience = patience
        self._size = size
        self._rejections = rejections

    def write(self, collection: CollectionInfo, documents: list[tuple[str, Document]]) -> Tally:
        """Write all of them, or raise: Unavailable when the target has not answered for too long."""
        tally = Tally()
        by_path: dict[str, list[Document]] = {}
        for path, document in documents:
            try:
                by_path[path].append(document)
            except KeyError:
                by_path[path] = [document]
        for path, several in by_path.items():
            refusal = unfit_path(path, collection)
            if refusal is None:
                self._write_path(path, several, tally)
            else:
                for document in several:
                    self._reject(tally, path, document, refusal)
        return tally

    def _write_path(self, path: str, waiting: list[Document], tally: Tally) -> None:
        while waiting:
            part, rest = waiting[: self._size.now], waiting[self._size.now :]
            try:
                outcomes = self._target.write_batch(path, part, keep_revisions=True, only_newer=self._only_newer)
            except Unavailable as error:
                self._complain(error)
                continue
            again, error_of_one = self._settle(path, part, outcomes, tally)
            if len(again) < len(part):
                self._patience.answered()
            if error_of_one is None:
                self._size.went_well()
            else:
                self._complain(error_of_one)
            waiting = again + rest if again else rest

    def _settle(
        self, path: str, part: list[Document], outcomes: list[Outcome], tally: Tally
    ) -> tuple[list[Document], Unavailable | None]:
        """Count what is decided; the documents to send again, and why."""
        again: list[Document] = []
        why: Unavailable | None = None
        for document, outcome in zip(part, outcomes, strict=True):
            error = outcome.error
            if error is None:
                if not outcome.kept:
                    tally.copied += 1
                elif split_rev(str(outcome.rev))[0] == split_rev(document["_rev"])[0]:
                    tally.same += 1
                else:
                    tally.kept += 1
            elif isinstance(error, Unavailable):
                again.append(document)
                why = error
                if isinstance(error, Unauthorised | NotWritable):
                    raise error
            elif isinstance(error, Conflict):  # somebody else writes this very document; no reason to leave it out
                again.append(document)
                why = Unavailable(f"{error}", retry_after=0.1)
            else:
                self._reject(tally, path, document, error)
        return again, why

    def _complain(self, error: Unavailable) -> None:
        self._size.complained()
        self._patience.wait(error)

    def _reject(self, tally: Tally, path: str, document: Document, error: DatabaseError) -> None:
        tally.rejected += 1
        self._rejections.add(Rejected(path, str(document.get("_id", "")), str(error)))


@lru_cache(maxsize=_PATHS)
def unfit_path(path: str, collection: CollectionInfo) -> DatabaseError | None:
    """Why no document can be under this path, or None: somebody else's tenant names, a document of the installation in
    a tenants' collection or the other way round."""
    try:
        name = parse_name(path)
    except InvalidQuery as error:
        return error
    if bool(name.tenant) != (collection.scope == "tenant"):
        return InvalidQuery(f"this collection belongs to the {collection.scope}", name=path)
    return None
