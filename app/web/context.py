"""What is known about the current request: who, which tenant, with which permissions, and the one unit of work.

``current()`` is the only way in. Who is signed in is asked at the first use of ``user``, so that a page that needs
nobody (a static file, /healthz) reads nothing from the database.
"""

from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex, token_urlsafe
from typing import TYPE_CHECKING, cast

from flask import Request, current_app
from flask.globals import request_ctx
from flask.typing import ResponseReturnValue

from app.db.actors import Actor
from app.db.errors import Conflict
from app.db.recent import RecentCommits
from app.db.unit_of_work import UnitOfWork
from app.web.recent_cookie import read_recent

if TYPE_CHECKING:
    from app.web.application import WherryRequest
    from app.web.registry import Registry


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who is signed in."""

    id: str
    name: str
    email: str
    superuser: bool = False


@dataclass(frozen=True, slots=True)
class TenantRef:
    """The tenant whose page this is. The id never changes; the slug is what stands in the URL."""

    id: str
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class TenantAccess:
    """What one person may do in one tenant."""

    tenant: TenantRef
    role: str
    permissions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Redirect:
    """The slug is an old one; the tenant is at ``slug`` now and the request is redirected there."""

    slug: str


ConflictPage = Callable[[Conflict], ResponseReturnValue]
_UNKNOWN = object()


class RequestContext:
    """One request's own state; made by the application, reached through ``current()``."""

    def __init__(self, registry: "Registry", request: Request) -> None:
        self.registry = registry
        self.request = request
        self.correlation_id: str = request.environ.get("wherry.correlation_id") or token_hex(16)
        self.session_id: str | None = None  # the identify hook sets it: the id of the server-side session document
        self.slug: str | None = None  # as it stands in the URL, before anybody has checked it
        self.access: TenantAccess | None = None
        self.notices: list[tuple[str, str]] = []
        self.conflict_page: ConflictPage | None = None
        self._user: object = _UNKNOWN
        self._unit: UnitOfWork | None = None
        self._reading: UnitOfWork | None = None
        self._closed = False
        self._nonce: str | None = None
        self._recent: RecentCommits | None = None
        self._recent_read = False

    @property
    def user(self) -> Principal | None:
        """Who is signed in, or None. Asked once; the identify hook may read the database."""
        if self._user is _UNKNOWN:
            self._user = None  # an identify hook that asks for the user must not call itself
            try:
                self._user = self.registry.identify_request(self)
            except BaseException:
                self._user = _UNKNOWN
                raise
        return cast("Principal | None", self._user)

    @property
    def known_user(self) -> Principal | None:
        """Who is signed in as far as it is already known: never reads, so an error page may use it."""
        return None if self._user is _UNKNOWN else cast("Principal | None", self._user)

    def become(self, user: Principal | None) -> None:
        """For signing in and out: from now on the request belongs to ``user``."""
        self._user = user

    @property
    def tenant(self) -> TenantRef | None:
        """The tenant of a page under /t/<slug>/, once access to it has been checked; else None."""
        return self.access.tenant if self.access else None

    @property
    def role(self) -> str | None:
        """The person's role in ``tenant``."""
        return self.access.role if self.access else None

    @property
    def permissions(self) -> frozenset[str]:
        """What the person may do in ``tenant``; empty outside tenant pages."""
        return self.access.permissions if self.access else frozenset()

    @property
    def nonce(self) -> str:
        """The Content-Security-Policy nonce of this response: new for each request, 128 random bits."""
        if self._nonce is None:
            self._nonce = token_urlsafe(16)
        return self._nonce

    @property
    def uow(self) -> UnitOfWork:
        """The request's unit of work, bound to ``tenant`` and to the person as actor. Nobody commits it by hand.

        Once the view has answered it can only be read from: to register a change then raises RuntimeError.
        """
        if self._unit is None:
            self._unit = self._open_unit()
            if self._closed:
                self._unit.rollback()
        return self._unit

    @property
    def recent(self) -> RecentCommits | None:
        """What this browser committed in the last seconds; None where every query sees every commit anyway."""
        if not self._recent_read:
            app = current_app
            self._recent = read_recent(app, app.extensions["database"], self.request)
            self._recent_read = True
        return self._recent

    @property
    def committed(self) -> RecentCommits | None:
        """The same if this request committed something that lists show, and somebody is signed in."""
        noted = self._recent is not None and self._recent.changed and self.known_user is not None
        return self._recent if noted else None

    @property
    def open_unit(self) -> UnitOfWork | None:
        """The unit of work if anything used it."""
        return self._unit

    @property
    def reading(self) -> UnitOfWork:
        """For the hooks that find out who and where, before there is a tenant: nothing ever commits it."""
        if self._reading is None:
            self._reading = self._open_unit()
        return self._reading

    def _open_unit(self) -> UnitOfWork:
        user, tenant = self.known_user, self.tenant
        actor = Actor(
            kind="user" if user else "anonymous",
            id=user.id if user else "",
            name=user.name if user else "",
            address=self.request.remote_addr or "",
            correlation_id=self.correlation_id,
        )
        return UnitOfWork(
            current_app.extensions["database"],
            tenant_id=tenant.id if tenant else None,
            actor=actor,
            hub=self.registry.hub,
            clock=self.registry.clock,
            recent=self.recent,
        )

    def close_unit(self, *, commit: bool) -> None:
        """Called by the application when the view has answered: commit what was registered, or roll it back."""
        self._closed = True
        unit, self._unit = self._unit, None
        if unit is None:
            return
        if commit:
            self._unit = unit
            unit.commit()
        else:
            unit.rollback()


def current() -> RequestContext:
    """The context of the request being handled. RuntimeError outside a request."""
    seen = cast("WherryRequest", request_ctx.request)  # the object itself: a proxy costs more at each look
    if seen.wherry is None:
        seen.wherry = RequestContext(current_app.extensions["wherry"], seen)
    return seen.wherry


def on_conflict(page: ConflictPage) -> None:
    """Let this view answer a Conflict itself, whether the view or the commit after it raises it.

    ``page`` gets the Conflict after everything was rolled back; it reads through ``current().uow``, registers nothing,
    and answers the 409 page.
    """
    current().conflict_page = page
