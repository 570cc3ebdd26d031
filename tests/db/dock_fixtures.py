"""The fixture of the tests above the contract: a dock on each embedded database, or on the one that is named."""

import pytest

from tests.app_database import databases
from tests.db.kit import SCHEMA, Dock


@pytest.fixture(params=databases().several)
def dock(request: pytest.FixtureRequest) -> Dock:
    """On memory and SQLite, or on what TEST_DATABASE names."""
    return Dock(databases().open(SCHEMA, on=request.param, strict=True))
