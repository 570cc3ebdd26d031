"""The module's own additions to the shared fixtures."""

import pytest

from app.db import DatabaseService, open_database
from app.modules.agents.entities import Agent, AgentVersion
from app.web.application import WherryFlask
from app.web.registry import Registry
from tests.modules.agents.application import Browser, make_app, schema_of_agents


@pytest.fixture(autouse=True)
def entities(registry: Registry) -> None:
    """Declared before the database is opened."""
    registry.add_entities(Agent, AgentVersion)


@pytest.fixture(scope="session")
def one_app() -> WherryFlask:
    """One application for all tests of routes, so that its templates are compiled once."""
    return make_app(open_database("memory:", schema_of_agents(), strict=True))


@pytest.fixture
def app(one_app: WherryFlask, database: DatabaseService) -> WherryFlask:
    """The application on this test's database."""
    one_app.extensions["database"] = database
    return one_app


@pytest.fixture
def maren(app: WherryFlask) -> Browser:
    """The owner of the tenant."""
    return Browser(app, "Maren")


@pytest.fixture
def jonas(app: WherryFlask) -> Browser:
    """A member."""
    return Browser(app, "Jonas")
