"""Fixtures of the tests on a real CouchDB."""

from collections.abc import Iterator

import pytest

from tests import pouchdb_installed
from tests.couchdb_installed import REMEDY, stand_in
from tests.db.couchdb_server import CouchBackend, fresh_prefix, shared_url
from tests.servers import missing, require

__all__ = ["backend", "couchdb_url"]


@pytest.fixture(scope="session")
def couchdb_url() -> str:
    """The server's URL without a prefix; skips, or fails where CouchDB is required, if there is none."""
    require("couchdb")
    if stand_in() and (failure := pouchdb_installed.fetch()):
        missing("couchdb", failure, REMEDY)
    return shared_url()


@pytest.fixture
def backend(couchdb_url: str) -> Iterator[CouchBackend]:
    """Databases of the test's own, deleted afterwards."""
    made = CouchBackend(couchdb_url, fresh_prefix())
    yield made
    made.remove()
