"""Entities, events and a database for the tests of everything above the contract."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Literal

from pydantic import Field

from app.db import DatabaseService, Index, open_database
from app.db.entities import Entity, Timestamp, schema_of
from app.db.unit_of_work import Actor, UnitOfWork
from app.hub import Event, Hub

ANN = Actor("user", "u-ann", "Ann", address="192.0.2.7", correlation_id="c-1")


class Boat(Entity):
    """A tenant's entity with something of everything."""

    collection = "boats"
    indexes = (Index("name"), Index("kind", "name"))
    secret = frozenset({"code"})

    name: str
    kind: Literal["wherry", "tug"] = "wherry"
    length: float = 1.0
    code: str | None = None
    cargo: dict[str, Any] = Field(default_factory=dict)
    crew: tuple[str, ...] = ()
    sailed_at: Timestamp | None = None


class Harbour(Entity):
    """An entity of the installation."""

    collection = "harbours"
    scope = "installation"
    indexes = (Index("name"),)

    name: str


class Berth(Entity):
    """An entity of the installation that a tenant's record tells of."""

    collection = "berths"
    scope = "installation"
    audit_in_tenant: ClassVar[bool] = True

    number: int


class Ping(Entity):
    """Nobody wants to read about these."""

    collection = "pings"
    audited: ClassVar[bool] = False

    count: int = 0


@dataclass(frozen=True)
class BoatLaunched(Event):
    """A tenant's event."""

    boat_id: str


@dataclass(frozen=True)
class HarbourOpened(Event):
    """An event of the installation."""

    scope: ClassVar[Literal["tenant", "installation"]] = "installation"

    harbour_id: str = ""


SCHEMA = schema_of(Boat, Harbour, Berth, Ping)


def open_in_memory() -> DatabaseService:
    """A strict database with the schema above, for tests that need many."""
    return open_database("memory:", SCHEMA, strict=True)


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, seconds: float = 1.0) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


class Dock:
    """A database with what a unit of work needs beside it."""

    def __init__(self, db: DatabaseService) -> None:
        self.db = db
        self.hub = Hub()
        self.clock = Clock()
        self.commits: list[int] = []
        commit = db.commit

        def counted(writes: Sequence[Any]) -> Any:
            self.commits.append(len(writes))
            return commit(writes)

        db.commit = counted  # type: ignore[method-assign]

    def unit(self, tenant: str | None = "t1", actor: Actor = ANN) -> UnitOfWork:
        return UnitOfWork(self.db, tenant_id=tenant, actor=actor, hub=self.hub, clock=self.clock)

    def write(self, work: Callable[[UnitOfWork], Any], tenant: str | None = "t1") -> Any:
        """Do something in a unit of its own and commit it."""
        with self.unit(tenant) as uow:
            answer = work(uow)
            uow.commit()
        return answer

    def launch(self, *names: str, **values: Any) -> list[Boat]:
        """Boats that are stored; the unit that did it is over."""
        boats = [Boat(name=name, **values) for name in names]
        for boat in boats:
            self.write(partial(_add, boat=boat))
        return boats

    def contents(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Every document, by path and id."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for collection in self.db.collections():
            after: str | None = None
            while True:
                page = self.db.scan(collection.name, after)
                found.update({(path, document["_id"]): document for path, document in page.documents})
                after = page.after
                if after is None:
                    break
        return found


def _add(uow: UnitOfWork, boat: Boat) -> None:
    uow.store(Boat).add(boat)
