"""A tiny application on the real web layer, with one route for each behaviour that a test asks about."""

from collections.abc import Callable
from typing import Any

from flask import Flask, jsonify, render_template_string, request
from flask.testing import FlaskClient

from app.web import access_control, register
from app.web.application import WherryFlask
from app.web.context import Principal, Redirect, TenantAccess, TenantRef
from app.web.registry import Registry
from app.web.tenant_urls import tenant_prefix
from tests.app_database import databases

KEY = "a key that only these tests use, 32+"
ANNA = Principal("anna", "Anna", "anna@example.org")
ROOT = Principal("root", "Root", "root@example.org", superuser=True)
PEOPLE = {person.id: person for person in (ANNA, ROOT)}
TENANT = TenantRef("t-1", "pier", "Pier Nine")
SECRET = "driver text that nobody may see"


def make_app(setup: Callable[[Flask, Registry], None] | None = None, **config: Any) -> WherryFlask:
    """An application whose X-Test-User header says who is signed in; ``setup`` adds routes of a test's own."""
    app = WherryFlask()
    app.config.update({"SECRET_KEY": KEY, "ALLOWED_HOSTS": ["localhost", ".example.org"], "TESTING": True})
    app.config.update(PROPAGATE_EXCEPTIONS=False, WTF_CSRF_ENABLED=False)
    app.config.update(config)
    registry = Registry()
    registry.add_permission("agents.view", "See agents", roles=("owner", "admin", "member", "viewer"))
    registry.add_permission("agents.edit", "Change agents", roles=("owner", "admin", "member"))
    registry.set_identify(lambda request, uow: PEOPLE.get(request.headers.get("X-Test-User", "")))
    registry.set_resolve_tenant(resolve)
    app.extensions["database"] = databases().open()
    register(app, registry)
    add_routes(app)
    if setup is not None:
        setup(app, registry)
    return app


def resolve(slug: str, user: Principal, uow: object) -> TenantAccess | Redirect | None:
    """Anna is a viewer at the pier, which used to be the old pier; nobody is a member anywhere else."""
    if slug == "old-pier":
        return Redirect("pier")
    if slug == "pier" and user == ANNA:
        return TenantAccess(TENANT, "viewer", frozenset({"agents.view"}))
    return None


def add_routes(app: Flask) -> None:
    """The routes."""

    @app.get("/open")
    @access_control(open=True)
    def open_page() -> str:
        return render_template_string("<p>open</p>")

    @app.get("/inside")
    @access_control()
    def inside() -> str:
        return "inside"

    @app.get("/root")
    @access_control(superuser=True)
    def root() -> str:
        return "root"

    @app.post("/change")
    @access_control(open=True)
    def change() -> str:
        return "changed"

    @app.post("/json")
    @access_control(open=True)
    def json() -> Any:
        return jsonify(request.get_json())

    @app.post("/form")
    @access_control(open=True)
    def form() -> str:
        return str(len(request.form))

    @app.get(tenant_prefix("/agents/"))
    @access_control("agents.view")
    def agents() -> str:
        return render_template_string("{{ url_for('agents') }} {{ current().tenant.name }}")

    @app.route(tenant_prefix("/agents/edit"), methods=["GET", "POST"])
    @access_control("agents.edit")
    def edit() -> str:
        return "edit"


def client(app: Flask, user: str = "") -> FlaskClient:
    """A browser, signed in as ``user`` if one is named."""
    made = app.test_client()
    if user:
        made.environ_base["HTTP_X_TEST_USER"] = user
    return made
