"""Reading a whole database once, as canonical JSON, in constant memory.

A document's entry is its one JSON text with ``_id`` and, as ``_rev``, the revision token alone: the rest of a revision
is the database's own affair and differs where the document does not. So two entries are equal if and only if id,
revision and content are.

How many documents are asked for at once follows their size, so that large ones do not take more memory than many.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

import orjson

from app.db.capabilities import CollectionInfo
from app.db.documents import MAX_BYTES, Document, canonical_json, check_document, split_rev
from app.db.errors import DatabaseError
from app.db.query import Query
from app.db.service import DatabaseService
from app.db.transfer.pacing import Patience

_AIM: Final = 500_000
_SURELY_TOO_LARGE: Final = MAX_BYTES + 2_000
_FIRST, _LEAST = 100, 4
_MOST_NEAR: Final = 100
"""More do not pay where the database is in this process: they leave the processor's cache before they are looked at."""
_MOST_FAR: Final = 1_000
"""A page from a server costs a round trip, and at the least what the server does for any page."""


Entry = tuple[str, bytes]
"""A document: its collection's path, and its canonical JSON."""


class Unfit(NamedTuple):
    """A document that is stored but that the contract does not allow: it was written past it. ``reason`` is why.

    ``data`` tells it from others, but is not JSON.
    """

    path: str
    id: str
    reason: str
    data: bytes


class Stretch(NamedTuple):
    """Some of a collection's documents, the bytes of their JSON, and those among them that are unfit."""

    entries: list[Entry]
    bytes: int
    unfit: list[Unfit]


def entries_of(
    service: DatabaseService, collection: CollectionInfo, patience: Patience, tenants: Sequence[str] | None = None
) -> Iterator[Stretch]:
    """Every document of a collection, or of these tenants in it, in the backend's own order.

    With ``tenants``, a collection of the installation has none. Unavailable when ``patience`` is at an end.
    """
    if tenants is None:
        return _scanned(service, collection.name, patience)
    if collection.scope != "tenant":
        return iter(())
    paths = (f"{tenant}/{collection.name}" for tenant in dict.fromkeys(tenants))
    return (stretch for path in paths for stretch in _paged(service, path, patience))


def entry_of(document: Document) -> bytes:
    """A document's entry, for comparing; of an unfit one as well."""
    document = {**document, "_rev": split_rev(document["_rev"])[0]}
    try:
        return canonical_json(document)
    except orjson.JSONEncodeError:
        return repr(sorted(document.items())).encode("utf-8", "surrogatepass")


def by_id(service: DatabaseService, path: str, patience: Patience) -> Iterator[Document]:
    """The documents of a path in id order. The database has to have the collection."""
    size = _Size(service)
    cursor: str | None = None
    while True:
        page = patience.call(partial(service.query, path, Query(limit=size.number, cursor=cursor)))
        yield from page.documents
        size.seen(sum(len(entry_of(document)) for document in page.documents[:20]), len(page.documents[:20]))
        cursor = page.cursor
        if cursor is None:
            return


def _scanned(service: DatabaseService, name: str, patience: Patience) -> Iterator[Stretch]:
    size = _Size(service)
    after: str | None = None
    while True:
        page = patience.call(partial(service.scan, name, after, size.number))
        stretch = _stretch(page.documents)
        size.seen(stretch.bytes, len(stretch.entries))
        yield stretch
        after = page.after
        if after is None:
            return


def _paged(service: DatabaseService, path: str, patience: Patience) -> Iterator[Stretch]:
    size = _Size(service)
    cursor: str | None = None
    while True:
        page = patience.call(partial(service.query, path, Query(limit=size.number, cursor=cursor)))
        stretch = _stretch([(path, document) for document in page.documents])
        size.seen(stretch.bytes, len(stretch.entries))
        yield stretch
        cursor = page.cursor
        if cursor is None:
            return


def _stretch(documents: list[tuple[str, Document]]) -> Stretch:
    for _, document in documents:
        rev = document["_rev"]
        if "." in rev:
            document["_rev"] = split_rev(rev)[0]
    try:
        entries = [(path, canonical_json(document)) for path, document in documents]
    except orjson.JSONEncodeError:  # one of them is unfit: look at each
        return _looked_at(documents)
    sizes = [len(data) for _, data in entries]
    return Stretch(entries, sum(sizes), []) if max(sizes, default=0) <= _SURELY_TOO_LARGE else _looked_at(documents)


def _looked_at(documents: list[tuple[str, Document]]) -> Stretch:
    entries: list[Entry] = []
    unfit: list[Unfit] = []
    for path, document in documents:
        try:
            data = canonical_json(document)
            if len(data) > _SURELY_TOO_LARGE:
                check_document(document, document["_id"])
            entries.append((path, data))
        except (orjson.JSONEncodeError, DatabaseError) as error:
            unfit.append(Unfit(path, document["_id"], _reason(document, error), entry_of(document)))
    return Stretch(entries, sum([len(data) for _, data in entries]), unfit)


def _reason(document: Document, error: Exception) -> str:
    try:
        check_document(document, document["_id"])
    except DatabaseError as refusal:
        return str(refusal)
    return str(error)


class _Size:
    """How many documents to ask for next: about half a megabyte of them, and never many more than last time."""

    def __init__(self, service: DatabaseService) -> None:
        self._most = _MOST_FAR if service.answers_within else _MOST_NEAR
        self.number = _FIRST

    def seen(self, bytes: int, documents: int) -> None:
        """So large were those that came."""
        if documents:
            wanted = _AIM * documents // max(1, bytes)
            self.number = max(_LEAST, min(self._most, 2 * self.number, wanted))
