"""What a unit of work knows of one entity, and how its change becomes an entry of the commit."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import orjson

from app.db.commit_plan import CommitPlan
from app.db.documents import Document, canonical_json, check_document
from app.db.entities import Entity, stored_time
from app.db.query import Condition, Page, Query
from app.db.recent import RecentCommits, count_as_it_is
from app.db.service import DatabaseService
from app.db.writes import ABSENT

T = TypeVar("T", bound=Entity)
Action = Literal["created", "changed", "deleted"]


State = Literal["open", "committing", "writing", "committed", "rolled back"]


class Session:
    """What a unit of work and its stores share. Stores do not point back to the unit: in a circle, every request would
    leave its entities to the garbage collector."""

    __slots__ = ("clock", "recent", "service", "state")

    def __init__(
        self, service: DatabaseService, clock: Callable[[], datetime], recent: RecentCommits | None = None
    ) -> None:
        self.service = service
        self.clock = clock
        self.recent = recent
        self.state: State = "open"

    def query(self, path: str, query: Query) -> Page:
        """A page of committed documents, with what was committed lately as it is."""
        if self.recent is not None and (ids := self.recent.ids(path)):
            query = replace(query, recent=ids)
        return self.service.query(path, query)

    def count(self, path: str, where: tuple[Condition, ...], up_to: int) -> tuple[int, bool]:
        """How many committed documents match, with what was committed lately as it is."""
        if self.recent is not None and (ids := self.recent.ids(path)):
            return count_as_it_is(self.service, path, where, up_to, ids)
        return self.service.count(path, where, up_to)

    def check_open(self) -> None:
        """RuntimeError once the unit has begun to write, or was committed or rolled back."""
        if self.state not in ("open", "committing"):
            raise RuntimeError(f"This unit of work is {self.state}: nothing can be registered in it any more.")


class Tracked(Generic[T]):
    """An entity that the unit of work holds: the stored document as it was read, and what is to become of it."""

    __slots__ = ("action", "entity", "stored")

    def __init__(self, entity: T, stored: bytes | None, action: Action | None = None) -> None:
        self.entity = entity
        self.stored = stored
        """JSON without id and revision: a copy that no change to the entity can reach. None before it is stored."""
        self.action = action


class Change(NamedTuple):
    """One changed entity: its document before ({} if created) and after ({} if deleted)."""

    action: Action
    entity: Entity
    before: Document
    after: Document


def plan_change(path: str, held: Tracked[Any], plan: CommitPlan, at: datetime) -> Change | None:
    """Put the registered change into the plan; None if the entity does not differ from what is stored.

    Stored fields that the entity does not know are carried along. ``updated_at`` is set if there is a difference.
    """
    entity: Entity = held.entity
    if held.action == "created":
        created = _portable(entity)
        plan.put(path, entity.id, created, ABSENT)
        return Change("created", entity, {}, created)
    expect = entity.rev
    if expect is None:
        raise RuntimeError(f"{type(entity).__name__} {entity.id!r} is stored and has lost its revision.")
    stored: Document = {} if held.stored is None else orjson.loads(held.stored)
    before = _portable(type(entity).load(entity.id, expect, dict(stored)))
    if held.action == "deleted":
        plan.delete(path, entity.id, expect)
        return Change("deleted", entity, before, {})
    after = _portable(entity)
    if canonical_json(after) == canonical_json(before):
        return None
    set_quietly(entity, updated_at=at)
    after["updated_at"] = stored_time(at)
    if type(entity).document_version > 1:
        stored = type(entity).upgraded(entity.id, stored)  # what an upgrade took away must not be carried along
    unknown = {name: value for name, value in stored.items() if name not in type(entity).model_fields}
    plan.put(path, entity.id, {**unknown, **after}, expect)
    return Change("changed", entity, before, after)


def set_quietly(entity: Entity, **values: Any) -> None:
    """Set fields that are the store's own without validating them again."""
    entity.__dict__.update(values)
    entity.__pydantic_fields_set__.update(values)


def _portable(entity: Entity) -> Document:
    """The document as the database would answer it: 1.0 has become 1."""
    return check_document(entity.to_document(), entity.id).body
