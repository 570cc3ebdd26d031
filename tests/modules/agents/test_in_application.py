"""The module in the whole application: real accounts and tenants, the dashboard, the audit page."""

import re

import pytest

from app.core.offers import AgentDirectory, offered
from app.db.audit import AuditRecord
from app.modules.agents.entities import Agent
from tests.core.world import World, text_of
from tests.modules.agents.application import fields


@pytest.fixture
def world() -> World:
    return World(MODULES=["agents"])


def test_an_owner_creates_changes_and_deletes_an_agent_and_the_audit_page_names_it(world: World) -> None:
    ann = world.user("Ann")
    tenant = world.tenant(ann)
    browser = world.signed_in(ann)
    base = f"/t/{tenant.slug}/agents/"
    token = browser.token(f"{base}new")
    made = browser.post(f"{base}new", fields(name="Night watch"), token=token)
    assert made.status_code == 302
    page = browser.get(made.location).get_data(as_text=True)
    assert "Night watch was created." in page
    assert '"agents/"' not in page
    deletion = browser.get(f"{made.location}/delete").get_data(as_text=True)
    rev = re.search(r'name="rev" value="([^"]+)"', deletion)
    assert rev is not None
    assert browser.post(f"{made.location}/delete", {"rev": rev[1]}, token=token).status_code == 302
    audit = text_of(browser.get(f"/t/{tenant.slug}/audit"))
    assert "Ann created agent Night watch" in audit
    assert "Ann deleted agent Night watch" in audit


def test_without_the_csrf_token_nothing_is_created(world: World) -> None:
    ann = world.user("Ann")
    tenant = world.tenant(ann)
    answer = world.signed_in(ann).post(f"/t/{tenant.slug}/agents/new", fields(), token="")
    assert answer.status_code == 400
    with world.unit(tenant.id) as uow:
        assert uow.store(Agent).count() == (0, True)
        assert uow.store(AuditRecord).count() != (0, True)  # of the tenant itself


def test_the_dashboard_counts_agents_and_the_side_bar_leads_to_them(world: World) -> None:
    ann = world.user("Ann")
    tenant = world.tenant(ann)
    with world.unit(tenant.id) as uow:
        for provider in world.app.extensions["wherry"].sample_data:
            provider(uow)
    page = world.signed_in(ann).get(f"/t/{tenant.slug}/")
    assert f'href="/t/{tenant.slug}/agents/"' in page.get_data(as_text=True)
    assert re.search(r"Agents\s+5\b", text_of(page))


def test_other_modules_may_ask_for_names(world: World) -> None:
    directory = offered(world.app, AgentDirectory)  # type: ignore[type-abstract]
    tenant = world.tenant(world.user("Ann"))
    assert directory is not None
    with world.unit(tenant.id) as uow:
        assert directory.names(uow, ["nobody"]) == {}
