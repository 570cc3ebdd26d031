"""A database that holds what the contract does not allow, as if it had been written past it."""

import json

from app.db.backends.memory import MemoryDatabase, _Row
from app.db.documents import Document
from tests.db.transfer.kit import SCHEMA

TOKEN = "5" * 24


def odd(document: Document) -> MemoryDatabase:
    """The document is ``odd`` among the boats of t1."""
    database = MemoryDatabase(SCHEMA)
    database.save("t1/boats", "odd", {"name": "odd"})
    database._tables["boats"].partitions["t1"].rows["odd"] = _Row(TOKEN, json.dumps(document).encode())
    return database
