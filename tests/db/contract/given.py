"""What the tests start from: the schema, and every way to write and to read one document."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from app.db import Collection, DatabaseService, Index, NotFound, Put, Query, Schema

Document = dict[str, Any]
Reader = Callable[[DatabaseService, str, str], Document | None]
Writer = Callable[[DatabaseService, str, str, Document], str]

NOTES: Final = "acme/notes"
OTHERS: Final = "other/notes"
PEOPLE: Final = "people"

INDEXES: Final = (
    Index("name"),
    Index("value"),
    Index("status"),
    Index("status", "name"),
    Index("status", "kind", "name"),
    Index("name", "value"),
    Index("status", "name", "value"),
    Index("address.city"),
)


def make_schema() -> Schema:
    """Tenants' notes and the installation's people; a new object, as a service may add to its own."""
    return Schema(
        [
            Collection("notes", "tenant", INDEXES),
            Collection("tasks", "tenant", (Index("status"),)),
            Collection("people", "installation", (Index("name"), Index("status", "name"))),
        ]
    )


def fill(service: DatabaseService, collection: str, documents: dict[str, Document]) -> None:
    """Write many documents at once; every one must be accepted."""
    outcomes = service.write_batch(collection, [{**document, "_id": id} for id, document in documents.items()])
    assert [outcome.error for outcome in outcomes] == [None] * len(documents)


def pages(service: DatabaseService, collection: str, query: Query) -> Iterator[list[Document]]:
    """Every page of a query, following the cursors."""
    while True:
        page = service.query(collection, query)
        yield page.documents
        if page.cursor is None:
            return
        assert page.cursor != query.cursor, "the page after this one would be the same"
        query = Query(
            where=query.where,
            order_by=query.order_by,
            descending=query.descending,
            limit=query.limit,
            fields=query.fields,
            cursor=page.cursor,
        )


def ids_of(service: DatabaseService, collection: str, query: Query | None = None) -> list[str]:
    """The ids of a whole query, in order, all pages."""
    found = pages(service, collection, query if query is not None else Query())
    return [document["_id"] for page in found for document in page]


def body(document: Document) -> Document:
    """A document as it was written, without what the database adds."""
    return {key: value for key, value in document.items() if key not in ("_id", "_rev")}


def _get(service: DatabaseService, collection: str, id: str) -> Document | None:
    try:
        return service.get(collection, id)
    except NotFound:
        return None


def _get_many(service: DatabaseService, collection: str, id: str) -> Document | None:
    return service.get_many(collection, ["no such document", id]).get(id)


def _read_together(service: DatabaseService, collection: str, id: str) -> Document | None:
    return service.read_together([(collection, id), (collection, "no such document")])[0]


def _only(documents: Iterator[Document], id: str) -> Document | None:
    found = [document for document in documents if document["_id"] == id]
    assert len(found) <= 1, f"{id!r} appears {len(found)} times"
    return found[0] if found else None


def _list_all(service: DatabaseService, collection: str, id: str) -> Document | None:
    return _only(service.list_all(collection), id)


def _query(service: DatabaseService, collection: str, id: str) -> Document | None:
    found = pages(service, collection, Query(limit=100))
    return _only((document for page in found for document in page), id)


def _scan(service: DatabaseService, collection: str, id: str) -> Document | None:
    return _only((document for path, document in scanned(service, collection) if path == collection), id)


def scanned(service: DatabaseService, collection: str, limit: int = 100) -> Iterator[tuple[str, Document]]:
    """Everything that a scan of the collection's bare name shows, following ``after``."""
    after = None
    while True:
        page = service.scan(collection.rpartition("/")[2], after, limit)
        assert len(page.documents) <= limit
        yield from page.documents
        if page.after is None:
            return
        assert page.after != after, "the page after this one would be the same"
        after = page.after


READERS: Final[dict[str, Reader]] = {
    "get": _get,
    "get_many": _get_many,
    "read_together": _read_together,
    "list_all": _list_all,
    "query": _query,
    "scan": _scan,
}


def _save(service: DatabaseService, collection: str, id: str, document: Document) -> str:
    return service.save(collection, id, document)["rev"]


def _create(service: DatabaseService, collection: str, id: str, document: Document) -> str:
    return service.create(collection, id, document)["rev"]


def _update(service: DatabaseService, collection: str, id: str, document: Document) -> str:
    service.save(collection, id, {})
    rev: str = service.update(collection, id, lambda _: document)["_rev"]
    return rev


def _commit(service: DatabaseService, collection: str, id: str, document: Document) -> str:
    (saved,) = service.commit([Put(collection, id, document)])
    assert saved is not None
    return saved["rev"]


def _commit_of_two(service: DatabaseService, collection: str, id: str, document: Document) -> str:
    saved, beside = service.commit([Put(collection, id, document), Put("beside/tasks", "beside", {})])
    assert saved is not None
    assert beside is not None
    return saved["rev"]


def _write_batch(service: DatabaseService, collection: str, id: str, document: Document) -> str:
    (outcome,) = service.write_batch(collection, [{**document, "_id": id}])
    if outcome.error is not None:
        raise outcome.error
    assert outcome.rev is not None
    return outcome.rev


WRITERS: Final[dict[str, Writer]] = {
    "save": _save,
    "create": _create,
    "update": _update,
    "commit": _commit,
    "commit_of_two": _commit_of_two,
    "write_batch": _write_batch,
}
