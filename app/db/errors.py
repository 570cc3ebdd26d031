"""What the database layer raises; nothing else leaves it.

    DatabaseError
    ├── NotFound 404
    ├── Conflict 409           names at least one conflicting key
    ├── InvalidDocument 400    names the path of the offending value
    ├── InvalidQuery 400       names the offending field, operator or cursor
    ├── TooLarge 413
    └── Unavailable 503        with the wait, and whether the outcome of a write is unknown
        ├── NotPrepared        a collection is not there, and may not be created at its first use
        ├── Unauthorised       the database refused our credentials or lacks a right
        ├── Throttled          the database asked us to slow down
        └── NotWritable        reads go on: the disk is full or the database read-only

Absence, conflict and failure are three different things. The driver's own error is kept as ``__cause__``.
"""

from collections.abc import Iterable
from typing import Literal

from app.errors import WherryError

Key = tuple[str, str]


class DatabaseError(WherryError):
    """The root of everything that ``app.db`` raises."""


class NotFound(DatabaseError):
    """There is no such document."""

    status = 404
    title = "Not found"

    def __init__(self, collection: str, id: str) -> None:
        super().__init__(f"There is no {id!r} in {collection!r}.")
        self.collection = collection
        self.id = id


class Conflict(DatabaseError):
    """An expectation did not hold. ``keys`` are the conflicting (collection, id) pairs that are known; at least one."""

    status = 409
    title = "Somebody else changed this"

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys: tuple[Key, ...] = tuple(keys)
        named = ", ".join(f"{id!r} in {collection!r}" for collection, id in self.keys)
        super().__init__(f"Changed or created by somebody else meanwhile: {named}.")


class InvalidDocument(DatabaseError):
    """A value, key or id that not every backend can keep. ``path`` says where, e.g. ``schema.fields[3]``."""

    status = 400
    title = "This cannot be stored"

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class InvalidQuery(DatabaseError):
    """A query, collection name or cursor that cannot be answered. ``name`` is the offending part."""

    status = 400
    title = "This cannot be asked"

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(f"{name}: {message}" if name else message)
        self.name = name


class TooLarge(DatabaseError):
    """A document over 350 kB, a commit over 100 documents or 4 MB."""

    status = 413
    title = "Too large"


class Unavailable(DatabaseError):
    """The database did not answer, or not as it should.

    ``retry_after`` is a wait in seconds that makes sense. ``outcome`` is ``"unknown"`` for a write that may or may not
    have been applied, else None: nothing was applied.
    """

    status = 503
    title = "The database is not available"

    def __init__(self, message: str, *, retry_after: float = 1.0, outcome: Literal["unknown"] | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.outcome = outcome


class NotPrepared(Unavailable):
    """A collection is not there, and this service may not create it."""

    def __init__(self, collection: str) -> None:
        super().__init__(f"The collection {collection!r} is not prepared: run 'wherry db prepare'.", retry_after=30.0)


class Unauthorised(Unavailable):
    """The database refuses our credentials, or they lack a right."""


class Throttled(Unavailable):
    """The database asks for fewer requests."""


class NotWritable(Unavailable):
    """The disk is full or the database read-only. Reads go on."""

    title = "Nothing can be saved at the moment"
