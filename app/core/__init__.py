"""What ties the packages together: the start page, the dashboard, the audit page, and what modules offer each other."""

from flask import Flask

from app.core import audit_routes  # noqa: F401 - adds its routes to the blueprint
from app.core.cli import sweep
from app.core.dashboard import Card, Figure, add_card, figure_of
from app.core.migration_routes import blueprint as migration_pages
from app.core.routes import blueprint, start
from app.db.audit import AuditRecord, InstallationAuditRecord
from app.db.unit_of_work import UnitOfWork
from app.tenants.entities import Member
from app.web.registry import Registry


def register(app: Flask, registry: Registry) -> None:
    """Pages, the members' card, and the `wherry sweep` command."""
    registry.add_entities(AuditRecord, InstallationAuditRecord)
    registry.add_permission("audit.view", "See the audit record", roles=("owner", "admin"))
    registry.add_navigation(label="Dashboard", endpoint="core.dashboard", icon="home", order=0)
    registry.add_navigation(label="Audit", endpoint="core.audit", permission="audit.view", icon="audit", order=80)
    add_card(app, Card("Members", "tenants.index", "members.view", _members, order=70))
    app.register_blueprint(start)
    app.register_blueprint(blueprint)
    app.register_blueprint(migration_pages)
    app.cli.add_command(sweep)


def _members(uow: UnitOfWork) -> Figure:
    return Figure(figure_of(uow.store(Member).count()))
