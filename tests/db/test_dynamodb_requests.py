"""How many requests each operation takes on DynamoDB, and which; and that no query ever scans."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.db import ABSENT, Check, Delete, Put, Query, where
from app.db.backends.dynamodb import DynamoDatabase
from tests.db.contract.given import NOTES, OTHERS, PEOPLE, fill, make_schema
from tests.db.dynamodb_fixtures import backend, dynamodb_url
from tests.db.dynamodb_server import DynamoBackend

__all__ = ["backend", "dynamodb_url"]


@pytest.fixture
def service(backend: DynamoBackend) -> Iterator[DynamoDatabase]:
    opened = DynamoBackend(backend.url, backend.prefix, lease=600.0).database(make_schema())
    opened.prepare()
    fill(opened, NOTES, {f"{n:03}": {"status": "open", "name": f"{n:03}", "value": n} for n in range(120)})
    for collection in (NOTES, OTHERS, PEOPLE):  # the first use of a collection reads the registry
        opened.save(collection, "used", {})
    yield opened
    opened.close()


@pytest.fixture
def requests(service: DynamoDatabase, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operation of every request from now on."""
    return recorded(service, monkeypatch)


def recorded(service: DynamoDatabase, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []
    send = service._client._send

    def noted(operation: str, *args: Any) -> Any:
        made.append(operation)
        return send(operation, *args)

    monkeypatch.setattr(service._client, "_send", noted)
    return made


OPEN = where("status").eq("open")
OPERATIONS: dict[str, tuple[list[str], Callable[[DynamoDatabase, dict[str, str]], object]]] = {
    "get": (["GetItem"], lambda db, revs: db.get(NOTES, "001")),
    "save with its revision": (["PutItem"], lambda db, revs: db.save(NOTES, "001", {"n": 1, "_rev": revs["001"]})),
    "save of whatever is there": (["PutItem"], lambda db, revs: db.save(NOTES, "new", {})),
    "create": (["PutItem"], lambda db, revs: db.create(NOTES, "new", {})),
    "delete with its revision": (["DeleteItem"], lambda db, revs: db.delete(NOTES, "001", revs["001"])),
    "delete": (["DeleteItem"], lambda db, revs: db.delete(NOTES, "001")),
    "update": (["GetItem", "PutItem"], lambda db, revs: db.update(NOTES, "001", lambda document: document)),
    "get_many of a hundred": (["BatchGetItem"], lambda db, revs: db.get_many(NOTES, [f"{n:03}" for n in range(100)])),
    "read_together": (["TransactGetItems"], lambda db, revs: db.read_together([(NOTES, "001"), (PEOPLE, "used")])),
    "page of fifty": (["Query"], lambda db, revs: db.query(NOTES, Query(where=(OPEN,), order_by=("name",)))),
    "page by id": (["Query"], lambda db, revs: db.query(NOTES, Query())),
    "page with a range": (
        ["Query"],
        lambda db, revs: db.query(NOTES, Query(where=(where("name").gt("01"),), order_by=("name",))),
    ),
    "page of several runs": (
        ["Query"] * 2,
        lambda db, revs: db.query(NOTES, Query(where=(where("status").in_(["open", "new"]),), order_by=("name",))),
    ),
    "page of the installation": (["Query"] * 16, lambda db, revs: db.query(PEOPLE, Query(order_by=("name",)))),
    "count": (["Query"], lambda db, revs: db.count(NOTES, (OPEN,))),
    "commit of one": (["PutItem"], lambda db, revs: db.commit([Put(NOTES, "001", {"_rev": revs["001"]})])),
    "commit of one deletion": (["DeleteItem"], lambda db, revs: db.commit([Delete(NOTES, "001", revs["001"])])),
    "commit of one check": (["GetItem"], lambda db, revs: db.commit([Check(NOTES, "001", revs["001"])])),
    "commit of four": (
        ["TransactWriteItems"],
        lambda db, revs: db.commit(
            [
                Put(NOTES, "001", {"_rev": revs["001"]}),
                Put(PEOPLE, "new", {}, ABSENT),
                Delete(NOTES, "002"),
                Check(NOTES, "003", revs["003"]),
            ]
        ),
    ),
    "bulk write of a hundred": (
        ["BatchWriteItem"] * 4,
        lambda db, revs: db.write_batch(NOTES, [{"_id": f"b{n}"} for n in range(100)]),
    ),
    "ping": (["GetItem"], lambda db, revs: db.ping()),
}


@pytest.mark.parametrize(("expected", "operate"), OPERATIONS.values(), ids=list(OPERATIONS))
def test_each_operation_takes_as_few_requests_as_there_can_be(
    service: DynamoDatabase,
    monkeypatch: pytest.MonkeyPatch,
    expected: list[str],
    operate: Callable[[DynamoDatabase, dict[str, str]], object],
) -> None:
    revisions = {id: document["_rev"] for id, document in service.get_many(NOTES, ["001", "003"]).items()}
    requests = recorded(service, monkeypatch)
    operate(service, revisions)
    assert requests == expected


def test_a_query_that_no_index_serves_reads_its_own_tenant_and_scans_nothing(
    service: DynamoDatabase, requests: list[str]
) -> None:
    page = service.query(NOTES, Query(where=(where("unknown").eq(1),), order_by=("other",)))
    assert page.documents == []
    assert set(requests) == {"Query"}


def test_a_long_listing_of_the_installation_reads_little_more_than_it_shows(
    service: DynamoDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(service, PEOPLE, {f"{n:05}": {"name": f"{n}"} for n in range(1_200)})
    read = [0]
    call_all = service._client.call_all

    def counted(*args: Any, **kwargs: Any) -> Any:
        answers = call_all(*args, **kwargs)
        read[0] += sum(len(answer["Items"]) for answer in answers if isinstance(answer, dict))
        return answers

    monkeypatch.setattr(service._client, "call_all", counted)
    assert len(list(service.list_all(PEOPLE))) == 1_201
    assert read[0] < 3 * 1_201


def test_other_tenants_documents_cost_a_page_nothing(service: DynamoDatabase) -> None:
    query = {
        "TableName": f"{service._prefix}-notes",
        "IndexName": next(keys.name for index, keys in keys_of(service) if index.fields == ("status", "name")),
        "KeyConditionExpression": "#h = :h",
        "ExpressionAttributeNames": {"#h": "~tenant"},
        "ExpressionAttributeValues": {":h": {"S": "acme"}},
        "Limit": 50,
        "ReturnConsumedCapacity": "TOTAL",
    }
    before = service._client.call("Query", query)
    fill(service, OTHERS, {f"{n:05}": {"status": "open", "name": f"{n:05}"} for n in range(2_000)})
    after = service._client.call("Query", query)
    assert after["ConsumedCapacity"] == before["ConsumedCapacity"]
    assert after["ScannedCount"] == before["ScannedCount"] == 50


def keys_of(service: DynamoDatabase) -> Any:
    found = service._catalogue.leased("notes")
    assert found is not None
    return found[0].keys.items()
