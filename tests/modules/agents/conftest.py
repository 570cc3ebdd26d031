"""The module's own additions to the shared fixtures."""

import pytest

from app.modules.agents.entities import Agent, AgentVersion
from app.web.registry import Registry


@pytest.fixture(autouse=True)
def entities(registry: Registry) -> None:
    """Declared before the database is opened."""
    registry.add_entities(Agent, AgentVersion)
