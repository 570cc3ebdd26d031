"""The documents of a bulk write: checked before anything is sent, and answered one by one in their order."""

from collections.abc import Iterable
from typing import Any

from app.db.documents import Document, Portable, check_document, checked_revision
from app.db.errors import DatabaseError, InvalidDocument
from app.db.names import MAX_ID_BYTES, check_id
from app.db.writes import Outcome


class Batch:
    """The documents of a bulk write: those that are ``accepted``, and an answer for every one, in order."""

    def __init__(self) -> None:
        self.accepted: list[tuple[str, Portable]] = []
        self._outcomes: list[Outcome | None] = []
        self._places: dict[str, int] = {}

    def add(self, document: Document, keep_revision: bool) -> None:
        """Check a document, and keep it or the error."""
        id: Any = document.get("_id") if type(document) is dict else None
        try:
            if type(id) is not str or not id.isascii() or not 0 < len(id) <= MAX_ID_BYTES:  # check_id's usual case
                check_id(id)
            portable = check_document(document, id)
            if keep_revision:
                if checked_revision(portable.rev)[0] == ".":
                    raise InvalidDocument("has no token to keep", path="_rev")
            elif portable.rev is not None:
                portable = portable._replace(rev=None)
            if id in self._places:
                raise InvalidDocument("stands twice in this batch", path="_id")
        except DatabaseError as error:
            self._outcomes.append(Outcome(str(id), None, error))
            return
        self._places[id] = len(self._outcomes)
        self.accepted.append((id, portable))
        self._outcomes.append(None)

    def enter(self, written: Iterable[Outcome]) -> None:
        """What became of accepted ones."""
        for outcome in written:
            self._outcomes[self._places[outcome.id]] = outcome

    def outcomes(self) -> list[Outcome]:
        """The answers."""
        return [outcome for outcome in self._outcomes if outcome is not None]


def accept_batch(documents: Iterable[Document], keep_revisions: bool) -> Batch:
    """The documents of a bulk write, checked."""
    batch = Batch()
    for document in documents:
        batch.add(document, keep_revisions)
    return batch
