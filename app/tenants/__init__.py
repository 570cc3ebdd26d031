"""Tenants, their members and invitations; who may enter which tenant."""

from flask import Flask

from app.tenants import member_routes  # noqa: F401 - adds its routes to the blueprint
from app.tenants.context import Doorkeeper
from app.tenants.entities import Invitation, Member, Membership, Owners, Tenant
from app.tenants.routes import blueprint, mine
from app.web.registry import Registry


def register(app: Flask, registry: Registry) -> None:
    """Entities, permissions, pages, and the decision who may enter."""
    registry.add_entities(Tenant, Member, Owners, Membership, Invitation)
    registry.add_permission("members.view", "See the members", roles=("owner", "admin", "member", "viewer"))
    registry.add_permission("members.manage", "Invite, change and remove members", roles=("owner", "admin"))
    registry.add_permission("tenant.settings", "Change the tenant's settings", roles=("owner", "admin"))
    registry.set_resolve_tenant(Doorkeeper(registry))
    registry.add_navigation(
        label="Members", endpoint="tenants.index", permission="members.view", icon="members", order=70
    )
    registry.add_navigation(
        label="Settings", endpoint="tenants.settings", permission="tenant.settings", icon="settings", order=90
    )
    app.register_blueprint(mine)
    app.register_blueprint(blueprint)
