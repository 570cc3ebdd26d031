"""The world of these tests."""

import pytest

from tests.core.world import World


@pytest.fixture
def world() -> World:
    """An empty installation."""
    return World()
