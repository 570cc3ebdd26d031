"""The measurement of growth on real servers, at a small size: what it shows of what is read, and not the times."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

from app.db import DatabaseService, Query, open_database, where
from bench import growth_couchdb, growth_dynamodb, growth_firestore
from bench.data import COLLECTION, SCHEMA
from bench.figures import Figure
from bench.growing import MATCHING, Look
from bench.harness import Effort
from tests.db.couchdb_fixtures import couchdb_url
from tests.db.couchdb_server import CouchBackend, fresh_prefix
from tests.db.dynamodb_fixtures import dynamodb_url
from tests.db.dynamodb_server import DynamoBackend
from tests.db.firestore_fixtures import firestore_url
from tests.db.firestore_server import fresh_backend

__all__ = ["couchdb_url", "dynamodb_url", "firestore_url"]

pytestmark = pytest.mark.server
SHORT = Effort(rounds=5, pieces=1, piece_seconds=1e-5, limit=1.0)


@pytest.fixture
def measured(tmp_path: Path) -> Callable[[ModuleType], list[Figure]]:
    return lambda group: list(group.run(tmp_path, 600, SHORT))


def shown(figures: list[Figure], unit: str) -> Figure:
    """The figure of what was read; the times before it are not judged here."""
    *times, read = figures
    assert all("600 / 60" in figure.name and figure.ratio > 0 for figure in times)
    assert (read.ratio, read.at_most, read.unit) == (1.0, 1.0, unit)
    return read


@pytest.mark.usefixtures("couchdb_url")
def test_couchdb_reads_as_many_rows_when_the_others_have_grown_all_of_the_tenants(
    measured: Callable[[ModuleType], list[Figure]],
) -> None:
    read = shown(measured(growth_couchdb), "rows")
    assert read.note.startswith("shown by CouchDB's count")
    assert f"{MATCHING} rows, all of the tenant's" in read.note


@pytest.mark.usefixtures("dynamodb_url")
def test_dynamodb_charges_as_much_when_the_others_have_grown(
    measured: Callable[[ModuleType], list[Figure]],
) -> None:
    read = shown(measured(growth_dynamodb), "units")
    assert "none of the table" in read.note


@pytest.mark.usefixtures("firestore_url")
def test_firestore_streams_as_many_documents_when_the_others_have_grown_all_of_the_tenants(
    measured: Callable[[ModuleType], list[Figure]],
) -> None:
    read = shown(measured(growth_firestore), "documents")
    assert "/tenants/measured" in read.note


def look_at_another(opened: DatabaseService, look: Look) -> None:
    """Let a page be another tenant's."""
    path = f"other/{COLLECTION}"

    def ask() -> None:
        service.query(path, Query(where=(where("status").eq("open"),), order_by=("name",)))

    with closing(opened) as service:
        service.prepare()
        service.save(path, "theirs", {"status": "open", "name": "theirs"})
        look(service, ask)


def test_another_tenants_documents_are_noticed_on_couchdb(couchdb_url: str) -> None:
    backend = CouchBackend(couchdb_url, fresh_prefix())
    with pytest.raises(AssertionError, match="CouchDB reads a row of other:theirs"):
        look_at_another(backend.open(SCHEMA), growth_couchdb.look)
    backend.remove()


def test_another_tenants_documents_are_noticed_on_dynamodb(dynamodb_url: str) -> None:
    backend = DynamoBackend(dynamodb_url, fresh_prefix())
    with pytest.raises(AssertionError, match="another tenant's items"):
        look_at_another(backend.open(SCHEMA), growth_dynamodb.look)
    backend.remove()


def test_another_tenants_documents_are_noticed_on_firestore(firestore_url: str) -> None:
    backend = fresh_backend(firestore_url)
    with pytest.raises(AssertionError, match="tenants/other"):
        look_at_another(open_database(backend.url, SCHEMA), growth_firestore.look)
    backend.remove()
