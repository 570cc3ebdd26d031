"""How many requests each operation takes on CouchDB: with revisions at hand, and no commit in flight."""

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from app.db import Check, Conflict, Delete, Put, Query, where
from app.db.backends.couchdb import CouchDatabase
from tests.db.contract.given import NOTES, OTHERS, PEOPLE, fill, make_schema
from tests.db.couchdb_fixtures import backend, couchdb_url
from tests.db.couchdb_server import CouchBackend

__all__ = ["backend", "couchdb_url"]


@pytest.fixture
def service(backend: CouchBackend) -> Iterator[CouchDatabase]:
    opened = cast(CouchDatabase, backend.open(make_schema()))
    opened.prepare()
    fill(opened, NOTES, {f"{n:03}": {"status": "open", "name": f"{n:03}", "value": n} for n in range(120)})
    for collection in (NOTES, OTHERS, PEOPLE):  # the first use of a collection reads the registry
        opened.save(collection, "used", {})
    opened.commit([Put(NOTES, "used", {}), Put(OTHERS, "used", {})])
    opened.query(NOTES, Query(where=(where("status").eq("open"),), order_by=("name",)))
    yield opened
    opened.close()


@pytest.fixture
def requests(service: CouchDatabase, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The method and path of every request from now on."""
    made: list[str] = []
    send = service.session.request

    def request(method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        made.append(f"{method} {path}")
        return send(method, path, *args, **kwargs)

    monkeypatch.setattr(service.session, "request", request)
    return made


STATUS = where("status").eq("open")
OPERATIONS: dict[str, tuple[int, Callable[[CouchDatabase, str], object]]] = {
    "get": (1, lambda service, rev: service.get(NOTES, "001")),
    "save with its revision": (1, lambda service, rev: service.save(NOTES, "001", {"n": 1, "_rev": rev})),
    "create": (1, lambda service, rev: service.create(NOTES, "new", {})),
    "save of a new document": (1, lambda service, rev: service.save(NOTES, "new", {})),
    "delete with its revision": (1, lambda service, rev: service.delete(NOTES, "001", rev)),
    "update": (2, lambda service, rev: service.update(NOTES, "001", lambda document: document)),
    "get_many of a hundred": (1, lambda service, rev: service.get_many(NOTES, [f"{n:03}" for n in range(100)])),
    "page of fifty": (1, lambda service, rev: service.query(NOTES, Query(where=(STATUS,), order_by=("name",)))),
    "page by id": (1, lambda service, rev: service.query(NOTES, Query())),
    "page with a range": (
        1,
        lambda service, rev: service.query(NOTES, Query(where=(where("name").gt("01"),), order_by=("name",))),
    ),
    "page of several runs": (
        1,
        lambda service, rev: service.query(
            NOTES, Query(where=(where("status").in_(["open", "closed"]),), order_by=("name",))
        ),
    ),
    "page of some fields": (
        1,
        lambda service, rev: service.query(NOTES, Query(where=(STATUS,), order_by=("name",), fields=("name",))),
    ),
    "count": (1, lambda service, rev: service.count(NOTES, (STATUS,))),
    "count of everything": (1, lambda service, rev: service.count(NOTES)),
    "write_batch of a hundred": (
        1,
        lambda service, rev: service.write_batch(NOTES, [{"_id": f"new {n}"} for n in range(100)]),
    ),
    "commit of one put": (1, lambda service, rev: service.commit([Put(NOTES, "001", {"n": 1}, rev)])),
    "commit of one delete": (1, lambda service, rev: service.commit([Delete(NOTES, "001", rev)])),
    "commit of one check": (1, lambda service, rev: service.commit([Check(NOTES, "001", rev)])),
    "read_together of one": (1, lambda service, rev: service.read_together([(NOTES, "001")])),
    "read_together of a collection": (2, lambda service, rev: service.read_together([(NOTES, "001"), (OTHERS, "a")])),
    # Read, record, intents, commit, fold; a further collection is three more, a check one.
    "commit of two": (5, lambda service, rev: service.commit([Put(NOTES, "001", {}, rev), Put(OTHERS, "a", {})])),
    "commit of a hundred": (5, lambda service, rev: service.commit([Put(NOTES, f"{n:03}", {}) for n in range(100)])),
    "commit over two collections": (
        8,
        lambda service, rev: service.commit([Put(NOTES, "001", {}, rev), Put(PEOPLE, "a", {})]),
    ),
    "commit with a check": (
        6,
        lambda service, rev: service.commit([Put(OTHERS, "a", {}), Check(NOTES, "001", rev)]),
    ),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_takes_so_many_requests(service: CouchDatabase, requests: list[str], operation: str) -> None:
    most, call = OPERATIONS[operation]
    rev = service.get(NOTES, "001")["_rev"]
    requests.clear()
    call(service, rev)
    assert len(requests) == most, requests
    assert not any(made.startswith("HEAD") for made in requests)


def test_saves_without_a_revision_learn_whether_there_is_a_document(
    service: CouchDatabase, requests: list[str]
) -> None:
    counts = []
    for id in ("001", "002", "new", "newer", "003"):
        requests.clear()
        service.save(NOTES, id, {})
        counts.append(len(requests))
    assert counts == [3, 2, 2, 1, 3]


def test_bulk_writes_learn_whether_there_are_documents(service: CouchDatabase, requests: list[str]) -> None:
    counts = []
    for ids in (("001", "002"), ("003", "004"), ("new", "newer"), ("newest", "last")):
        requests.clear()
        outcomes = service.write_batch(NOTES, [{"_id": id, "ids": list(ids)} for id in ids])
        assert all(outcome.error is None for outcome in outcomes)
        counts.append(len(requests))
    assert counts == [3, 2, 2, 1]
    assert all(found["ids"] == ["003", "004"] for found in service.get_many(NOTES, ["003", "004"]).values())


def test_a_conflict_of_a_commit_is_found_before_anything_is_written(
    service: CouchDatabase, requests: list[str]
) -> None:
    requests.clear()
    with pytest.raises(Conflict):
        service.commit([Put(NOTES, "a", {}), Put(NOTES, "001", {}, "never")])
    assert len(requests) == 1


def test_a_page_of_large_documents_takes_one_request_more_and_some_fields_none(
    service: CouchDatabase, requests: list[str]
) -> None:
    fill(service, NOTES, {f"large {n}": {"status": "large", "name": f"{n}", "text": "x" * 5_000} for n in range(60)})
    query = Query(where=(where("status").eq("large"),), order_by=("name",))
    service.query(NOTES, query)
    requests.clear()
    assert all(len(document["text"]) == 5_000 for document in service.query(NOTES, query).documents)
    assert len(requests) == 2
    requests.clear()
    few = service.query(NOTES, Query(where=query.where, order_by=("name",), fields=("name", "status"))).documents
    assert [sorted(document) for document in few] == [["_id", "_rev", "name", "status"]] * 50
    assert len(requests) == 1
