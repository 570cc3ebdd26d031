"""The contract on a routed memory database while a migration captures every change: SQLite's shows the same sooner."""

import pytest

from tests.db.contract.fresh import *  # noqa: F403 -- the suite's classes and fixtures are collected here
from tests.db.contract.suite import *  # noqa: F403
from tests.db.joined import MemoryBackend
from tests.db.transfer.live.routed import RoutedBackend

pytestmark = pytest.mark.slow


@pytest.fixture
def backend() -> RoutedBackend:
    return RoutedBackend(MemoryBackend(), capturing=True)
