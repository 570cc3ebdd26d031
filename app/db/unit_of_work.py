"""The unit of work: everything that one request or command changes is written at its end, together or not at all.

    with UnitOfWork(service, tenant_id=tenant.id, actor=actor, hub=hub) as uow:
        uow.store(Agent).add(Agent(name="Greeter"))
        uow.emit(AgentCreated(agent_id=agent.id))
        uow.commit()

Rolling back is the default: without ``commit`` nothing is written. Services take the unit that is already there and
never open or commit one. A commit runs the handlers of the emitted events, then writes every registered change with its
expectation, and the audit record of them, in one commit of the database.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from app.db.actors import SYSTEM, Actor
from app.db.audit_record import audit_records
from app.db.claims import Claims
from app.db.commit_plan import CommitPlan
from app.db.entities import Entity
from app.db.errors import Conflict, InvalidQuery
from app.db.names import check_tenant
from app.db.recent import RecentCommits
from app.db.schema import CollectionScope
from app.db.service import DatabaseService
from app.db.stores import EntityStore
from app.db.tracking import Action, Session
from app.db.writes import ABSENT, Check, Put, Saved, Write
from app.hub import Event, Hub, TenantRequired, check_event_type

__all__ = ["MAX_EVENTS", "MAX_EVENT_DEPTH", "SYSTEM", "Actor", "UnitOfWork"]

T = TypeVar("T", bound=Entity)
MAX_EVENT_DEPTH: Final = 10
MAX_EVENTS: Final = 1_000


def _now() -> datetime:
    return datetime.now(UTC)


class UnitOfWork:
    """See the module. ``tenant_id`` None: only the installation's entities. ``clock`` answers an aware datetime.
    ``recent``: what the same session committed before, for databases whose indexes lag; the unit adds its own commit.

    Belongs to one thread. It is open until it commits or rolls back; from then on it can only be read from, and to
    register anything raises RuntimeError. The tenant is the caller's word: whoever opens a unit has checked that it
    exists and may be entered.
    """

    def __init__(
        self,
        service: DatabaseService,
        *,
        tenant_id: str | None,
        actor: Actor = SYSTEM,
        hub: Hub | None = None,
        clock: Callable[[], datetime] = _now,
        recent: RecentCommits | None = None,
    ) -> None:
        self._session = Session(service, clock, recent)
        self.tenant_id: str | None = None
        self.actor = actor
        self.hub = hub
        self._stores: dict[type[Entity], EntityStore[Any]] = {}
        self._claims = Claims()
        self._unchanged: list[tuple[type[Entity], str, str | None]] = []
        self._events: deque[tuple[Event, int]] = deque()
        self._emitted: list[Event] = []
        self._depth = 0
        if tenant_id is not None:
            self.bind_tenant(tenant_id)

    def bind_tenant(self, tenant_id: str) -> None:
        """Give a unit without a tenant its tenant, for the command that makes one and fills it. Only once."""
        check_tenant(tenant_id)
        if self.tenant_id not in (None, tenant_id):
            raise RuntimeError("This unit of work belongs to another tenant.")
        self.tenant_id = tenant_id

    @property
    def service(self) -> DatabaseService:
        """The database beneath, for what is no unit of work: bulk jobs, and reading several documents together."""
        return self._session.service

    @property
    def clock(self) -> Callable[[], datetime]:
        """What time it is."""
        return self._session.clock

    # Reading and registering

    def store(self, entity: type[T]) -> EntityStore[T]:
        """The unit's one store of an entity. InvalidQuery for a tenant's entity in a unit without a tenant."""
        found = self._stores.get(entity)
        if found is None:
            found = self._stores[entity] = EntityStore(
                self._session, entity, self.path(entity.collection, entity.scope)
            )
        return found

    def path(self, collection: str, scope: CollectionScope) -> str:
        """Where the database keeps a collection, for this unit's tenant."""
        if scope == "installation":
            return collection
        if self.tenant_id is None:
            raise InvalidQuery("a tenant is required: this unit of work has none", name=collection)
        return f"{self.tenant_id}/{collection}"

    def emit(self, event: Event) -> None:
        """Say that something happened; it has if and only if this unit commits. Handlers run at the commit.

        TenantRequired for a tenant's event in a unit without a tenant.
        """
        self._session.check_open()
        check_event_type(type(event))
        if event.scope == "tenant" and self.tenant_id is None:
            raise TenantRequired(f"{event.name} is a tenant's event, and this unit of work has no tenant.")
        if self._depth >= MAX_EVENT_DEPTH or len(self._emitted) >= MAX_EVENTS:
            raise RuntimeError(f"{event.name} was emitted by handlers that call each other without end.")
        self._emitted.append(event)
        self._events.append((event, self._depth + 1))

    def require_unchanged(self, entity: Entity) -> None:
        """Let the commit raise Conflict unless the entity still has the revision that a decision was based on.

        A unit that registers no change writes nothing and checks nothing.
        """
        self._session.check_open()
        if entity.rev is None:
            raise RuntimeError(f"{type(entity).__name__} {entity.id!r} is not stored, so nobody else can change it.")
        self._unchanged.append((type(entity), entity.id, entity.rev))

    def require_absent(self, entity: type[Entity], id: str) -> None:
        """Let the commit raise Conflict if there is such an entity by then."""
        self._session.check_open()
        self._unchanged.append((entity, id, None))

    def claim(self, kind: str, value: str, owner: Entity | str, *, scope: CollectionScope = "installation") -> None:
        """Make a value unique in this commit; see ``app.db.claims`` for what it promises."""
        self._session.check_open()
        self._claims.claim(self, kind, value, owner, scope)

    def release(self, kind: str, value: str, owner: Entity | str, *, scope: CollectionScope = "installation") -> None:
        """Give a claimed value back in this commit; one that is somebody else's is left alone."""
        self._session.check_open()
        self._claims.release(self, kind, value, owner, scope)

    def claimed_by(self, kind: str, value: str, *, scope: CollectionScope = "installation") -> str | None:
        """The id of the value's owner, what this unit registered included; None if it is free."""
        return self._claims.claimed_by(self, kind, value, scope)

    @property
    def has_changes(self) -> bool:
        """Whether anything is registered that a commit would look at."""
        return bool(self._emitted or self._claims.pending or any(store.has_changes for store in self._stores.values()))

    def held(self, id: str) -> Entity | None:
        """The entity with this id that the unit has loaded or registered, whatever its kind; None if it has not."""
        found = (tracked for store in self._stores.values() if (tracked := store.tracked(id)) is not None)
        return next((tracked.entity for tracked in found), None)

    def action_on(self, path: str, id: str) -> Action | None:
        """What is registered for the entity at this place: created, changed, deleted, or None."""
        stores = (store for store in self._stores.values() if store.path == path)
        found = (tracked.action for store in stores if (tracked := store.tracked(id)) is not None)
        return next(found, None)

    # Ending

    def commit(self) -> None:
        """Run the handlers of the emitted events, then write everything that is registered, with its audit record.

        Conflict (or Taken, for a claim) if an expectation does not hold, TooLarge beyond 90 documents or 3 MB; nothing
        was written then, and the unit is rolled back. After Unavailable with ``outcome="unknown"`` nobody knows whether
        it was. If nothing differs from what is stored, nothing is written.
        """
        if self._session.state != "open":
            raise RuntimeError(f"This unit of work is {self._session.state} and cannot be committed.")
        self._session.state = "committing"
        try:
            self._run_handlers()
            self._session.check_open()
            self._session.state = "writing"
            self._write()
        except Conflict as conflict:
            taken = self._claims.taken_by(conflict)
            self.rollback()
            if taken is None:
                raise
            raise taken from conflict
        except BaseException:
            self.rollback()
            raise
        self._session.state = "committed"

    def rollback(self) -> None:
        """Forget what was registered. After a commit it does nothing."""
        if self._session.state != "committed":
            self._session.state = "rolled back"
            self._events.clear()
            self._emitted.clear()
            self._unchanged.clear()
            self._claims = Claims()
            for store in self._stores.values():
                store.forget()

    @contextmanager
    def independent(self) -> Iterator["UnitOfWork"]:
        """A unit of its own that commits when the block ends, whatever becomes of this one: throttles, refusals.

        An exception in the block rolls it back. It sees what is committed, not what this unit registered.
        """
        with UnitOfWork(
            self.service,
            tenant_id=self.tenant_id,
            actor=self.actor,
            hub=self.hub,
            clock=self.clock,
            recent=self._session.recent,
        ) as own:
            yield own
            own.commit()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.rollback()

    def _run_handlers(self) -> None:
        while self._events:
            event, self._depth = self._events.popleft()
            if self.hub is not None:
                self.hub.publish(event, self)
        self._depth = 0

    def _write(self) -> None:
        if not self.has_changes:
            return
        at = self.clock()
        plan = CommitPlan()
        changes = [change for store in self._stores.values() for change in store.plan(plan, at)]
        self._claims.add_to(plan, at)
        for entity, id, rev in self._unchanged:
            plan.check(self.path(entity.collection, entity.scope), id, ABSENT if rev is None else rev)
        records = audit_records(changes, self._emitted, actor=self.actor, at=at, tenant=self.tenant_id is not None)
        if plan.changes_anything or records:
            writes = plan.writes()
            for record in records:
                path = self.path(record.collection, record.scope)
                writes.append(Put(path, record.id, record.to_document(), ABSENT))
            saved = self._commit(writes)
            revisions = {
                (write.collection, write.id): one["rev"] for write, one in zip(writes, saved, strict=True) if one
            }
        else:
            revisions = {}
        for store in self._stores.values():
            store.committed(plan, revisions)

    def _commit(self, writes: list[Write]) -> list[Saved | None]:
        recent = self._session.recent
        if recent is None:
            return self.service.commit(writes)
        try:
            return self.service.commit(writes)
        finally:  # also if nobody knows whether it was written, or somebody else wrote: a list then shows what is so
            recent.note((write.collection, write.id) for write in writes if not isinstance(write, Check))
