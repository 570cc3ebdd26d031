"""Two tenants: nothing of one shows in the other, whatever ids are sent."""

import html
import re
from typing import Any

import pytest

from app.tenants.invitations import Invitations
from app.tenants.members import Members
from tests.core.world import Browser, World

CANARY = "canary-of-the-other-tenant"


class Two:
    """Ann owns `harbour`, Eve owns `pier`, whose every field holds the canary; Ann's browser is open."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ann = world.user()
        self.eve = world.user(f"Eve {CANARY}", f"eve-{CANARY}@example.org")
        self.bob = world.user(f"Bob {CANARY}", f"bob-{CANARY}@example.org")
        self.mine = world.tenant(self.ann, "Harbour", "harbour")
        self.theirs = world.tenant(self.eve, f"Pier {CANARY}", "pier")
        world.join(self.theirs, self.bob, "viewer")
        with world.unit(self.theirs.id) as uow:
            self.invitation, _ = Invitations(uow, Members(uow)).invite(f"{CANARY}@example.org", "viewer", self.eve.id)
        world.signed_in(self.eve)
        (self.session,) = [id for collection, id in world.everything() if collection == "sessions"]
        self.browser: Browser = world.signed_in(self.ann)

    def documents_of_theirs(self) -> dict[Any, Any]:
        return {
            key: found
            for key, found in self.world.everything().items()
            if key[0].startswith(self.theirs.id) or self.theirs.id in key[1] or key[1] in (self.eve.id, self.session)
        }


def test_their_ids_and_missing_ids_get_the_same_answer(world: World) -> None:
    two = Two(world)
    before = two.documents_of_theirs()
    token = two.browser.token()
    for known, missing, path in (
        (two.bob.id, "A" * 22, "members/{}"),
        (two.bob.id, "A" * 22, "members/{}/remove"),
        (two.eve.id, "A" * 22, "members/{}"),
        (two.invitation.id, "0" * 64, "members/invitations/{}/withdraw"),
    ):
        answers = [
            two.browser.post(f"/t/harbour/{path.format(id)}", {"role": "viewer"}, token) for id in (known, missing)
        ]
        assert [answer.status_code for answer in answers] == [404, 404], path
        assert _plain(answers[0], known) == _plain(answers[1], missing), path
        pages = [two.browser.get(f"/t/harbour/{path.format(id)}") for id in (known, missing)]
        assert pages[0].status_code == pages[1].status_code
    ends = [two.browser.post(f"/account/sessions/{id}/end", token=token) for id in (two.session, "0" * 64)]
    assert [answer.status_code for answer in ends] == [404, 404]
    assert two.documents_of_theirs() == before


def _plain(answer: Any, id: str) -> str:
    page = answer.get_data(as_text=True).replace(answer.headers["X-Request-ID"], "").replace(id, "")
    return re.sub(r'nonce="[^"]*"|value="[^"]*"', "", page)


def test_nothing_of_theirs_shows_on_any_page_of_mine(world: World) -> None:
    two = Two(world)
    for path in ("", "members", "members/invite", "settings", "audit", "audit.csv", f"members/{two.ann.id}",
                 f"members?email=eve-{CANARY[:5]}", f"audit?actor={two.eve.id}"):  # fmt: skip
        answer = two.browser.get(f"/t/harbour/{path}")
        assert answer.status_code == 200, path
        assert CANARY not in answer.get_data(as_text=True), path
    for path in ("/tenants", "/tenants/menu", "/tenants/menu?here=pier", "/account", "/account/sessions", "/"):
        assert CANARY not in two.browser.get(path).get_data(as_text=True)


def test_their_tenant_is_unchanged_by_a_crawl_with_their_slug(world: World) -> None:
    two = Two(world)
    before = two.documents_of_theirs()
    token = two.browser.token()
    for rule in world.app.url_map.iter_rules():
        if not rule.rule.startswith("/t/<slug>"):
            continue
        path = rule.rule.replace("<slug>", "pier").replace("<user_id>", two.bob.id)
        path = path.replace("<invitation_id>", two.invitation.id)
        for answer in (
            two.browser.get(path),
            two.browser.post(path, {"role": "owner", "name": "x", "slug": "x", "email": "x@example.org"}, token),
        ):
            assert answer.status_code in (404, 405), path
            assert CANARY not in answer.get_data(as_text=True)
    assert two.documents_of_theirs() == before


def test_a_tenant_named_in_the_body_has_no_effect(world: World) -> None:
    two = Two(world)
    before = two.documents_of_theirs()
    fields = {"tenant_id": two.theirs.id, "tenant": two.theirs.id, "slug": "pier", "_id": two.theirs.id}
    answer = two.browser.post("/t/harbour/members/invite", {"email": "x@example.org", "role": "viewer", **fields})
    assert answer.status_code == 200
    assert two.browser.change(f"/t/harbour/members/{two.ann.id}", {"role": "owner", **fields}).status_code == 303
    assert two.browser.change("/t/harbour/settings", {"name": "x", **fields}).status_code == 422  # the slug is theirs
    assert two.documents_of_theirs() == before


def test_interleaved_requests_stay_apart(world: World) -> None:
    two = Two(world)
    theirs = world.signed_in(two.eve)
    for _ in range(3):
        assert CANARY not in two.browser.get("/t/harbour/members").get_data(as_text=True)
        assert CANARY in theirs.get("/t/pier/members").get_data(as_text=True)
        assert two.browser.get("/t/pier/members").status_code == 404


def test_hostile_text_in_every_field_stays_text(world: World) -> None:
    payload = "\"><img src=x onerror=alert(1)><b>'{{7*7}}${7*7}"
    ann = world.user(payload, "ann@example.org")
    tenant = world.tenant(ann, payload, "harbour")
    bob = world.user(payload, "bob@example.org")
    world.join(tenant, bob, "viewer")
    browser = world.signed_in(ann)
    browser.client.environ_base["HTTP_USER_AGENT"] = payload
    browser.post("/account", {"name": payload, "email": payload})
    seen = [
        browser.get(path).get_data(as_text=True)
        for path in ("/account", "/account/sessions", "/tenants", "/t/harbour/", "/t/harbour/members",
                     f"/t/harbour/members/{bob.id}", "/t/harbour/settings", "/t/harbour/audit")
    ]  # fmt: skip
    seen += [
        browser.post(path, {"name": payload, "email": payload, "slug": payload, "role": payload}).get_data(as_text=True)
        for path in ("/account", "/tenants/new", "/t/harbour/settings", "/t/harbour/members/invite")
    ]
    seen += [world.browser().sign_in(payload, payload).get_data(as_text=True)]
    for page in seen:
        assert "<img" not in page
        assert "<b>" not in page
    shown = html.unescape(seen[3])
    assert "{{7*7}}" in shown
    assert "${7*7}" in shown


@pytest.mark.parametrize(
    "id",
    [
        "..",
        "%2e%2e",
        "..%2f..%2fusers",
        "_design%2fx",
        "%00",
        "x" * 65,
        "x" * 2_000,
        "%ff",
        "a.c",
        "*",
        "a:b",
        "%F0%9F%9A%A2",
    ],
)
def test_a_hostile_id_in_an_address_is_a_404_and_touches_nothing(world: World, id: str) -> None:
    ann = world.user()
    world.tenant(ann, slug="harbour")
    browser = world.signed_in(ann)
    token = browser.token()
    before = world.everything()
    for path in (
        f"/t/harbour/members/{id}",
        f"/t/{id}/",
        f"/t/{id}/members",
        f"/setup/{id}",
        f"/invitations/{id}",
    ):
        if id in ("..", "%2e%2e") and path.endswith(("/..", "/%2e%2e", "../")):
            continue  # a client resolves these before it asks
        assert browser.get(path).status_code == 404, path
    for path in (
        f"/t/harbour/members/{id}/remove",
        f"/t/harbour/members/{id}",
        f"/t/harbour/members/invitations/{id}/withdraw",
        f"/account/sessions/{id}/end",
    ):
        assert browser.post(path, {"role": "viewer"}, token).status_code in (404, 405), path
    assert world.everything() == before
