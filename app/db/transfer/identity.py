"""Which database is which: a random id in ``migration_state/identity``, made by transfers and never at normal use.

Addresses do not tell whether two databases are one: a host has many names, a file many paths. And an id does not tell
that they are two, as a file that was copied has its original's. So what is written on one side is looked for on the
other.
"""

from contextlib import suppress
from secrets import token_hex
from typing import Final

from app.db.documents import Document
from app.db.errors import Conflict, NotFound
from app.db.service import DatabaseService
from app.db.transfer.collections import STATE, machinery

IDENTITY: Final = "identity"
"""The id of the document."""
FORMAT: Final = 1
"""Of the documents that the machinery keeps; a database that was used with a newer one is refused."""


def read_identity(service: DatabaseService) -> str | None:
    """The database's identity, or None if no transfer has given it one. Writes nothing."""
    document = _read(service)
    return None if document is None else str(document["identity"])


def read_format(service: DatabaseService) -> int:
    """The format of the machinery's documents there; ours if there are none."""
    document = _read(service)
    return FORMAT if document is None else int(document.get("format", FORMAT))


def ensure_identity(service: DatabaseService) -> str:
    """The database's identity, made if it has none. Prepares what that needs."""
    service.prepare(machinery(STATE))
    with suppress(Conflict):  # it has one already
        service.create(STATE, IDENTITY, {"identity": token_hex(16), "format": FORMAT})
    return str(service.get(STATE, IDENTITY)["identity"])


def same_database(source: DatabaseService, target: DatabaseService) -> bool:
    """Whether both lead to the same database. Writes to the target, and never to the source.

    The target gets an identity. One that was copied together with all the rest is replaced.
    """
    own = ensure_identity(target)
    if read_identity(source) != own:
        return False
    probe = token_hex(16)
    target.update(STATE, IDENTITY, lambda document: {**document, "probe": probe})
    seen = _read(source)
    if seen is not None and seen.get("probe") == probe:
        return True
    target.update(STATE, IDENTITY, lambda document: {**document, "identity": token_hex(16)})
    return False


def looks_same(source: DatabaseService, target: DatabaseService) -> bool:
    """Whether both have the same identity, found out without writing anything.

    True also for a copy of all the files of the other; False where neither has an identity.
    """
    own = read_identity(target)
    return own is not None and own == read_identity(source)


def _read(service: DatabaseService) -> Document | None:
    # Asked first: a service that must not create anything calls a collection that is not there unavailable.
    if STATE not in {one.name for one in service.collections()}:
        return None
    try:
        return service.get(STATE, IDENTITY)
    except NotFound:
        return None
