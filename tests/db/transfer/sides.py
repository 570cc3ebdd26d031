"""Both sides of a transfer, in memory and in files: fixtures that a test file takes by name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db import DatabaseService, open_database
from tests.db.transfer.kit import SCHEMA, harbour, sqlite


@pytest.fixture(params=["memory", "sqlite"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseService]:
    """A harbour."""
    opened = open_database("memory:", SCHEMA) if request.param == "memory" else sqlite(tmp_path / "source.db")
    harbour(opened)
    yield opened
    opened.close()


@pytest.fixture(params=["memory", "sqlite"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseService]:
    """Nothing yet."""
    opened = open_database("memory:", SCHEMA) if request.param == "memory" else sqlite(tmp_path / "target.db")
    yield opened
    opened.close()
