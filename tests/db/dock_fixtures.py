"""The fixture of the tests above the contract: a dock on each embedded database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.db.kit import Dock, open_test_database


@pytest.fixture(params=["memory", "sqlite"])
def dock(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Dock]:
    """Memory, then SQLite."""
    db = open_test_database(request.param, tmp_path)
    yield Dock(db)
    db.close()
