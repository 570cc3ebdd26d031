"""peewee: a model with the document as JSON text beside the columns that are filtered and sorted.

With orjson, and the pragmas of ours.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
from peewee import CompositeKey, Model, SqliteDatabase, TextField

from bench.data import PAGE, TENANT
from bench.peers import Document

_PRAGMAS = {"journal_mode": "wal", "synchronous": "normal", "cache_size": -16384}
database = SqliteDatabase(None)


class Record(Model):
    """The table."""

    tenant = TextField()
    id = TextField()
    rev = TextField()
    status = TextField()
    name = TextField()
    data = TextField()

    class Meta:
        database = database
        primary_key = CompositeKey("tenant", "id")
        indexes = ((("tenant", "status", "name", "id"), False),)


class Peewee:
    """The model's own methods, on a connection that stays open."""

    title = "peewee"
    at_most = 1_000_000
    note = ""

    def load(self, folder: Path, documents: Iterable[tuple[str, Document]]) -> None:
        database.init(str(folder / "peewee.db"), pragmas=_PRAGMAS)
        database.create_tables([Record])
        rows = [_columns(id, document) for id, document in documents]
        with database.atomic():
            for start in range(0, len(rows), 1_000):
                Record.insert_many(rows[start : start + 1_000]).execute()

    def get(self, id: str) -> Document:
        record = Record.get(Record.tenant == TENANT, Record.id == id)
        return {**orjson.loads(record.data), "_id": id, "_rev": record.rev}

    def put(self, id: str, document: Document) -> None:
        with database.atomic():
            Record.replace(**_columns(id, document)).execute()

    def page(self, status: str) -> list[Document]:
        records = (
            Record.select(Record.id, Record.rev, Record.data)
            .where(Record.tenant == TENANT, Record.status == status)
            .order_by(Record.name, Record.id)
            .limit(PAGE + 1)
        )
        return [{**orjson.loads(record.data), "_id": record.id, "_rev": record.rev} for record in records][:PAGE]

    def close(self) -> None:
        database.close()


def _columns(id: str, document: Document) -> dict[str, Any]:
    return {
        "tenant": TENANT,
        "id": id,
        "rev": os.urandom(12).hex(),
        "status": document["status"],
        "name": document["name"],
        "data": orjson.dumps(document).decode(),
    }
