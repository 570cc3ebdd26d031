"""What happens to tenants and their members; published within the unit of work that does it."""

from dataclasses import dataclass

from app.hub import Event


@dataclass(frozen=True)
class TenantCreated(Event):
    """There is a new tenant; the unit of work is bound to it."""

    tenant_id: str
    owner_id: str


@dataclass(frozen=True)
class MemberJoined(Event):
    """Somebody is a member now."""

    tenant_id: str
    user_id: str
    role: str


@dataclass(frozen=True)
class MemberLeft(Event):
    """Somebody left the tenant, or was removed from it."""

    tenant_id: str
    user_id: str
