"""The contract on the SQLite backend."""

from pathlib import Path

import pytest

from tests.db.contract.crashes import *  # noqa: F403 -- the suite's classes and fixtures are collected here
from tests.db.contract.fresh import *  # noqa: F403
from tests.db.contract.processes import *  # noqa: F403
from tests.db.contract.suite import *  # noqa: F403
from tests.db.joined import SqliteBackend


@pytest.fixture
def backend(tmp_path: Path) -> SqliteBackend:
    return SqliteBackend(tmp_path / "contract.sqlite3")
