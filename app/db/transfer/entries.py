"""Whole collections as canonical JSON, for comparing and dumping: each page's documents become entries.

A document's entry is its one JSON text with ``_id`` and, as ``_rev``, the revision token alone: the rest of a revision
is the database's own affair and differs where the document does not. So two entries are equal if and only if id,
revision and content are.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import orjson

from app.db.capabilities import CollectionInfo
from app.db.documents import MAX_BYTES, Document, canonical_json, check_document, split_rev
from app.db.errors import DatabaseError
from app.db.service import DatabaseService
from app.db.transfer.pacing import Patience
from app.db.transfer.paged_reading import PageSize, at_most, pages

_SURELY_TOO_LARGE: Final = MAX_BYTES + 2_000

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


class Entries(NamedTuple):
    """Some of a collection's documents, the bytes of their JSON, and those among them that are unfit."""

    entries: list[Entry]
    bytes: int
    unfit: list[Unfit]


def entries_of(
    service: DatabaseService, collection: CollectionInfo, patience: Patience, tenants: Sequence[str] | None = None
) -> Iterator[Entries]:
    """Every document of a collection, or of these tenants in it, in the backend's own order.

    With ``tenants``, a collection of the installation has none. Unavailable when ``patience`` is at an end.
    """
    size = PageSize(at_most(service, tenants))
    for documents, _ in pages(service, collection, tenants, None, size, patience):
        found = _entries(documents)
        size.seen(len(documents), found.bytes + sum([len(one.data) for one in found.unfit]))
        yield found


def entry_of(document: Document) -> bytes:
    """A document's entry, for comparing; of an unfit one as well."""
    document = {**document, "_rev": split_rev(document["_rev"])[0]}
    try:
        return canonical_json(document)
    except orjson.JSONEncodeError:
        return repr(sorted(document.items())).encode("utf-8", "surrogatepass")


def _entries(documents: list[tuple[str, Document]]) -> Entries:
    for _, document in documents:
        rev = document["_rev"]
        if "." in rev:
            document["_rev"] = split_rev(rev)[0]
    try:
        entries = [(path, canonical_json(document)) for path, document in documents]
    except orjson.JSONEncodeError:  # one of them is unfit: look at each
        return _looked_at(documents)
    sizes = [len(data) for _, data in entries]
    return Entries(entries, sum(sizes), []) if max(sizes, default=0) <= _SURELY_TOO_LARGE else _looked_at(documents)


def _looked_at(documents: list[tuple[str, Document]]) -> Entries:
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
    return Entries(entries, sum([len(data) for _, data in entries]), unfit)


def _reason(document: Document, error: Exception) -> str:
    try:
        check_document(document, document["_id"])
    except DatabaseError as refusal:
        return str(refusal)
    return str(error)
