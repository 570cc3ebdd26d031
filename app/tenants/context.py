"""Tenants of the request being handled: who may enter, and the services of this package."""

from threading import Lock

from flask import current_app, request

from app.db.unit_of_work import UnitOfWork
from app.settings import Settings
from app.tenants.entities import Member, Tenant
from app.tenants.members import Members
from app.tenants.services import SLUG_CLAIM
from app.web.context import Principal, Redirect, TenantAccess, TenantRef, current
from app.web.registry import Registry

MOST_SLUGS = 10_000


class Doorkeeper:
    """The registry's hook: what a person may do in the tenant of a slug. Reads two documents by key, once it knows the
    slug; one that leads to a tenant does so for ever, so every process remembers it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._ids: dict[str, str] = {}
        self._permissions: dict[str, frozenset[str]] = {}
        self._lock = Lock()

    def __call__(self, slug: str, principal: Principal, uow: UnitOfWork) -> TenantAccess | Redirect | None:
        """The access; a redirect for a former slug; None for an unknown slug and for who is no member, alike."""
        tenant_id = self._ids.get(slug) or self._look_up(slug, uow)
        if tenant_id is None:
            return None
        uow.bind_tenant(tenant_id)
        member = uow.store(Member).get_or_none(principal.id)
        if member is None:
            return None
        tenant = uow.store(Tenant).get_or_none(tenant_id)
        if tenant is None:
            return None
        if tenant.slug != slug:
            return Redirect(tenant.slug)
        return TenantAccess(TenantRef(tenant_id, slug, tenant.name), member.role, self._of_role(member.role))

    def _look_up(self, slug: str, uow: UnitOfWork) -> str | None:
        tenant_id = uow.claimed_by(SLUG_CLAIM, slug)
        if tenant_id is not None:
            with self._lock:
                if len(self._ids) >= MOST_SLUGS:
                    self._ids.clear()
                self._ids[slug] = tenant_id
        return tenant_id

    def _of_role(self, role: str) -> frozenset[str]:
        """The registry is only read after the start, so each role's permissions are collected once."""
        found = self._permissions.get(role)
        if found is None:
            found = self._permissions[role] = self._registry.permissions_of(role)
        return found


def members() -> Members:
    """The members of the tenant whose page this is, with the rights of who is signed in."""
    context = current()
    return Members(context.uow, context.role or "viewer")


def base_url() -> str:
    """Where people reach the application, for links that are handed over: PUBLIC_URL, else the host that was asked,
    which is one of ALLOWED_HOSTS."""
    settings: Settings = current_app.extensions["settings"]
    return settings.public_url or request.url_root.rstrip("/")
