"""The hub: what happened in one module is heard by others that it does not know.

    @dataclass(frozen=True)
    class AgentCreated(Event):
        agent_id: str

    @hub.during(AgentCreated)
    def count_agents(event: AgentCreated, uow: UnitOfWork) -> None: ...

    uow.emit(AgentCreated(agent_id=agent.id))

A ``during`` handler runs inside the commit of the unit of work that emitted the event, before anything is written, and
may register further changes and emit further events there: all of it is written together or not at all. A handler that
raises fails the commit. One Hub per application, filled at start; there is no module-level state.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeVar

from app.errors import WherryError

if TYPE_CHECKING:
    from app.db.unit_of_work import UnitOfWork

_log = logging.getLogger(__name__)


class TenantRequired(WherryError):
    """A tenant's event, or a handler that needs a tenant, in a unit of work without one: a mistake of the program."""


@dataclass(frozen=True)
class Event:
    """Something that happened; subclasses are frozen dataclasses that add what it was about, as plain values.

    ``id`` is new for each event: handlers that may see an event twice tell by it. ``scope``: a tenant's event cannot be
    emitted without a tenant. ``audited``: whether its name stands in the audit record.
    """

    scope: ClassVar[Literal["tenant", "installation"]] = "tenant"
    audited: ClassVar[bool] = True

    id: str = field(default_factory=lambda: token_urlsafe(16), kw_only=True)

    @property
    def name(self) -> str:
        """The event's name in logs and in the audit record: that of its class."""
        return type(self).__name__


E = TypeVar("E", bound=Event)
Handler = Callable[[E, "UnitOfWork"], None]


class _Entry(NamedTuple):
    event_type: type[Event]
    handler: Callable[[Any, "UnitOfWork"], None]
    needs_tenant: bool


class Hub:
    """Which handlers hear which events. Registered at start and only read afterwards, from any thread."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._matching: dict[type[Event], tuple[_Entry, ...]] = {}

    def during(self, event_type: type[E]) -> Callable[[Handler[E]], Handler[E]]:
        """Register a handler ``(event, uow)`` that runs inside the commit, in the order of registration.

        It also hears the events of subclasses, so one for ``Event`` hears everything. A handler of a tenant's
        event is refused (TenantRequired) in a unit of work without a tenant.
        """
        check_event_type(event_type)
        needed = event_type.scope == "tenant" and event_type is not Event

        def register(handler: Handler[E]) -> Handler[E]:
            self._entries.append(_Entry(event_type, handler, needed))
            self._matching = {}
            return handler

        return register

    def publish(self, event: Event, uow: "UnitOfWork") -> int:
        """Run the event's ``during`` handlers in ``uow`` and answer how many; an error of one is not caught.

        An event that nobody hears is logged, not refused: a module that would may be switched off.
        """
        kind = type(event)
        entries = self._matching.get(kind)
        if entries is None:
            entries = self._matching[kind] = tuple(
                entry for entry in self._entries if issubclass(kind, entry.event_type)
            )
        if not entries:
            _log.info("no handler for event %s", event.name)
        for entry in entries:
            if entry.needs_tenant and uow.tenant_id is None:
                handler = getattr(entry.handler, "__qualname__", repr(entry.handler))
                raise TenantRequired(f"The handler {handler} of {event.name} needs a tenant.")
            entry.handler(event, uow)
        return len(entries)


def check_event_type(event_type: type[object]) -> None:
    """TypeError unless it is a frozen dataclass of its own: one that forgot the decorator would lose its fields."""
    own = vars(event_type).get("__dataclass_params__")
    if not (issubclass(event_type, Event) and own is not None and own.frozen):
        raise TypeError(f"{event_type.__name__} must be a subclass of Event decorated with @dataclass(frozen=True)")
