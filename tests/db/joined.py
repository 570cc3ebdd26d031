"""The backends that join the suite. Processes that the storms start load this file: it imports no test tools."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.db import DatabaseService, Schema
from app.db.backends.memory import MemoryDatabase
from app.db.backends.sqlite import SqliteDatabase


class MemoryBackend:
    """A new and empty database for each service: memory is shared with nobody."""

    def open(self, schema: Schema | None = None, **options: Any) -> DatabaseService:
        """See ContractBackend."""
        return MemoryDatabase(schema, **options)


@dataclass(frozen=True)
class SqliteBackend:
    """One file. ``durability`` is "normal" for speed: what the suite kills is processes, not the machine's power."""

    path: Path
    durability: str = "normal"

    def open(self, schema: Schema | None = None, **options: Any) -> DatabaseService:
        """See ContractBackend."""
        return SqliteDatabase(self.path, schema, durability=self.durability, **options)
