"""A rehearsal of a copy: what would be written, kept and rejected, found out by reading alone."""

from app.db.capabilities import CollectionInfo
from app.db.documents import Document, check_document, split_rev
from app.db.errors import DatabaseError, InvalidDocument
from app.db.names import check_id
from app.db.service import DatabaseService
from app.db.transfer.catalogue import is_there
from app.db.transfer.pacing import Patience
from app.db.transfer.rejections import Rejected, Rejections
from app.db.transfer.writing import Tally, unfit_path


class Rehearsal:
    """Compares stretches of a source with a target."""

    def __init__(
        self, target: DatabaseService, patience: Patience, rejections: Rejections, *, only_newer: bool
    ) -> None:
        self._target = target
        self._patience = patience
        self._rejections = rejections
        self._only_newer = only_newer
        self.exists = patience.call(lambda: is_there(target))
        """Whether there is a target at all: a file that is not there yet holds nothing."""
        self._there = {one.name for one in patience.call(target.collections)} if self.exists else set()

    def compare(self, collection: CollectionInfo, documents: list[tuple[str, Document]]) -> Tally:
        """What a copy of these would do."""
        tally = Tally()
        by_path: dict[str, list[Document]] = {}
        for path, document in documents:
            refusal = unfit_path(path, collection) or unfit(document)
            if refusal is None:
                by_path.setdefault(path, []).append(document)
            else:
                tally.rejected += 1
                self._rejections.add(Rejected(path, str(document.get("_id", "")), str(refusal)))
        for path, several in by_path.items():
            stored = self._stored(collection, path, several)
            for document in several:
                own, theirs = split_rev(document["_rev"])[0], stored.get(document["_id"])
                if theirs is None or (not self._only_newer) or theirs < own:
                    tally.copied += 1
                elif theirs == own:
                    tally.same += 1
                else:
                    tally.kept += 1
        return tally

    def _stored(self, collection: CollectionInfo, path: str, documents: list[Document]) -> dict[str, str]:
        if collection.name not in self._there:
            return {}
        ids = [document["_id"] for document in documents]
        found = self._patience.call(lambda: self._target.get_many(path, ids))
        return {id: split_rev(document["_rev"])[0] for id, document in found.items()}


def unfit(document: Document) -> DatabaseError | None:
    """Why a stored document is outside the contract, or None: somebody else wrote it."""
    try:
        portable = check_document(document, check_id(document.get("_id")))
    except DatabaseError as error:
        return error
    if portable.rev is None or not split_rev(portable.rev)[0]:
        return InvalidDocument("has no token to keep", path="_rev")
    return None
