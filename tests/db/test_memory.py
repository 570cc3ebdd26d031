"""The contract on the memory backend."""

import pytest

from tests.db.contract.fresh import *  # noqa: F403 -- the suite's classes and fixtures are collected here
from tests.db.contract.suite import *  # noqa: F403
from tests.db.joined import MemoryBackend


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend()
