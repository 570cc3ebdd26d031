"""SQLAlchemy, Core and ORM: a table with the document in a JSON column beside the columns that are filtered and sorted.

With orjson, and the pragmas of ours.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import JSON, Engine, Index, String, create_engine, event, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from bench.data import PAGE, TENANT
from bench.peers import Document


class Base(DeclarativeBase):
    """What the models are declared on."""


class Record(Base):
    """The table of both."""

    __tablename__ = "agents"
    __table_args__ = (Index("agents_by_status_and_name", "tenant", "status", "name", "id"),)

    tenant: Mapped[str] = mapped_column(String, primary_key=True)
    id: Mapped[str] = mapped_column(String, primary_key=True)
    rev: Mapped[str] = mapped_column(String)
    status: Mapped[str] = mapped_column(String)
    name: Mapped[str] = mapped_column(String)
    data: Mapped[Document] = mapped_column(JSON)


TABLE: Any = Record.__table__


def open_engine(path: Path) -> Engine:
    """An engine with the pragmas of ours."""
    engine = create_engine(
        f"sqlite:///{path}",
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )

    def set_pragmas(connection: Any, _: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -16384")

    event.listen(engine, "connect", set_pragmas)
    return engine


def columns(id: str, document: Document) -> dict[str, Any]:
    """A row's values."""
    return {
        "tenant": TENANT,
        "id": id,
        "rev": os.urandom(12).hex(),
        "status": document["status"],
        "name": document["name"],
        "data": document,
    }


class _OnEngine:
    at_most = 1_000_000
    note = ""

    def load(self, folder: Path, documents: Iterable[tuple[str, Document]]) -> None:
        self.engine = open_engine(folder / f"{type(self).__name__}.db")
        Base.metadata.create_all(self.engine)
        with self.engine.begin() as connection:
            connection.execute(insert(TABLE), [columns(id, document) for id, document in documents])

    def close(self) -> None:
        self.engine.dispose()


class Core(_OnEngine):
    """Statements built by the expression language."""

    title = "SQLAlchemy Core"

    def get(self, id: str) -> Document:
        with self.engine.connect() as connection:
            row = connection.execute(
                select(TABLE.c.rev, TABLE.c.data).where(TABLE.c.tenant == TENANT, TABLE.c.id == id)
            ).one()
        return {**row.data, "_id": id, "_rev": row.rev}

    def put(self, id: str, document: Document) -> None:
        values = columns(id, document)
        statement = upsert(TABLE).values(values)
        changes = {name: statement.excluded[name] for name in ("rev", "status", "name", "data")}
        with self.engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["tenant", "id"], set_=changes))

    def page(self, status: str) -> list[Document]:
        statement = (
            select(TABLE.c.id, TABLE.c.rev, TABLE.c.data)
            .where(TABLE.c.tenant == TENANT, TABLE.c.status == status)
            .order_by(TABLE.c.name, TABLE.c.id)
            .limit(PAGE + 1)
        )
        with self.engine.connect() as connection:
            return [{**row.data, "_id": row.id, "_rev": row.rev} for row in connection.execute(statement)][:PAGE]


class Orm(_OnEngine):
    """A session for each unit of work, as a request has."""

    title = "SQLAlchemy ORM"

    def get(self, id: str) -> Document:
        with Session(self.engine) as session:
            record = session.get_one(Record, (TENANT, id))
            return {**record.data, "_id": id, "_rev": record.rev}

    def put(self, id: str, document: Document) -> None:
        with Session(self.engine) as session:
            session.merge(Record(**columns(id, document)))
            session.commit()

    def page(self, status: str) -> list[Document]:
        statement = (
            select(Record)
            .where(Record.tenant == TENANT, Record.status == status)
            .order_by(Record.name, Record.id)
            .limit(PAGE + 1)
        )
        with Session(self.engine) as session:
            return [{**record.data, "_id": record.id, "_rev": record.rev} for record in session.scalars(statement)][
                :PAGE
            ]
