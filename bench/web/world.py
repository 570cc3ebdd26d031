"""What the three servers show: one account, one tenant, and its agents, made by the services; and how to sign in."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Final

from app import create_app
from app.db.actors import Actor
from app.db.entities import new_id
from app.db.unit_of_work import UnitOfWork
from app.modules.agents.entities import AgentContent
from app.modules.agents.samples import GREETER, INVOICE, PLANNER, TIDES, TRIAGE
from app.modules.agents.services import AgentService
from app.tenants.services import Tenants
from app.users.context import state
from app.users.services import Accounts
from app.web.application import WherryFlask

PAGE: Final = "/t/harbour/agents/"
EMAIL: Final = "ann@example.org"
PASSWORD: Final = "seven grey herons"
AGENTS: Final = 200
_SAMPLES = (TRIAGE, INVOICE, TIDES, PLANNER, GREETER)


def variables(folder: Path) -> dict[str, str]:
    """The settings of ours: production, on SQLite in the folder."""
    return {
        "WHERRY_ENV": "production",
        "WHERRY_SECRET_KEY": "measured " * 6,
        "WHERRY_DATABASE_PROVIDER": "sqlite",
        "WHERRY_SQLITE_PATH": str(folder / "web.db"),
        "WHERRY_INSTANCE_PATH": str(folder),
        "WHERRY_DATABASE_CREATE_MISSING": "true",
        "WHERRY_WORKERS": "1",
        "WHERRY_THREADS": "4",
        "WHERRY_MODULES": "agents",
        "WHERRY_COOKIE_SECURE": "false",  # the load comes over plain http
    }


def application(folder: Path) -> WherryFlask:
    """Ours, with the same settings as the server has, but silent."""
    settings = {name.removeprefix("WHERRY_"): text for name, text in variables(folder).items()}
    return create_app({**settings, "LOG_LEVEL": "WARNING"})


def contents() -> Iterator[AgentContent]:
    """The agents, as varied as the samples."""
    for number in range(AGENTS):
        sample = _SAMPLES[number % len(_SAMPLES)]
        yield sample.model_copy(update={"name": f"{sample.name} {number * 37 % AGENTS:03}", "calls": []})


def fill(app: WherryFlask) -> None:
    """An account that owns a tenant with agents."""
    with app.app_context():
        app.extensions["database"].prepare()
        with _unit(app) as uow:
            user = Accounts(uow, state().passwords).create("Ann Archer", EMAIL, PASSWORD)
        tenant_id = new_id()
        with _unit(app, tenant_id) as uow:
            Tenants(uow).create("Harbour", "harbour", user.id)
        for content in contents():
            with _unit(app, tenant_id, Actor("user", id=user.id, name=user.name)) as uow:
                AgentService(uow).create(content)


def sign_in(app: WherryFlask) -> str:
    """The Cookie header of a browser that signed in with the form."""
    client = app.test_client()
    page = client.get("/sign-in").get_data(as_text=True)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    if token is None:
        raise AssertionError("the sign-in page has no CSRF token")
    answer = client.post("/sign-in", data={"csrf_token": unescape(token[1]), "email": EMAIL, "password": PASSWORD})
    client.get(PAGE)  # the first page with a form puts the CSRF secret into the cookie
    cookie = client.get_cookie("wherry")
    if answer.status_code != 303 or cookie is None:
        raise AssertionError(f"signing in answered {answer.status_code}")
    return f"wherry={cookie.value}"


@contextmanager
def _unit(app: WherryFlask, tenant_id: str | None = None, actor: Actor | None = None) -> Iterator[UnitOfWork]:
    registry = app.extensions["wherry"]
    with UnitOfWork(
        app.extensions["database"],
        tenant_id=tenant_id,
        actor=actor or Actor("system", name="bench"),
        hub=registry.hub,
        clock=registry.clock,
    ) as uow:
        yield uow
        uow.commit()
