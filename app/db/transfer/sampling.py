"""How long a target takes for a document: a few of the source's, written to a scratch collection and removed again."""

import time
from typing import Final

from app.db.documents import Document
from app.db.service import DatabaseService
from app.db.transfer.collections import SCRATCH, machinery
from app.db.writes import Delete

_DOCUMENTS: Final = 1_000
_BYTES: Final = 2_000_000
_BATCH: Final = 200
_SECONDS: Final = 2.0
_DELETED_AT_ONCE: Final = 100


class Sample:
    """Some documents that fit: every one that is offered at first, then ever fewer, so that all parts are in it."""

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self._bytes = 0
        self._offered = 0
        self._step = 1

    def offer(self, document: Document, size: int) -> None:
        """Take the document, or leave it."""
        self._offered += 1
        if self._offered % self._step:
            return
        if len(self.documents) >= _DOCUMENTS or self._bytes + size > _BYTES:
            self.documents = self.documents[::2]
            self._bytes //= 2
            self._step *= 2
            return
        self.documents.append(document)
        self._bytes += size


def measure_writing(target: DatabaseService, documents: list[Document]) -> float:
    """Seconds for a document, over at most two seconds. Nothing of it is left but an empty collection.

    Raises what the target raises, or refuses a document with: the documents are known to fit.
    """
    target.prepare(machinery(SCRATCH))
    _empty(target)  # what an earlier plan had to leave behind
    try:
        # The first request pays for the connection, and for what the database looks up once.
        _write(target, documents[:1], 0)
        began = time.monotonic()
        done = 0
        while done < len(documents) and (done == 0 or time.monotonic() - began < _SECONDS):
            done += _write(target, documents[done : done + _BATCH], done)
        return (time.monotonic() - began) / done
    finally:
        _empty(target)


def _write(target: DatabaseService, documents: list[Document], start: int) -> int:
    # Ids of their own: in different tenants' parts the same ones come again.
    numbered = [{**document, "_id": f"{start + place:06}"} for place, document in enumerate(documents)]
    for outcome in target.write_batch(SCRATCH, numbered):
        if outcome.error is not None:
            raise outcome.error
    return len(numbered)


def _empty(target: DatabaseService) -> None:
    while True:
        ids = [document["_id"] for _, document in target.scan(SCRATCH, None, _DELETED_AT_ONCE).documents]
        if not ids:
            return
        target.commit([Delete(SCRATCH, id) for id in ids])
