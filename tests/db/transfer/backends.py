"""The five backends as sides of a transfer, by name; what has a server is asked for through its fixture."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.db import DatabaseService, open_database
from tests.db.couchdb_server import CouchBackend
from tests.db.couchdb_server import fresh_prefix as couchdb_prefix
from tests.db.dynamodb_server import DynamoBackend
from tests.db.dynamodb_server import fresh_prefix as dynamodb_prefix
from tests.db.firestore_server import FirestoreBackend, fresh_backend
from tests.db.transfer.kit import SCHEMA, sqlite

NAMES = ("memory", "sqlite", "couchdb", "firestore", "dynamodb")
Fresh = Callable[[str], DatabaseService]


@pytest.fixture
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fresh]:
    """Opens a new, empty database of a backend; all of them are removed afterwards."""
    with ExitStack() as stack:

        def make(name: str) -> DatabaseService:
            if name == "memory":
                return open_database("memory:", SCHEMA)
            if name == "sqlite":
                opened = sqlite(tmp_path / f"{len(list(tmp_path.iterdir()))}.db")
                stack.callback(opened.close)
                return opened
            url = request.getfixturevalue(f"{name}_url")
            backend: CouchBackend | DynamoBackend | FirestoreBackend
            if name == "couchdb":
                backend = CouchBackend(url, couchdb_prefix(), "?timeout=30")
            elif name == "dynamodb":
                backend = DynamoBackend(url, dynamodb_prefix())
            else:
                backend = fresh_backend(url)
            stack.callback(backend.remove)
            # The emulator has no indexes: a page of many documents takes it seconds.
            options = {"deadline": 30.0} if name == "firestore" else {}
            opened = backend.open(SCHEMA, **options)
            stack.callback(opened.close)
            return opened

        yield make
