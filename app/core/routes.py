"""The start page, and a tenant's dashboard."""

from flask import Blueprint, current_app, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue

from app.auth.context import LAST_TENANT
from app.core.activity import describe
from app.core.dashboard import cards_for
from app.db.audit import AuditRecord, newest
from app.tenants.routes import me
from app.tenants.services import Tenants
from app.web.access import access_control, can
from app.web.context import current
from app.web.tenant_urls import tenant_prefix

start = Blueprint("start", __name__)
blueprint = Blueprint("core", __name__, url_prefix=tenant_prefix(), template_folder="templates")
RECENT = 8


@start.get("/")
@access_control()
def home() -> ResponseReturnValue:
    """To the tenant that one has, or was in last; to the list if there are none or several."""
    tenants = Tenants(current().uow).of_user(me().id)
    last = [tenant for tenant in tenants if tenant.id == session.get(LAST_TENANT)]
    chosen = tenants[0] if len(tenants) == 1 else next(iter(last), None)
    return redirect(f"/t/{chosen.slug}/" if chosen else url_for("my_tenants.index"), 303)


@blueprint.get("/")
@access_control()
def dashboard() -> ResponseReturnValue:
    """A card from each module, and what happened lately."""
    context = current()
    if context.tenant is not None and session.get(LAST_TENANT) != context.tenant.id:
        session[LAST_TENANT] = context.tenant.id
    uow = context.uow
    cards = [(card, card.figure(uow)) for card in cards_for(current_app, context.permissions)]
    activities = describe(uow, newest(uow.store(AuditRecord), RECENT).items) if can("audit.view") else None
    return render_template("core/dashboard.html", cards=cards, activities=activities)
