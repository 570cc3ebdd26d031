"""Fixtures of the tests on a real Firestore."""

from collections.abc import Iterator

import pytest

from tests.db.firestore_server import FirestoreBackend, fresh_backend, shared_url
from tests.servers import require

__all__ = ["backend", "firestore_url"]


@pytest.fixture(scope="session")
def firestore_url() -> str:
    """The URL of the server; skips, or fails where Firestore is required, if there is none."""
    require("firestore")
    return shared_url()


@pytest.fixture
def backend(firestore_url: str) -> Iterator[FirestoreBackend]:
    """A database of the test's own, deleted afterwards."""
    made = fresh_backend(firestore_url)
    yield made
    made.remove()
