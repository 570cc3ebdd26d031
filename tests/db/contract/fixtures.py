"""The fixtures of the suite. They stand on ``backend``, which the joining test file defines."""

from collections.abc import Iterator

import pytest

from app.db import DatabaseService
from tests.db.contract.backend import ContractBackend
from tests.db.contract.given import make_schema


@pytest.fixture
def service(backend: ContractBackend) -> Iterator[DatabaseService]:
    """A service on an empty database with the suite's schema; a query that no index serves is only a warning."""
    opened = backend.open(make_schema())
    yield opened
    opened.close()


@pytest.fixture
def strict_service(backend: ContractBackend) -> Iterator[DatabaseService]:
    """The same, where a query that no index serves is an error."""
    opened = backend.open(make_schema(), strict=True)
    yield opened
    opened.close()
