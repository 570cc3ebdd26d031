"""Reading a whole collection page by page: by scan, or tenant by tenant where only some are asked for.

How many documents a page asks for follows the size of those that came, so that large ones do not take more memory than
many, and is halved when no answer comes again and again. Where large documents follow small ones memory is bounded by
what the backend says it may be asked for at once (``scan_at_once``), and by a hundred where a tenant's are listed: of
the largest, 35 MB.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

import orjson

from app.db.capabilities import CollectionInfo, ScanPage
from app.db.documents import Document
from app.db.errors import InvalidQuery, Unavailable
from app.db.query import Page, Query
from app.db.service import DatabaseService
from app.db.transfer.pacing import Patience

T = TypeVar("T")
BYTES: Final = 500_000
_MOST_LISTED: Final = 100
_FEWEST: Final = 4
_GROW_AFTER: Final = 5


class Stretch(NamedTuple):
    """What is written at a time: (path, document) pairs, the bytes of their JSON, and where to go on; ``after`` is None
    behind the last."""

    documents: list[tuple[str, Document]]
    bytes: int
    after: str | None


class PageSize:
    """How many documents to ask for: half a megabyte of such as came last, and at most ``most``.

    Halved, down to one, when no answer comes for the second time and whenever else none does for the same page: one
    connection that breaks says nothing of the page. Doubled again after five pages that came at once. For one reader.
    """

    def __init__(self, most: int) -> None:
        self._most = self._fitting = self._coming = most
        self._at_once = 0

    @property
    def now(self) -> int:
        """The number for the next page."""
        return min(self._fitting, self._coming)

    def seen(self, documents: int, bytes: int) -> None:
        """So many came, and so large was their JSON."""
        if documents:
            wanted = max(_FEWEST, BYTES * documents // max(1, bytes))
            self._fitting = min(self._most, 2 * self._fitting, wanted)

    def ask(self, patience: Patience, read: Callable[[int], T]) -> T:
        """What ``read`` answers to a number of documents; it is called again after each outage, soon with fewer.

        Unavailable when ``patience`` is at an end.
        """
        failures = 0

        def attempt() -> T:
            nonlocal failures
            try:
                return read(self.now)
            except Unavailable:
                failures += 1
                if failures > 1:
                    self._coming, self._at_once = max(1, self.now // 2), 0
                raise

        answer = patience.call(attempt)
        self._at_once += not failures
        if self._at_once >= _GROW_AFTER:
            self._coming, self._at_once = min(self._most, 2 * self._coming), 0
        return answer


def at_most(source: DatabaseService, tenants: Sequence[str] | None) -> int:
    """How many documents ``pages`` may ask for at once, however large they are."""
    return source.capabilities.scan_at_once if tenants is None else _MOST_LISTED


def pages(
    source: DatabaseService,
    collection: CollectionInfo,
    tenants: Sequence[str] | None,
    after: str | None,
    size: PageSize,
    patience: Patience,
) -> Iterator[ScanPage]:
    """A collection's documents from a place on, in the backend's own order; of a tenants' collection those of
    ``tenants``, if given, and then of the installation's none.

    The caller tells ``size`` of what it has seen. Unavailable when ``patience`` is at an end.
    """
    if tenants is None:
        return _scanned(source, collection.name, after, size, patience)
    if collection.scope != "tenant":
        return iter(())
    return _by_tenant(source, collection.name, tenants, after, size, patience)


def stretches(
    source: DatabaseService,
    collection: CollectionInfo,
    tenants: Sequence[str] | None,
    after: str | None,
    most: int,
    patience: Patience,
) -> Iterator[Stretch]:
    """As ``pages``, gathered until there are ``most`` documents or half a megabyte: bulk writes pay by the hundreds."""
    size = PageSize(min(most, at_most(source, tenants)))
    gathered: list[tuple[str, Document]] = []
    bytes = 0
    for documents, place in pages(source, collection, tenants, after, size, patience):
        came = size_of([document for _, document in documents])
        size.seen(len(documents), came)
        gathered += documents
        bytes += came
        if place is None or bytes + came > BYTES or len(gathered) + size.now > most:
            yield Stretch(gathered, bytes, place)
            gathered, bytes = [], 0


def by_id(service: DatabaseService, path: str, patience: Patience) -> Iterator[Document]:
    """The documents of a path in id order. The database has to have the collection."""
    size = PageSize(_MOST_LISTED)
    for documents, _ in _of_path(service, path, None, size, patience):
        size.seen(len(documents), size_of(documents))
        yield from documents


def size_of(documents: Sequence[object]) -> int:
    """The bytes of their JSON; what has none counts nothing."""
    try:
        return len(orjson.dumps(documents))
    except orjson.JSONEncodeError:
        return 0 if len(documents) == 1 else sum(size_of([document]) for document in documents)


def _scanned(
    source: DatabaseService, name: str, after: str | None, size: PageSize, patience: Patience
) -> Iterator[ScanPage]:
    def read(place: str | None) -> Callable[[int], ScanPage]:
        return lambda limit: source.scan(name, place, limit)

    while True:
        page = size.ask(patience, read(after))
        yield page
        after = page.after
        if after is None:
            return


def _of_path(
    source: DatabaseService, path: str, cursor: str | None, size: PageSize, patience: Patience
) -> Iterator[tuple[list[Document], str | None]]:
    def read(place: str | None) -> Callable[[int], Page]:
        return lambda limit: source.query(path, Query(limit=limit, cursor=place))

    given = cursor
    while True:
        try:
            page = size.ask(patience, read(cursor))
        except InvalidQuery:
            if cursor is None or cursor != given:
                raise
            cursor = None  # another key seals this database's cursors by now: this tenant from its beginning
            continue
        yield page.documents, page.cursor
        cursor = page.cursor
        if cursor is None:
            return


def _by_tenant(
    source: DatabaseService,
    name: str,
    tenants: Sequence[str],
    after: str | None,
    size: PageSize,
    patience: Patience,
) -> Iterator[ScanPage]:
    first, cursor = _opened(after)
    remaining = list(dict.fromkeys(tenants))
    if first in remaining:
        remaining = remaining[remaining.index(first) :]
    else:
        cursor = None
    for tenant, following in zip(remaining, [*remaining[1:], None], strict=True):
        path = f"{tenant}/{name}"
        for documents, behind in _of_path(source, path, cursor, size, patience):
            place: str | None = None
            if behind is not None:
                place = _sealed(tenant, behind)
            elif following is not None:
                place = _sealed(following, None)
            yield ScanPage([(path, document) for document in documents], place)
        cursor = None


def _sealed(tenant: str, cursor: str | None) -> str:
    return orjson.dumps([tenant, cursor]).decode()


def _opened(after: str | None) -> tuple[str, str | None]:
    if after is None:
        return "", None
    tenant, cursor = orjson.loads(after)
    return tenant, cursor
