"""One's tenants, a new one, and a tenant's settings."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.db.entities import new_id
from app.errors import NotSignedIn
from app.tenants.forms import SettingsForm, TenantForm
from app.tenants.services import MOST_LISTED, Tenants
from app.web.access import access_control
from app.web.context import Principal, current, on_conflict
from app.web.feedback import notify
from app.web.tenant_urls import tenant_prefix

mine = Blueprint("my_tenants", __name__, url_prefix="/tenants", template_folder="templates")
MOST_IN_MENU = 20
blueprint = Blueprint("tenants", __name__, url_prefix=tenant_prefix())


def me() -> Principal:
    """Who is signed in."""
    user = current().user
    if user is None:
        raise NotSignedIn("Please sign in to go on.")
    return user


@mine.get("")
@access_control()
def index() -> ResponseReturnValue:
    """The tenants that one is a member of."""
    tenants = Tenants(current().uow).of_user(me().id)
    return render_template("tenants/mine.html", tenants=tenants, all_shown=len(tenants) < MOST_LISTED)


@mine.get("/menu")
@access_control()
def menu() -> ResponseReturnValue:
    """For the menu in the header, which loads it when it is opened: a few tenants, that of the page first."""
    tenants = Tenants(current().uow).of_user(me().id)
    here = request.args.get("here", "")
    first = sorted(tenants, key=lambda tenant: tenant.slug != here)[:MOST_IN_MENU]
    return render_template("tenants/menu.html", tenants=first, here=here, more=len(tenants) - len(first))


@mine.route("/new", methods=["GET", "POST"])
@access_control()
def new() -> ResponseReturnValue:
    """A new tenant, whose owner one is."""
    form = TenantForm()
    if form.is_submitted():
        uow = current().uow
        uow.bind_tenant(new_id())
        tenant = form.submit(
            lambda typed: Tenants(uow).create(typed["name"] or "", typed["slug"] or "", owner_id=me().id)
        )
        if tenant is not None:
            notify("success", f"{tenant.name} was made.")
            return redirect(f"/t/{tenant.slug}/", 303)
    return form.page("tenants/new.html")


@blueprint.route("/settings", methods=["GET", "POST"])
@access_control("tenant.settings")
def settings() -> ResponseReturnValue:
    """Name and slug. The former slug redirects from then on."""
    tenants = Tenants(current().uow)
    tenant = tenants.get(_tenant_id())
    form = SettingsForm(obj=tenant if request.method == "GET" else None)
    if form.is_submitted():
        on_conflict(lambda _: _both_versions(form))
        tenants.get(tenant.id, form.revision or "none")
        done = form.submit(lambda typed: tenants.change(tenant, typed["name"] or "", typed["slug"] or ""))
        if done is not None:
            notify("success", "The settings were saved.")
            return redirect(url_for("tenants.settings", slug=tenant.slug), 303)
    return form.page("tenants/settings.html", tenant=tenant, theirs=None)


def _both_versions(form: SettingsForm) -> ResponseReturnValue:
    """What was typed beside what is stored; saving again replaces that."""
    stored = Tenants(current().uow).get(_tenant_id())
    form.rev.data = stored.rev
    page = render_template("tenants/settings.html", form=form, tenant=stored, theirs=stored)
    return page, 409


def _tenant_id() -> str:
    tenant = current().tenant
    if tenant is None:
        raise RuntimeError("This is not a tenant's page.")
    return tenant.id
