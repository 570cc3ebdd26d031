"""Who gets in, who may do what, and what is unique is decided by reading by key: with queries that fail, it goes on.

So an index that lags, as DynamoDB's do, can make a list late and never a decision wrong.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.db import InvalidQuery
from app.db.query import Query
from app.modules.agents.services import AgentService
from app.users.entities import User
from tests.core.world import PASSWORD, Browser, World, text_of
from tests.modules.agents.given import CODE, content

FORM = "/t/harbour/members/invite"
"""A page with a form and without a list."""


class Asked(AssertionError):
    """A decision asked an index."""


@pytest.fixture
def world() -> World:
    return World(MODULES=["agents"])


@pytest.fixture
def ann(world: World) -> User:
    user = world.user()
    world.tenant(user, slug="harbour")
    return user


@contextmanager
def no_queries(world: World) -> Iterator[None]:
    """Whoever asks an index gets an error that nothing catches."""

    def refuse(*_: object, **__: object) -> object:
        raise Asked

    with pytest.MonkeyPatch.context() as patch:
        for name in ("query", "count", "scan"):
            patch.setattr(world.database, name, refuse)
        yield


def link_for(browser: Browser, email: str, role: str = "viewer") -> str:
    made = text_of(browser.post("/t/harbour/members/invite", {"email": email, "role": role}))
    return "/invitations/" + made.partition("/invitations/")[2].partition(" ")[0]


def test_signing_in_and_out_throttles_and_sessions(world: World, ann: User) -> None:
    with no_queries(world):
        browser = world.browser()
        assert browser.sign_in(ann.email, "wrong").status_code == 422
        assert browser.sign_in("nobody@example.org", "wrong").status_code == 422
        assert browser.sign_in(ann.email).status_code == 303
        assert browser.get(FORM).status_code == 200
        other = world.signed_in(ann, "192.0.2.2")
        former = other.cookie()
        assert other.post("/sign-out", token=other.token(FORM)).status_code == 303
        other.set_cookie(former or "")
        assert other.get(FORM).status_code == 302
        third = world.signed_in(ann, "192.0.2.3")
        ids = [one["_id"] for one in world.database.list_all("sessions") if one["address"] == "192.0.2.3"]
        assert browser.post(f"/account/sessions/{ids[0]}/end", token=browser.token(FORM)).status_code == 303
        assert third.get(FORM).status_code == 302
        world.clock.forward(days=1)
        assert browser.get(FORM).status_code == 302


def test_membership_roles_and_permissions(world: World, ann: User) -> None:
    eve, bob = world.user("Eve"), world.user("Bob")
    tenant = world.tenant(world.user("Zoe"), slug="pier")
    world.join(tenant, bob, "viewer")
    with no_queries(world):
        owner, stranger, viewer = (world.signed_in(user) for user in (ann, eve, bob))
        assert stranger.get(FORM).status_code == 404
        assert viewer.get("/t/pier/members/invite").status_code == 403
        assert viewer.get("/t/harbour/members/invite").status_code == 404
        assert owner.get(f"/t/harbour/members/{ann.id}").status_code == 200
        answer = owner.post("/t/harbour/members/leave", token=owner.token(FORM))
        assert answer.status_code == 422, "the last owner stays"


def test_invitations_and_the_accounts_they_make(world: World, ann: User) -> None:
    browser = world.signed_in(ann)
    first, link = link_for(browser, "new@example.org"), link_for(browser, "new@example.org", "member")
    eve = world.user("Eve")
    hers = link_for(browser, eve.email)
    with no_queries(world):
        guest = world.browser()
        assert guest.get(first).status_code == 404, "there is one invitation for an address"
        assert guest.get(link).status_code == 200
        typed = {"name": "New", "password": "a new long password"}
        assert guest.post(link, typed, token=guest.token(link)).location == "/t/harbour/"
        assert guest.get(link).status_code in (403, 404)
        known = world.signed_in(eve)
        assert known.post(hers, token=known.token(hers)).location == "/t/harbour/"
        assert known.get("/t/harbour/members/invite").status_code == 403


def test_claims_of_addresses_slugs_and_names(world: World, ann: User) -> None:
    world.user("Eve")
    with no_queries(world):
        browser = world.signed_in(ann)
        token = browser.token(FORM)
        taken = browser.post("/tenants/new", {"name": "Other", "slug": "harbour"}, token=token)
        assert taken.status_code == 422
        assert browser.post("/tenants/new", {"name": "Other", "slug": "other"}, token=token).status_code in (302, 303)
        made = browser.post("/t/harbour/agents/new", {"name": "Bosun", "status": "draft", "code": CODE}, token=token)
        assert made.status_code == 302
        with world.unit() as uow:
            assert uow.claimed_by("email", "eve@example.org") is not None
        answer = browser.post(
            "/account/profile", {"name": "Ann", "email": "eve@example.org", "current": PASSWORD}, token=token
        )
        assert answer.status_code != 303


def test_the_first_account(world: World) -> None:
    with no_queries(world):
        output = world.app.test_cli_runner().invoke(args=["first-link", "--base-url", ""]).output.strip()
        browser = world.browser()
        typed = {"name": "Ann", "email": "ann@example.org", "password": PASSWORD, "tenant_name": "Harbour"}
        assert browser.post(output, typed, token=browser.token(output)).location == "/t/harbour/"
        assert world.browser().get(output).status_code == 404
        # Also where the document that says so is missing, as after data was restored from a copy.
        world.database.delete("set_up", "set-up")
        again = world.app.test_cli_runner().invoke(args=["first-link", "--base-url", ""]).output
        assert "/setup/" not in again


def test_a_deleted_agent_comes_back_with_a_number_that_no_version_has(
    world: World, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = world.tenant(ann, slug="pier")
    with world.unit(tenant.id) as uow:
        agent = AgentService(uow).create(content())
    for name in ("Second", "Third"):
        with world.unit(tenant.id) as uow:
            service = AgentService(uow)
            service.change(agent.id, service.get(agent.id).rev or "", content(name))
    with world.unit(tenant.id) as uow:
        service = AgentService(uow)
        service.delete(agent.id, service.get(agent.id).rev or "")
    query = world.database.query

    def late(path: str, asked: Query) -> object:
        """The index knows nothing of the latest versions."""
        if not path.endswith("/agent_versions"):
            return query(path, asked)
        page = query(path, asked)
        page.documents = [document for document in page.documents if document["number"] == 1]
        return page

    monkeypatch.setattr(world.database, "query", late)
    with world.unit(tenant.id) as uow:
        assert AgentService(uow).restore(agent.id, 2, "").version == 4


def test_the_queries_here_would_fail(world: World) -> None:
    with no_queries(world), pytest.raises(Asked):
        world.database.query("users", Query())
    with pytest.raises(InvalidQuery):
        Query(limit=0)
