"""The stretches in which a copy reads its source: by scan, or tenant by tenant where only some are asked for.

A stretch is a few hundred documents of about a megabyte together, and the place behind it, from which a later copy can
go on. How many documents are asked for follows the size of those that came, and never grows by more than four times, so
that memory stays bounded when large documents follow small ones.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import orjson

from app.db.capabilities import CollectionInfo
from app.db.documents import Document
from app.db.errors import InvalidQuery
from app.db.query import MAX_LIMIT, Page, Query
from app.db.service import DatabaseService
from app.db.transfer.pacing import Patience

BYTES: Final = 500_000
_FIRST: Final = 100
_FEWEST: Final = 5


class Stretch(NamedTuple):
    """(path, document) pairs, the bytes of their JSON, and where to go on; ``after`` is None behind the last."""

    documents: list[tuple[str, Document]]
    bytes: int
    after: str | None


def stretches(
    source: DatabaseService,
    collection: CollectionInfo,
    tenants: Sequence[str] | None,
    after: str | None,
    most: int,
    patience: Patience,
) -> Iterator[Stretch]:
    """A collection's documents from a place on; of a tenants' collection those of ``tenants``, if given."""
    if tenants is None:
        return _scanned(source, collection.name, after, most, patience)
    return _by_tenant(source, collection.name, tenants, after, min(most, MAX_LIMIT), patience)


def size_of(documents: Sequence[object]) -> int:
    """The bytes of their JSON; what has none counts nothing."""
    try:
        return len(orjson.dumps(documents))
    except orjson.JSONEncodeError:
        return 0 if len(documents) == 1 else sum(size_of([document]) for document in documents)


class _Limit:
    """How many documents to ask for next."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.now = min(_FIRST, most)

    def seen(self, documents: int, bytes: int) -> None:
        if documents:
            wanted = BYTES * documents // max(1, bytes)
            self.now = max(1, min(self._most, 4 * self.now, max(_FEWEST, wanted)))


def _scanned(source: DatabaseService, name: str, after: str | None, most: int, patience: Patience) -> Iterator[Stretch]:
    limit = _Limit(most)

    def read(place: str | None) -> Callable[[], tuple[list[tuple[str, Document]], str | None]]:
        return lambda: source.scan(name, place, limit.now)

    while True:
        documents, after = patience.call(read(after))
        bytes = size_of([document for _, document in documents])
        limit.seen(len(documents), bytes)
        yield Stretch(documents, bytes, after)
        if after is None:
            return


def _by_tenant(
    source: DatabaseService, name: str, tenants: Sequence[str], after: str | None, most: int, patience: Patience
) -> Iterator[Stretch]:
    limit = _Limit(most)
    first, cursor = _opened(after)
    remaining = list(dict.fromkeys(tenants))
    if first in remaining:
        remaining = remaining[remaining.index(first) :]
    else:
        cursor = None

    def read(path: str, place: str | None) -> Callable[[], Page]:
        return lambda: source.query(path, Query(limit=limit.now, cursor=place))

    for position, tenant in enumerate(remaining):
        path = f"{tenant}/{name}"
        while True:
            try:
                page = patience.call(read(path, cursor))
            except InvalidQuery:
                if cursor is None:
                    raise
                cursor = None  # another key seals this database's cursors by now: this tenant from its beginning
                continue
            bytes = size_of(page.documents)
            limit.seen(len(page.documents), bytes)
            cursor = page.cursor
            place: str | None = None
            if cursor is not None:
                place = _sealed(tenant, cursor)
            elif position + 1 < len(remaining):
                place = _sealed(remaining[position + 1], None)
            yield Stretch([(path, document) for document in page.documents], bytes, place)
            if cursor is None:
                break


def _sealed(tenant: str, cursor: str | None) -> str:
    return orjson.dumps([tenant, cursor]).decode()


def _opened(after: str | None) -> tuple[str, str | None]:
    if after is None:
        return "", None
    tenant, cursor = orjson.loads(after)
    return tenant, cursor
