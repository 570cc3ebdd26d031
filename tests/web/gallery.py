"""A small application with every component of the look in every state: for screenshots and for tests in a browser.

It has the real web layer and one made-up person in one made-up tenant; nothing is stored.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response
from wtforms import BooleanField, RadioField, SelectField
from wtforms.validators import Length

from app.db.errors import Conflict, Unavailable
from app.errors import Invalid, NotAllowed, Problem, TooManyAttempts
from app.web import access_control, register
from app.web.access import check_routes
from app.web.application import WherryFlask
from app.web.context import Principal, TenantAccess, TenantRef
from app.web.difference import lines
from app.web.feedback import notify
from app.web.forms import Form, LineField, Required, RevisionField, TextField, options
from app.web.listing import Listing, choice, text
from app.web.registry import Registry
from app.web.tenant_urls import tenant_prefix
from tests.app_database import databases

PERSON = Principal("p1", "Maren Schilling", "maren@harbour.example")
TENANT = TenantRef("t1", "harbour", "Harbour Works")
RIGHTS = frozenset({"agents.view", "agents.edit", "members.view", "audit.view"})
LIST = Listing(
    sorts={"name": ("name",), "updated": ("updated_at",)},
    filters={"q": text, "status": choice("active", "retired")},
)
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenhersteller" * 3
OLD = (
    "def handler(event):\n    name = event['name']\n    return 'Hello ' + name\n" + "# padding\n" * 9 + "VERSION = 1\n"
)
NEW = (
    "def handler(event):\n    name = event.get('name', 'stranger')\n    return f'Hello {name}'\n"
    + "# padding\n" * 9
    + "VERSION = 2\n"
)

blueprint = Blueprint(
    "agents",
    __name__,
    url_prefix=tenant_prefix("/agents"),
    template_folder=str(Path(__file__).parent / "gallery_templates"),
)
pages = Blueprint("pages", __name__)


class AgentForm(Form):
    """One of each kind of control."""

    rev = RevisionField()
    name = LineField("Name", [Required(), Length(max=80)], description="How people in this tenant call it.")
    description = TextField("Description", [Length(max=500)])
    status = SelectField("Status", choices=options([("active", "Active"), ("retired", "Retired")]))
    visibility = RadioField(
        "Who may run it", choices=options([("all", "Every member"), ("me", "Only me")]), default="all"
    )
    code = TextField("Code", [Required()], render_kw={"class": "code", "spellcheck": "false", "rows": "10"})
    public = BooleanField("Show it on the public page", description="Anybody with the link can try it.")


def agents(count: int) -> list[SimpleNamespace]:
    """Rows as a query would answer them."""
    start = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    names = ("Greeter", "Invoice reader", "Weather at the pier", "Cargo planner", "Translator", "Night watch")
    return [
        SimpleNamespace(
            id=f"a{number}",
            name=f"{names[number % len(names)]} {number}" if number != 3 else LONG,
            description="Answers every ship that calls, in the language it calls in, and writes it down. "
            * (number % 3),
            status="retired" if number % 4 == 3 else "active",
            updated_at=start - timedelta(hours=7 * number),
            version=number % 9 + 1,
        )
        for number in range(count)
    ]


@blueprint.get("/")
@access_control("agents.view")
def index() -> str:
    wanted = LIST.parse(request.args)
    rows = [] if wanted.value("q") else agents(50)
    return render_template("gallery/list.html", wanted=wanted, rows=rows, cursor="bmV4dA" if rows else None)


@blueprint.get("/none")
@access_control("agents.view")
def none() -> str:
    return render_template("gallery/list.html", wanted=LIST.parse(request.args), rows=[], cursor=None)


@blueprint.route("/new", methods=["GET", "POST"])
@access_control("agents.edit")
def new() -> tuple[str, int] | Response:
    form = AgentForm()
    if form.is_submitted() and form.submit(lambda values: values) is not None:
        notify("success", f"{form.name.data} was created.")
        return redirect(url_for("agents.index"))
    return form.page("gallery/form.html")


@blueprint.get("/wrong")
@access_control("agents.edit")
def wrong() -> tuple[str, int]:
    form = AgentForm(
        MultiDict({"name": LONG, "description": "ä" * 501, "status": "sunk", "visibility": "x", "code": " "})
    )
    form.validate()
    form.put_problems(
        Invalid(
            {
                "name": [Problem("taken", "There is an agent of this name.")],
                "": [Problem("invalid", "The tenant has no room for another agent.")],
            }
        )
    )
    return form.page("gallery/form.html")


@blueprint.get("/show")
@access_control("agents.view")
def show() -> str:
    for kind in ("success", "info", "warning", "danger"):
        notify(kind, f"This is what a message of the kind “{kind}” looks like.")
    return render_template("gallery/show.html", diff=lines(OLD, NEW), text=LONG)


@blueprint.get("/conflict")
@access_control("agents.edit")
def conflict() -> tuple[str, int]:
    rows = [
        ("Name", "Greeter", "Greeter"),
        ("Description", "Says hello.", ""),
        ("Code", OLD, NEW),
        ("Status", LONG, "retired"),
    ]
    return render_template("gallery/conflict.html", rows=rows), 409


@pages.get(tenant_prefix("/"))
@access_control()
def dashboard() -> str:
    return render_template("gallery/dashboard.html", rows=agents(4))


@pages.route("/sign-in", methods=["GET", "POST"])
@access_control(open=True)
def sign_in() -> str:
    return render_template("gallery/sign_in.html", form=AgentForm())


@pages.get("/tenants/menu")
@access_control()
def menu() -> str:
    return '<ul class="menu-list" aria-label="Your tenants"><li><a href="/t/harbour/">Harbour</a></li></ul>'


@pages.get("/fail/<int:status>")
@access_control()
def fail(status: int) -> str:
    if status == 403:
        raise NotAllowed("This needs the right “Create and change agents”.")
    if status == 409:
        raise Conflict([("agents", "a1")])
    if status == 429:
        raise TooManyAttempts("You tried ten times in a short while.", retry_after=41.2)
    if status == 503:
        raise Unavailable("driver text", retry_after=3)
    if status == 500:
        raise ZeroDivisionError("driver text")
    abort(status)


def make_gallery(**config: Any) -> WherryFlask:
    """The application; ``config`` overrides Flask's settings."""
    app = WherryFlask()
    app.config.update(SECRET_KEY="gallery" * 8, ALLOWED_HOSTS=["localhost", "127.0.0.1"], **config)
    registry = Registry()
    for name in sorted(RIGHTS):
        registry.add_permission(name, name, roles=("owner", "admin", "member"))
    registry.set_identify(lambda request, uow: PERSON)
    registry.set_resolve_tenant(
        lambda slug, user, uow: TenantAccess(TENANT, "member", RIGHTS) if slug == TENANT.slug else None
    )
    app.extensions["database"] = databases().open()
    register(app, registry)
    registry.add_navigation(label="Dashboard", endpoint="pages.dashboard", icon="home", order=1)
    registry.add_navigation(label="Agents", endpoint="agents.index", permission="agents.view", icon="agents", order=20)
    registry.add_navigation(
        label="Members", endpoint="agents.none", permission="members.view", icon="members", order=80
    )
    registry.add_navigation(label="Audit", endpoint="agents.show", permission="audit.view", icon="audit", order=90)
    app.register_blueprint(blueprint)
    app.register_blueprint(pages)
    check_routes(app)
    return app
