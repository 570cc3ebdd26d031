"""The contract on a routed SQLite database, without a migration."""

from pathlib import Path

import pytest

from tests.db.contract.crashes import *  # noqa: F403 -- the suite's classes and fixtures are collected here
from tests.db.contract.fresh import *  # noqa: F403
from tests.db.contract.processes import *  # noqa: F403
from tests.db.contract.suite import *  # noqa: F403
from tests.db.joined import SqliteBackend
from tests.db.transfer.live.routed import RoutedBackend


@pytest.fixture
def backend(tmp_path: Path) -> RoutedBackend:
    return RoutedBackend(SqliteBackend(tmp_path / "contract.sqlite"), capturing=False)
