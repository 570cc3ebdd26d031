"""Who gets which answer on every route of the module, exactly; a route that is not listed fails.

And a tenant's agents for somebody of another tenant: no page, no change, no difference to agents that do not exist.
"""

from typing import Any

import pytest

from app.db import DatabaseService
from app.web.application import WherryFlask
from tests.modules.agents.application import Browser, fields
from tests.modules.agents.given import create
from tests.modules.conftest import OpenUnit, on_one_database

pytestmark = on_one_database
# The columns: signed out; a member of another tenant only; then the members by role.
WHO = ("", "Nils", "Vera", "Jonas", "Ada", "Maren")
VIEW = (302, 404, 200, 200, 200, 200)
# A form that was sent empty is 422, one without a revision 409: both mean "may do it".
TABLE: dict[tuple[str, str], tuple[int, int, int, int, int, int]] = {
    ("GET", "/"): VIEW,
    ("GET", "/new"): (302, 404, 403, 200, 200, 200),
    ("POST", "/new"): (401, 404, 403, 422, 422, 422),
    ("GET", "/<id>"): VIEW,
    ("GET", "/<id>/edit"): (302, 404, 403, 200, 200, 200),
    ("POST", "/<id>/edit"): (401, 404, 403, 422, 422, 422),
    ("POST", "/<id>/resolve"): (401, 404, 403, 404, 404, 404),
    ("GET", "/<id>/delete"): (302, 404, 403, 403, 200, 200),
    ("POST", "/<id>/delete"): (401, 404, 403, 403, 409, 409),
    ("GET", "/<id>/history"): VIEW,
    ("GET", "/<id>/compare"): VIEW,
    ("GET", "/<id>/versions/<number>"): VIEW,
    ("POST", "/<id>/versions/<number>/restore"): (401, 404, 403, 409, 409, 409),
}


def routes(app: WherryFlask) -> set[tuple[str, str]]:
    found = set()
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("agents."):
            path = rule.rule.removeprefix("/t/<slug>/agents")
            path = path.replace("int(max=999999999):", "")
            found |= {(method, path) for method in rule.methods or () if method not in ("HEAD", "OPTIONS")}
    return found


def ask(browser: Browser, method: str, path: str, id: str, data: Any = None) -> Any:
    address = path.removeprefix("/").replace("<id>", id).replace("<number>", "1")
    return browser.get(address) if method == "GET" else browser.post(address, data)


def everything(database: DatabaseService) -> list[Any]:
    return [list(database.list_all(f"t1/{name}")) for name in ("agents", "agent_versions", "claims", "audit")]


def test_every_route_is_listed(app: WherryFlask) -> None:
    assert routes(app) == set(TABLE)


@pytest.mark.parametrize(("method", "path"), sorted(TABLE))
def test_the_answer_to_each_role_is_exact(app: WherryFlask, unit: OpenUnit, method: str, path: str) -> None:
    agent = create(unit)
    answers = tuple(ask(Browser(app, who), method, path, agent.id).status_code for who in WHO)
    assert answers == TABLE[method, path]


@pytest.mark.parametrize(("method", "path"), sorted(key for key in TABLE if "<id>" in key[1]))
def test_from_another_tenant_an_agent_is_like_one_that_does_not_exist(
    app: WherryFlask, unit: OpenUnit, database: DatabaseService, method: str, path: str
) -> None:
    agent = create(unit, "Canary")
    before = everything(database)
    sent = fields(rev=agent.rev, base="1", choice="mine", _id=agent.id, tenant_id="t1")
    nils = Browser(app, "Nils", "island")
    found = ask(nils, method, path, agent.id, sent)
    missing = ask(nils, method, path, "nobody", sent)
    assert found.status_code == missing.status_code == 404
    assert "Canary" not in found.text
    assert everything(database) == before


def test_an_agent_of_another_tenant_shows_in_no_list_search_choice_or_count(app: WherryFlask, unit: OpenUnit) -> None:
    agent = create(unit, "Canary", tags=["canary"])
    nils = Browser(app, "Nils", "island")
    for path in ("", "?q=canary", "?tag=canary", "?owner=maren", "?status=draft", "new"):
        assert "Canary" not in nils.get(path).text
    assert nils.post("new", fields(name="Canary")).status_code == 302
    assert nils.post("new", fields(name="Other", calls=[agent.id])).status_code == 422


def test_nothing_is_changed_by_looking(app: WherryFlask, unit: OpenUnit, database: DatabaseService) -> None:
    agent = create(unit)
    before = everything(database)
    for method, path in TABLE:
        if method == "GET":
            assert ask(Browser(app, "Maren"), method, path, agent.id).status_code == 200
    assert everything(database) == before
