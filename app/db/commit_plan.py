"""The entries of one unit of work's commit: no key twice, and within the unit's share of the database's limits."""

from typing import Final

import orjson

from app.db.documents import Document, check_document, split_rev
from app.db.errors import Conflict, Key, TooLarge
from app.db.writes import ABSENT, Check, Delete, Expected, Put, Write

# The database takes 100 entries and 4 MB; the rest is for the audit record, the events and the change record.
MAX_DOCUMENTS: Final = 90
MAX_BYTES: Final = 3_000_000


class CommitPlan:
    """Collects writes and checks; a check on a key that is also written must expect the same, or is a Conflict."""

    def __init__(self) -> None:
        self._writes: dict[Key, Write] = {}
        self._documents: dict[Key, Document] = {}
        self._bytes = 0

    def put(self, path: str, id: str, document: Document, expect: Expected) -> None:
        """A document that is to be written; InvalidDocument if it is no JSON. The database checks it closely."""
        try:
            self._bytes += len(orjson.dumps(document))
        except orjson.JSONEncodeError:
            check_document(document, id)  # says where
            raise
        self._add(Put(path, id, document, expect))
        self._documents[path, id] = document

    def delete(self, path: str, id: str, expect: Expected) -> None:
        """A document that is to go."""
        self._add(Delete(path, id, expect))

    def check(self, path: str, id: str, expect: Expected) -> None:
        """A document that is only to be as expected."""
        self._add(Check(path, id, expect))

    @property
    def changes_anything(self) -> bool:
        """Whether there is more than checks."""
        return any(not isinstance(write, Check) for write in self._writes.values())

    def document(self, key: Key) -> Document:
        """What is put there."""
        return self._documents[key]

    def writes(self) -> list[Write]:
        """The entries; TooLarge if there are more than a unit of work has room for."""
        if len(self._writes) > MAX_DOCUMENTS:
            raise TooLarge(f"A unit of work has room for {MAX_DOCUMENTS} documents, not {len(self._writes)}.")
        if self._bytes > MAX_BYTES:
            raise TooLarge(f"A unit of work has room for {MAX_BYTES:,} bytes, not {self._bytes:,}.")
        return list(self._writes.values())

    def _add(self, write: Write) -> None:
        key = (write.collection, write.id)
        other = self._writes.get(key)
        if other is None:
            self._writes[key] = write
            return
        if not isinstance(write, Check) and not isinstance(other, Check):
            raise RuntimeError(f"{write.id!r} in {write.collection!r} is written twice by one unit of work.")
        if _token(write.expect) != _token(other.expect):
            raise Conflict([key])
        self._writes[key] = other if isinstance(write, Check) else write


def _token(expect: Expected) -> Expected:
    return split_rev(expect)[0] if isinstance(expect, str) else ABSENT if expect is ABSENT else expect
