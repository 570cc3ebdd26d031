"""What every module's tests start from: a database, and units of work for somebody in a tenant.

TEST_DATABASES lists what the tests of services run on, separated by spaces: ``memory``, ``sqlite``, or a URL as
``open_database`` takes it; a server named there must be empty, and is not emptied afterwards.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from app.db import DatabaseService, open_database
from app.db.actors import Actor
from app.db.entities import schema_of
from app.db.unit_of_work import UnitOfWork
from app.hub import Hub
from app.web.registry import Registry

DATABASES = os.environ.get("TEST_DATABASES", "memory sqlite").split()
OpenUnit = Callable[..., UnitOfWork]


@pytest.fixture
def registry() -> Registry:
    """Filled by the tests of a module with what that module registers."""
    return Registry(hub=Hub())


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path, registry: Registry) -> Iterator[DatabaseService]:
    """An empty database with the schema of what is registered, where a query that no index serves is an error."""
    urls = {"memory": "memory:", "sqlite": f"sqlite:///{quote(str(tmp_path / 'test.db'))}"}
    url = urls.get(request.param, request.param)
    service = open_database(url, schema_of(*registry.entities), strict=True)
    yield service
    service.close()


@pytest.fixture
def unit(database: DatabaseService, registry: Registry) -> OpenUnit:
    """``unit(actor="Maren", tenant="t1")``: a new unit of work."""

    def open_unit(actor: str = "Maren", tenant: str = "t1") -> UnitOfWork:
        return UnitOfWork(
            database, tenant_id=tenant, actor=Actor(kind="user", id=actor.lower(), name=actor), hub=registry.hub
        )

    return open_unit
