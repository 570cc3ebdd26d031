"""What every module's tests start from: a database, and units of work for somebody in a tenant.

Tests of services run on memory and on SQLite, or on the one that TEST_DATABASE names; tests of pages are marked
``on_one_database``.
"""

from collections.abc import Callable

import pytest

from app.db import DatabaseService
from app.db.actors import Actor
from app.db.entities import schema_of
from app.db.unit_of_work import UnitOfWork
from app.hub import Hub
from app.web.registry import Registry
from tests.app_database import databases

on_one_database = pytest.mark.parametrize("database", [databases().name], indirect=True)
OpenUnit = Callable[..., UnitOfWork]


@pytest.fixture
def registry() -> Registry:
    """Filled by the tests of a module with what that module registers."""
    return Registry(hub=Hub())


@pytest.fixture(params=databases().several)
def database(request: pytest.FixtureRequest, registry: Registry) -> DatabaseService:
    """An empty database with the schema of what is registered, where a query that no index serves is an error."""
    return databases().open(schema_of(*registry.entities), on=request.param, strict=True)


@pytest.fixture
def unit(database: DatabaseService, registry: Registry) -> OpenUnit:
    """``unit(actor="Maren", tenant="t1")``: a new unit of work."""

    def open_unit(actor: str = "Maren", tenant: str = "t1") -> UnitOfWork:
        return UnitOfWork(
            database, tenant_id=tenant, actor=Actor(kind="user", id=actor.lower(), name=actor), hub=registry.hub
        )

    return open_unit
