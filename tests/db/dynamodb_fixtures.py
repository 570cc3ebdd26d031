"""Fixtures of the tests on a real DynamoDB."""

from collections.abc import Iterator

import pytest

from tests.db.dynamodb_server import DynamoBackend, fresh_prefix, shared_url
from tests.dynamodb_installed import REMEDY, fetch
from tests.servers import missing, require

__all__ = ["backend", "dynamodb_url"]


@pytest.fixture(scope="session")
def dynamodb_url() -> str:
    """The server's URL; skips, or fails where DynamoDB is required, if there is none."""
    if "Maven" in require("dynamodb").detail and (failure := fetch()):
        missing("dynamodb", failure, REMEDY)
    return shared_url()


@pytest.fixture
def backend(dynamodb_url: str) -> Iterator[DynamoBackend]:
    """Tables of the test's own, deleted afterwards."""
    made = DynamoBackend(dynamodb_url, fresh_prefix())
    yield made
    made.remove()
