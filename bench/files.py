"""Database files of ours, filled in bulk."""

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from app.db import DatabaseService, open_database
from app.db.metrics import Meter
from bench.data import SCHEMA

_BATCH = 5_000
Numbered = Iterable[tuple[str, dict[str, Any]]]


def open_file(path: Path, *, durability: str = "normal", metrics: bool = False) -> DatabaseService:
    """The service on a SQLite file, as an application has it, with or without metrics."""
    meter = Meter("sqlite") if metrics else None
    return open_database(f"sqlite:///{path}?durability={durability}", SCHEMA, strict=True, meter=meter)


def fill(service: DatabaseService, collection: str, documents: Numbered) -> None:
    """Write documents in bulk; raises the first refusal."""
    for batch in _batches(({**document, "_id": id} for id, document in documents), _BATCH):
        for outcome in service.write_batch(collection, batch):
            if outcome.error is not None:
                raise outcome.error


def share_connection(service: DatabaseService, *others: DatabaseService) -> sqlite3.Connection:
    """Let other services on the same file use the first one's connections; answers this thread's.

    It reaches into the backend, which no application may, so that only the code above the connection is compared.
    """
    service.ping()
    for other in others:
        other._registry = service._registry  # type: ignore[attr-defined]
    connection: sqlite3.Connection = service._registry.local.connection  # type: ignore[attr-defined]
    return connection


def _batches(items: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
