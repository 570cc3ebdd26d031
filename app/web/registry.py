"""What the packages of one application have told it: permissions, navigation, entities, hooks.

One Registry per application, in ``app.extensions["wherry"]``; no module-level state. Each package's
``register(app, registry)`` fills it at start; after that it is only read.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Request

from app.db.unit_of_work import UnitOfWork
from app.hub import Hub
from app.web.context import Principal, Redirect, RequestContext, TenantAccess

Identify = Callable[[Request, UnitOfWork], Principal | None]
ResolveTenant = Callable[[str, Principal, UnitOfWork], TenantAccess | Redirect | None]
SampleData = Callable[[UnitOfWork], None]
Refused = Callable[[RequestContext, str], None]

ROLES = ("owner", "admin", "member", "viewer")


@dataclass(frozen=True, slots=True)
class Permission:
    """A right within a tenant, e.g. ``agents.edit``, and the built-in roles that have it."""

    name: str
    label: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NavigationItem:
    """A link in the side bar of a tenant. ``permission`` None: every member sees it."""

    label: str
    endpoint: str
    permission: str | None
    icon: str
    order: int


class Registry:
    """See the module. Registering a name twice is a mistake of the program and raises ValueError."""

    def __init__(self, hub: Hub | None = None, clock: Callable[[], datetime] | None = None) -> None:
        self.hub = hub or Hub()
        self.clock: Callable[[], datetime] = clock or (lambda: datetime.now(UTC))
        self.permissions: dict[str, Permission] = {}
        self.entities: list[type[Any]] = []
        self.sample_data: list[SampleData] = []
        self.modules: list[str] = []
        self.sign_in_path = "/sign-in"
        self._navigation: list[NavigationItem] = []
        self._refused: list[Refused] = []
        self._identify: Identify | None = None
        self._resolve_tenant: ResolveTenant | None = None

    # -- what packages call at start

    def add_permission(self, name: str, label: str, roles: Sequence[str]) -> None:
        """Declare a permission and which of owner, admin, member, viewer have it."""
        if name in self.permissions:
            raise ValueError(f"The permission {name!r} is declared twice.")
        unknown = sorted(set(roles) - set(ROLES))
        if unknown:
            raise ValueError(f"The permission {name!r} names unknown roles: {', '.join(unknown)}.")
        self.permissions[name] = Permission(name, label, tuple(roles))

    def add_navigation(
        self, *, label: str, endpoint: str, permission: str | None = None, icon: str = "dot", order: int = 50
    ) -> None:
        """Add a link to the side bar of tenant pages; lower ``order`` comes first."""
        self._navigation.append(NavigationItem(label, endpoint, permission, icon, order))
        self._navigation.sort(key=lambda item: (item.order, item.label))

    def add_entities(self, *entities: type[Any]) -> None:
        """Declare entity classes: their collections and indexes become the schema of the database."""
        for entity in entities:
            if entity not in self.entities:
                self.entities.append(entity)

    def add_sample_data(self, provider: SampleData) -> None:
        """``provider(uow)`` adds a module's sample documents to a new tenant's unit of work."""
        self.sample_data.append(provider)

    def set_identify(self, identify: Identify) -> None:
        """Say who is signed in. The hook only reads; what it must write goes through ``uow.independent()``."""
        if self._identify is not None:
            raise ValueError("There is already an identify hook.")
        self._identify = identify

    def set_resolve_tenant(self, resolve: ResolveTenant) -> None:
        """Say what a person may do in the tenant of a slug. The hook only reads, by key."""
        if self._resolve_tenant is not None:
            raise ValueError("There is already a hook that resolves tenants.")
        self._resolve_tenant = resolve

    def on_refused(self, listener: Refused) -> None:
        """``listener(context, permission)`` hears of each refusal; it writes through ``uow.independent()``."""
        self._refused.append(listener)

    # -- what the web layer asks

    def permissions_of(self, role: str) -> frozenset[str]:
        """Every permission that a built-in role has."""
        return frozenset(name for name, permission in self.permissions.items() if role in permission.roles)

    def navigation(self, permissions: frozenset[str]) -> Iterator[NavigationItem]:
        """The links that somebody with these permissions sees, in order."""
        return (item for item in self._navigation if item.permission is None or item.permission in permissions)

    def identify_request(self, context: RequestContext) -> Principal | None:
        """Run the identify hook; None without one."""
        return self._identify(context.request, context.reading) if self._identify else None

    def resolve_tenant(self, slug: str, user: Principal, context: RequestContext) -> TenantAccess | Redirect | None:
        """Run the tenant hook; None without one."""
        return self._resolve_tenant(slug, user, context.reading) if self._resolve_tenant else None

    def tell_refused(self, context: RequestContext, permission: str) -> None:
        """Tell every listener about a refusal."""
        for listener in self._refused:
            listener(context, permission)
