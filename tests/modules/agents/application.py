"""The module in the real web layer, with made-up people: for tests of routes and in a browser.

A cookie says who asks ("Maren", "Jonas" ...), and by name everybody has a role; the tenants are t1 (harbour) and t2.
"""

import html
import re
from typing import Any

from flask import Request
from werkzeug.test import TestResponse

from app.db import DatabaseService
from app.db.entities import schema_of
from app.modules import agents
from app.web import register
from app.web.access import check_routes
from app.web.application import WherryFlask
from app.web.context import Principal, TenantAccess, TenantRef
from app.web.registry import Registry
from tests.modules.agents.given import CODE

TENANTS = {
    "harbour": TenantRef("t1", "harbour", "Harbour Works"),
    "island": TenantRef("t2", "island", "Island Ferries"),
}
ROLES = {"Maren": "owner", "Nils": "owner", "Jonas": "member", "Ada": "admin", "Vera": "viewer"}
COOKIE = "somebody"


def make_app(database: DatabaseService, **config: Any) -> WherryFlask:
    """An application on an open database. ``Nils`` is a member of t2 only, the others of t1 only."""
    app = WherryFlask()
    app.config.update(
        {"SECRET_KEY": "agents" * 8, "WTF_CSRF_ENABLED": False, "TESTING": True, "ALLOWED_HOSTS": ["localhost"]}
        | {"MAX_FORM_MEMORY_SIZE": 1_048_576}
        | config
    )
    registry = Registry()
    registry.set_identify(_identify)
    registry.set_resolve_tenant(lambda slug, user, uow: _resolve(registry, slug, user))
    register(app, registry)
    agents.register(app, registry)
    app.extensions["database"] = database
    check_routes(app)
    return app


def schema_of_agents() -> Any:
    """The schema that the module declares."""
    registry = Registry()
    agents.register(WherryFlask(), registry)
    return schema_of(*registry.entities)


def _identify(request: Request, uow: Any) -> Principal | None:
    name = request.cookies.get(COOKIE)
    return Principal(name.lower(), name, f"{name.lower()}@example.org") if name else None


def _resolve(registry: Registry, slug: str, user: Principal) -> TenantAccess | None:
    at_home = "island" if user.name == "Nils" else "harbour"
    if slug != at_home:
        return None
    role = ROLES.get(user.name, "member")
    return TenantAccess(TENANTS[slug], role, registry.permissions_of(role))


class Browser:
    """A test client that is one person, and reads the answer's text."""

    def __init__(self, app: WherryFlask, name: str, slug: str = "harbour") -> None:
        self.client = app.test_client()
        self.client.set_cookie(COOKIE, name)
        self.base = f"/t/{slug}/agents/"

    def get(self, path: str = "") -> TestResponse:
        """A page of the module, by its address below /t/<slug>/agents/."""
        return self.client.get(self.base + path)

    def post(self, path: str, data: Any = None) -> TestResponse:
        """The same with a form."""
        return self.client.post(self.base + path, data=data or {})


def fields(**changed: Any) -> dict[str, Any]:
    """What the form sends for an agent that may be saved."""
    return {"name": "Greeter", "code": CODE, "status": "draft", **changed}


def form_of(answer: TestResponse) -> dict[str, Any]:
    """What the form of a page would send as it is."""
    body = answer.text[answer.text.index("<main") :]
    sent: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", body):
        values = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if values.get("type") in ("radio", "checkbox") and not re.search(r"\bchecked\b", tag):
            continue
        if values["name"] == "calls":
            sent.setdefault("calls", []).append(html.unescape(values["value"]))
        else:
            sent[values["name"]] = html.unescape(values.get("value", ""))
    for name, text in re.findall(r'<textarea[^>]*name="([\w-]+)"[^>]*>\r?\n?(.*?)</textarea>', body, re.DOTALL):
        sent[name] = html.unescape(text)
    for name, inner in re.findall(r'<select[^>]*name="([\w-]+)"[^>]*>(.*?)</select>', body, re.DOTALL):
        chosen = re.search(r'<option selected value="([^"]*)"', inner)
        sent[name] = chosen.group(1) if chosen else ""
    return sent
