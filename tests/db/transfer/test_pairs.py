"""Every ordered pair of the five backends: documents at every edge, in several tenants, arrive equal."""

from itertools import permutations

import pytest

from app.db import DatabaseService
from app.db.transfer.copying import CopyReport
from app.db.transfer.progress import Silent
from app.db.transfer.verifying import VerifyOptions, verify
from tests.db.contract.sizes import FULL, sized
from tests.db.couchdb_fixtures import couchdb_url
from tests.db.dynamodb_fixtures import dynamodb_url
from tests.db.firestore_fixtures import firestore_url
from tests.db.transfer.backends import NAMES, Fresh, fresh
from tests.db.transfer.kit import SCHEMA, carry, edge_tenants, edges, fill, held, some

__all__ = ["couchdb_url", "dynamodb_url", "firestore_url", "fresh"]

# Grouped by source, and only memory and SQLite need no server: those pairs carry no mark.
PAIRS = [
    pytest.param(one, other, marks=() if {one, other} <= {"memory", "sqlite"} else pytest.mark.server)
    for one, other in permutations(NAMES, 2)
]


def at_every_edge(service: DatabaseService) -> int:
    """Fill a database with documents at every edge; how many."""
    service.prepare(SCHEMA)
    tenants = edge_tenants() if FULL else edge_tenants()[:3]
    for number, tenant in enumerate(tenants):
        fill(service, f"{tenant}/boats", edges(sized(1, 3)))
        fill(service, f"{tenant}/notes", some(10, start=number))
    fill(service, "harbours", edges())
    number = len(held(service))
    assert number > 300
    return number


def assert_equal(source: DatabaseService, target: DatabaseService, report: CopyReport, number: int) -> None:
    """Both sides, read directly and by ``verify``, hold the same; and the copy said so."""
    ours, theirs = held(source), held(target)
    assert ours.keys() == theirs.keys()
    assert [key for key in ours if ours[key] != theirs[key]] == []
    assert (report.copied + report.same, report.kept, report.rejected) == (number, 0, 0)
    assert verify(source, target, VerifyOptions(), Silent(), schema=SCHEMA).equal


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_documents_at_every_edge_arrive_equal(fresh: Fresh, one: str, other: str) -> None:
    source, target = fresh(one), fresh(other)
    number = at_every_edge(source)
    assert_equal(source, target, carry(source, target, patience=60.0), number)
    again = carry(source, target, patience=60.0)
    assert (again.copied, again.same) == (0, number)


@pytest.mark.slow
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_many_documents_in_many_tenants_arrive_equal(fresh: Fresh, one: str, other: str) -> None:
    source, target = fresh(one), fresh(other)
    source.prepare(SCHEMA)
    for tenant in range(sized(4, 30)):
        fill(source, f"tenant-{tenant:02}/boats", some(sized(250, 2_000), start=tenant))
    fill(source, "tenant-00/notes", edges())
    number = len(held(source))
    assert_equal(source, target, carry(source, target, patience=60.0), number)
