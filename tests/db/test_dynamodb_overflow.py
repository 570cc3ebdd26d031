"""Indexes beyond the number that DynamoDB allows on a table: slower, and the same answers."""

from collections.abc import Iterator

import pytest

from app.db import Collection, Index, Query, Schema, where
from app.db.backends.dynamodb import DynamoDatabase
from app.db.backends.dynamodb_layout import INDEXES_AT_MOST
from tests.db.contract.given import NOTES, OTHERS, fill, ids_of
from tests.db.dynamodb_fixtures import backend, dynamodb_url
from tests.db.dynamodb_server import DynamoBackend

__all__ = ["backend", "dynamodb_url"]

MANY = tuple(Index(f"f{n}") for n in range(INDEXES_AT_MOST))


@pytest.fixture
def service(backend: DynamoBackend) -> Iterator[DynamoDatabase]:
    further = (Index("status", "name"), Index("value"))
    opened = backend.database(Schema([Collection("notes", "tenant", (*MANY, *further))]), strict=True)
    documents = {f"{n:02}": {"status": "abc"[n % 3], "name": f"{n // 2:02}", "f19": n, "value": n} for n in range(40)}
    fill(opened, NOTES, documents)
    fill(opened, OTHERS, documents)
    yield opened
    opened.close()


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [1, 7, 100])
def test_pages_are_in_order_without_gaps(service: DynamoDatabase, limit: int, descending: bool) -> None:
    expected = [f"{n:02}" for n in range(40) if n % 3 != 1]
    conditions = (where("status").in_(["a", "c"]),)
    query = Query(where=conditions, order_by=("name",), descending=descending, limit=limit)
    assert ids_of(service, NOTES, query) == (expected[::-1] if descending else expected)


def test_counts_are_exact_up_to_their_bound(service: DynamoDatabase) -> None:
    assert service.count(NOTES, (where("value").gte(10),)) == (30, True)
    assert service.count(NOTES, (where("value").gte(10),), up_to=7) == (7, False)


def test_the_doctor_says_which_collection_has_too_many(service: DynamoDatabase) -> None:
    (bad,) = [finding for finding in service.doctor() if not finding.ok]
    assert bad.name == f"table {service._prefix}-notes"
    assert "fewer indexes" in bad.remedy


def test_the_indexes_that_fit_are_the_tables_own(service: DynamoDatabase) -> None:
    described = service._catalogue.describe(f"{service._prefix}-notes")
    assert described is not None
    assert len(described["GlobalSecondaryIndexes"]) == INDEXES_AT_MOST
    assert ids_of(service, NOTES, Query(order_by=("f19",), limit=9)) == [f"{n:02}" for n in range(40)]
