"""A database that holds what the contract does not allow, as if it had been written past it."""

import json

from app.db.backends.memory import MemoryDatabase, _Row
from app.db.documents import Document
from tests.db.transfer.kit import SCHEMA

TOKEN = "5" * 24


def odd(document: Document, tenant: str = "t1") -> MemoryDatabase:
    """The document is ``odd`` among the boats of the tenant, which may have a name that no tenant can have."""
    database = MemoryDatabase(SCHEMA)
    database.save("t1/boats", "odd", {"name": "odd"})
    partitions = database._tables["boats"].partitions
    partitions["t1"].rows["odd"] = _Row(TOKEN, json.dumps(document).encode())
    partitions[tenant] = partitions.pop("t1")
    return database
