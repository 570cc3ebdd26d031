"""EntityStore: one entity's collection within a unit of work.

    agents = uow.store(Agent)
    agent = agents.get(id)
    agent.name = "Greeter"
    agents.save(agent)

Nothing is written before the unit of work commits; what is written then is the registered entity as it is at that time.
Within one unit an entity is one object, however it was found. Named queries are plain functions that take a store::

    def live_agents(agents: EntityStore[Agent]) -> EntityPage[Agent]:
        return agents.find(Query(where=(where("status").eq("live"),), order_by=("name",)))

Reading by id sees what this unit has registered. An id that no document can have (empty, too long, no proper text) is
absent like any other that nobody stored: ids come from addresses and forms, and no caller has to look at them first.
``find``, ``rows``, ``first`` and ``count`` read committed data: what this unit added is not found yet, what it changed
is found by its stored values (and is this unit's object), and what it removed is left out of ``find`` and ``first``
only. Where the database's indexes lag, what others committed a moment ago may not be found yet, and what the unit's own
session committed is (``app.db.recent``); so nothing that must be right rests on a query: it reads by id, or a claim.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Generic, TypeVar

import orjson

from app.db.commit_plan import CommitPlan
from app.db.documents import Document, split_rev
from app.db.entities import Entity
from app.db.errors import Conflict, InvalidDocument, InvalidQuery, Key, NotFound
from app.db.names import can_be_id
from app.db.query import Condition, Query
from app.db.rows import EntityPage, RowPage, row_maker
from app.db.tracking import Change, Session, Tracked, plan_change, set_quietly

T = TypeVar("T", bound=Entity)


class EntityStore(Generic[T]):
    """See the module. Made by ``UnitOfWork.store``; belongs to its unit's thread."""

    def __init__(self, session: Session, entity: type[T], path: str) -> None:
        self._session = session
        self.entity = entity
        self.path = path
        self._held: dict[str, Tracked[T]] = {}

    # Reading by id

    def get(self, id: str, rev: str | None = None) -> T:
        """The entity, or NotFound. With ``rev`` (from a form), Conflict unless that is still its revision."""
        entity = self.get_or_none(id)
        if entity is None:
            raise NotFound(self.path, id)
        if rev is not None and (entity.rev is None or split_rev(rev)[0] != split_rev(entity.rev)[0]):
            raise Conflict([(self.path, id)])
        return entity

    def get_or_none(self, id: str) -> T | None:
        """The entity, or None if there is none or this unit removed it."""
        held = self._held.get(id)
        if held is not None:
            return None if held.action == "deleted" else held.entity
        try:
            document = self._session.service.get(self.path, id)
        except NotFound:
            return None
        except InvalidDocument:
            if type(id) is not str or can_be_id(id):
                raise
            return None
        return self._hold(document).entity

    def get_many(self, ids: Iterable[str]) -> dict[str, T]:
        """Those found, by id in the order asked for; reads what this unit does not hold in one go."""
        wanted = list(dict.fromkeys(ids))
        missing = [id for id in wanted if id not in self._held and can_be_id(id)]
        if missing:
            for document in self._session.service.get_many(self.path, missing).values():
                self._hold(document)
        held = ((id, self._held.get(id)) for id in wanted)
        return {id: one.entity for id, one in held if one is not None and one.action != "deleted"}

    # Queries: committed data

    def find(self, query: Query) -> EntityPage[T]:
        """One page of entities. InvalidQuery for a field that the entity does not have."""
        self._check(query.where, query.order_by)
        if query.fields is not None:
            raise InvalidQuery("find loads whole entities; rows takes fields", name="fields")
        page = self._session.query(self.path, query)
        held = self._held
        items: list[T] = []
        for document in page.documents:
            one = held.get(document["_id"]) or self._hold(document)
            if one.action != "deleted":
                items.append(one.entity)
        return EntityPage(items, page.cursor)

    def rows(self, query: Query) -> RowPage:
        """One page of read-only rows with the query's ``fields`` (or all): for lists, at a fraction of find's cost."""
        self._check(query.where, query.order_by, query.fields or ())
        if self.entity.document_version > 1:
            query = replace(query, fields=None)  # an upgrade needs the whole document
        make = row_maker(self.entity, query.fields).make
        page = self._session.query(self.path, query)
        return RowPage([make(document) for document in page.documents], page.cursor)

    def none_at_all(self) -> bool:
        """Whether nothing of the kind is stored; as consistent as reading by id, for decisions that rest on it."""
        return next(self._session.service.list_all(self.path), None) is None

    def first(self, query: Query) -> T | None:
        """The first entity that matches, or None; the query's limit and cursor do not count."""
        return next(self.iterate(replace(query, limit=1, cursor=None)), None)

    def iterate(self, query: Query) -> Iterator[T]:
        """Every entity that matches, from the query's cursor on. The unit holds them all: take ``rows`` for many."""
        while True:
            page = self.find(query)
            yield from page.items
            if page.cursor is None:
                return
            query = replace(query, cursor=page.cursor)

    def count(self, where: tuple[Condition, ...] = (), up_to: int = 1_000) -> tuple[int, bool]:
        """How many match, and whether that is exact: counting stops at ``up_to``."""
        self._check(where, ())
        return self._session.count(self.path, where, up_to)

    # Registering changes

    def add(self, entity: T) -> T:
        """Register a new entity, and set its times from the unit's clock. Conflict at commit if the id exists."""
        self._check_mine(entity, "added")
        if entity.rev is not None or entity.id in self._held:
            raise RuntimeError(f"{self._named(entity)} cannot be added: it is already stored or registered.")
        set_quietly(entity, created_at=(now := self._session.clock()), updated_at=now)
        self._held[entity.id] = Tracked(entity, None, "created")
        return entity

    def save(self, entity: T) -> T:
        """Register a changed entity; the commit raises Conflict unless the database still has ``entity.rev``.

        One that was loaded elsewhere is compared with the database now. An entity without a difference is not written.
        """
        held = self._registered(entity, "saved")
        if held.action == "deleted":
            raise RuntimeError(f"{self._named(entity)} was removed in this unit of work and cannot be saved.")
        held.action = held.action or "changed"
        return entity

    def remove(self, entity: T) -> None:
        """Register that the entity goes; Conflict at commit unless the database still has ``entity.rev``.

        One that was added in this unit is forgotten.
        """
        held = self._registered(entity, "removed")
        if held.action == "created":
            del self._held[entity.id]
        else:
            held.action = "deleted"

    # For the unit of work

    @property
    def has_changes(self) -> bool:
        """Whether anything is registered."""
        return any(held.action is not None for held in self._held.values())

    def tracked(self, id: str) -> Tracked[T] | None:
        """What the unit holds under an id."""
        return self._held.get(id)

    def plan(self, plan: CommitPlan, at: datetime) -> list[Change]:
        """Put what is registered into the plan; answers what really differs from what is stored."""
        registered = [held for held in self._held.values() if held.action is not None]
        changes = (plan_change(self.path, held, plan, at) for held in registered)
        return [change for change in changes if change is not None]

    def committed(self, plan: CommitPlan, revisions: Mapping[Key, str]) -> None:
        """Take note of what the commit wrote: each entity goes on with its new revision."""
        for id, held in list(self._held.items()):
            key = (self.path, id)
            if held.action == "deleted":
                del self._held[id]
            elif key in revisions:
                set_quietly(held.entity, rev=revisions[key])
                held.stored = orjson.dumps(plan.document(key))
            held.action = None

    def forget(self) -> None:
        """Let go of everything: after a roll-back the objects may differ from what is stored."""
        self._held.clear()

    def _hold(self, document: Document) -> Tracked[T]:
        id, rev = document.pop("_id"), document.pop("_rev")
        stored = orjson.dumps(document)
        held = self._held[id] = Tracked(self.entity.load(id, rev, document), stored)
        return held

    def _registered(self, entity: T, verb: str) -> Tracked[T]:
        self._check_mine(entity, verb)
        held = self._held.get(entity.id)
        if held is None:
            if entity.rev is None:
                raise RuntimeError(f"{self._named(entity)} cannot be {verb}: it was never stored; add it.")
            document = self._session.service.get(self.path, entity.id)
            if split_rev(document.pop("_rev"))[0] != split_rev(entity.rev)[0]:
                raise Conflict([(self.path, entity.id)])
            del document["_id"]
            held = self._held[entity.id] = Tracked(entity, orjson.dumps(document))
        if held.entity is not entity:
            raise RuntimeError(f"{self._named(entity)} is in this unit of work as another object; change that one.")
        return held

    def _check_mine(self, entity: T, verb: str) -> None:
        self._session.check_open()
        if type(entity) is not self.entity:
            raise TypeError(f"{type(entity).__name__} cannot be {verb} in the store of {self.entity.__name__}.")

    def _check(self, conditions: tuple[Condition, ...], *fields: tuple[str, ...]) -> None:
        """A misspelt field would match nothing, in silence."""
        known = self.entity.__pydantic_fields__
        names = [condition.parts[0] for condition in conditions] if type(conditions) is tuple else []
        for name in (*names, *(field.partition(".")[0] for group in fields for field in group)):
            if name not in known or name in ("id", "rev"):
                raise InvalidQuery(f"{self.entity.__name__} has no such field to ask for", name=name)

    def _named(self, entity: Entity) -> str:
        return f"{type(entity).__name__} {entity.id!r}"
