"""The writes of the contract while changes are captured: each is one commit with a change record and a fence's check.

So a document is written if and only if a record says so, and only as long as the fences are the present ones.
"""

from collections.abc import Iterable, Sequence

from app.db.backend import Backend
from app.db.documents import Document
from app.db.errors import Conflict
from app.db.retries import retry_conflicts
from app.db.transfer.live.bulk import write_in_commits
from app.db.transfer.live.changes import keys_of, record_of
from app.db.transfer.live.fences import Fences, is_fenced
from app.db.writes import ABSENT, Delete, Outcome, Put, Saved, Write


class Fenced(Exception):
    """Nothing was written: the fences are of another time, and so is what this process knows."""


class Captured:
    """Writes to a database that captures, under the fences that were read with its state."""

    def __init__(self, service: Backend, fences: Fences) -> None:
        self._service = service
        self._fences = fences

    def commit(self, writes: Sequence[Write]) -> list[Saved | None]:
        """See DatabaseService, and Fenced. On DynamoDB, whose transactions end at 100, there is room for 98 entries."""
        keys = keys_of(writes)
        own: list[Write] = [record_of(keys), self._fences.check()] if keys else []
        try:
            return self._service.commit_with(writes, own)
        except Conflict as conflict:
            if is_fenced(conflict):
                raise Fenced from conflict
            raise

    def save(self, collection: str, id: str, document: Document) -> Saved:
        """See DatabaseService, and Fenced."""
        return self._put(Put(collection, id, document))

    def create(self, collection: str, id: str, document: Document) -> Saved:
        """See DatabaseService, and Fenced."""
        return self._put(Put(collection, id, document, ABSENT))

    def delete(self, collection: str, id: str, rev: str | None = None) -> None:
        """See DatabaseService, and Fenced."""
        if rev is None:
            # A commit is content with what is gone already, so that which revision goes has to be said.
            def attempt() -> None:
                self.commit([Delete(collection, id, self._service.get(collection, id)["_rev"])])

            retry_conflicts(attempt)
            return
        try:
            self.commit([Delete(collection, id, rev)])
        except Conflict:
            self._service.get(collection, id)  # NotFound, if that is why
            raise

    def write_batch(
        self,
        collection: str,
        documents: Iterable[Document],
        keep_revisions: bool = False,
        only_newer: bool = False,
    ) -> list[Outcome]:
        """See DatabaseService, and Fenced: then a part may have been written, and the whole is to be written again."""
        return write_in_commits(self._service.get_many, self.commit, collection, documents, keep_revisions, only_newer)

    def _put(self, put: Put) -> Saved:
        saved = self.commit([put])[0]
        if saved is None:
            raise AssertionError("a put answers its revision")
        return saved
