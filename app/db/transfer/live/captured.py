"""The writes of the contract while changes are captured: each is one commit with a change record and a fence's check.

So a document is written if and only if a record says so, and only as long as the fences are the present ones.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from app.db.backend import Backend, accept_batch
from app.db.backends.newer import Expecting, write_newer
from app.db.documents import MAX_BYTES_TOGETHER, Document, Portable, document_size
from app.db.errors import Conflict, InvalidDocument, TooLarge
from app.db.retries import retry_conflicts
from app.db.transfer.live.changes import keys_of, record_of
from app.db.transfer.live.fences import Fences, is_fenced
from app.db.writes import ABSENT, ANY, Delete, Outcome, Put, Saved, Write

_AT_ONCE: Final = 98
_BYTES_AT_ONCE: Final = MAX_BYTES_TOGETHER * 7 // 8


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
        keep = keep_revisions or only_newer
        batch = accept_batch(documents, keep)
        for part in _parts([(id, portable, ANY) for id, portable in batch.accepted]):
            if only_newer:
                batch.enter(
                    write_newer(
                        [(id, portable) for id, portable, _ in part],
                        lambda ids: self._service.get_many(collection, ids),
                        lambda older: [one for few in _parts(older) for one in self._write(collection, few, True)],
                    )
                )
            else:
                batch.enter(self._write(collection, part, keep))
        return batch.outcomes()

    def _put(self, put: Put) -> Saved:
        saved = self.commit([put])[0]
        if saved is None:
            raise AssertionError("a put answers its revision")
        return saved

    def _write(self, collection: str, part: list[Expecting], keep: bool) -> list[Outcome]:
        """All in one commit; each half for itself if that is refused, until it is plain which document it is."""
        puts = [
            Put(collection, id, {**portable.body, "_rev": portable.rev} if keep else portable.body, expect, keep)
            for id, portable, expect in part
        ]
        try:
            saved = self.commit(puts)
        except (Conflict, InvalidDocument, TooLarge) as error:
            if len(part) == 1:
                return [Outcome(part[0][0], None, error)]
            half = len(part) // 2
            return [*self._write(collection, part[:half], keep), *self._write(collection, part[half:], keep)]
        return [Outcome(one["id"], one["rev"]) for one in saved if one is not None]


def _parts(documents: Sequence[Expecting]) -> Iterator[list[Expecting]]:
    """Stretches that a commit has room for."""
    part: list[Expecting] = []
    size = 0
    for one in documents:
        length = _size(one[1])
        if part and (len(part) == _AT_ONCE or size + length > _BYTES_AT_ONCE):
            yield part
            part, size = [], 0
        part.append(one)
        size += length
    if part:
        yield part


def _size(portable: Portable) -> int:
    # No formula counts five times the JSON: the exact one is asked where it could matter.
    rough = 5 * len(portable.data)
    return rough if rough * _AT_ONCE <= _BYTES_AT_ONCE else document_size(portable.body, portable.data)
