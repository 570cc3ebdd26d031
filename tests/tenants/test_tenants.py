"""Tenants: making one, its slug, who may enter."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from app.tenants.entities import MOST_FORMER_SLUGS, Tenant
from app.tenants.services import Tenants
from app.tenants.slugs import slug_problem, suggest_slug
from tests.core.world import Browser, World, text_of


def change(browser: Browser, slug: str, name: str, new: str) -> int:
    return browser.change(f"/t/{slug}/settings", {"name": name, "slug": new}).status_code


def test_whoever_makes_a_tenant_owns_it(world: World) -> None:
    ann = world.user()
    browser = world.signed_in(ann)
    answer = browser.post("/tenants/new", {"name": "Café Zoë", "slug": ""})
    assert (answer.status_code, answer.location) == (303, "/t/cafe-zoe/")
    assert "You are an owner here" in text_of(browser.get("/t/cafe-zoe/"))
    assert "Café Zoë" in text_of(browser.get("/tenants"))


def test_a_slug_made_from_the_name_avoids_those_that_are_taken(world: World) -> None:
    browser = world.signed_in(world.user())
    places = [browser.post("/tenants/new", {"name": "Harbour", "slug": ""}).location for _ in range(7)]
    assert places[:3] == ["/t/harbour/", "/t/harbour-2/", "/t/harbour-3/"]
    assert len(set(places)) == 7


def test_every_problem_is_named_at_once(world: World) -> None:
    ann = world.user()
    world.tenant(ann, slug="harbour")
    browser = world.signed_in(ann)
    words = text_of(browser.post("/tenants/new", {"name": " ", "slug": "harbour"}))
    assert "A name is missing." in words
    assert "Another tenant has this address, or had it once." in words


@pytest.mark.parametrize("slug", ["a", "-ab", "ab-", "a--b", "Ab", "a b", "ä-b", "a/b", "..", "x" * 41, "a\nb"])
def test_what_is_no_slug_is_refused(world: World, slug: str) -> None:
    assert slug_problem(slug)
    assert world.signed_in(world.user()).post("/tenants/new", {"name": "X", "slug": slug}).status_code == 422


@pytest.mark.parametrize(
    ("name", "slug"), [("Harbour Works", "harbour-works"), ("  A & B  ", "a-b"), ("Ünal's Çay", "unal-s-cay")]
)
def test_slugs_look_like_names(name: str, slug: str) -> None:
    assert suggest_slug(name) == slug


@pytest.mark.parametrize("name", ["港", "!", "x", "é" * 200, "a" * 200])
def test_every_name_gets_a_slug_that_is_one(name: str) -> None:
    assert slug_problem(suggest_slug(name)) is None


def test_a_former_slug_redirects_members_with_path_and_query(world: World) -> None:
    ann = world.user()
    world.tenant(ann, slug="harbour")
    browser = world.signed_in(ann)
    assert change(browser, "harbour", "Harbour", "pier") == 303
    answer = browser.get("/t/harbour/members?role=owner")
    assert (answer.status_code, answer.location) == (302, "/t/pier/members?role=owner")
    assert browser.post("/t/harbour/members/leave").status_code == 307
    assert browser.get("/t/pier/").status_code == 200


def test_a_former_slug_is_a_404_for_everybody_else(world: World) -> None:
    ann, eve = world.user(), world.user("Eve")
    world.tenant(ann, slug="harbour")
    change(world.signed_in(ann), "harbour", "Harbour", "pier")
    stranger = world.signed_in(eve)
    assert [stranger.get(f"/t/{slug}/").status_code for slug in ("harbour", "pier", "nothing")] == [404, 404, 404]


def test_a_former_slug_is_never_given_to_another_tenant(world: World) -> None:
    ann, eve = world.user(), world.user("Eve")
    world.tenant(ann, slug="harbour")
    browser = world.signed_in(ann)
    change(browser, "harbour", "Harbour", "pier")
    assert world.signed_in(eve).post("/tenants/new", {"name": "Mine", "slug": "harbour"}).status_code == 422
    assert change(browser, "pier", "Harbour", "harbour") == 303, "its own tenant may return to it"
    assert browser.get("/t/pier/").location == "/t/harbour/"


def test_the_number_of_former_slugs_has_a_bound(world: World) -> None:
    ann = world.user()
    tenant = world.tenant(ann, slug="slug-0")
    with world.unit(tenant.id) as uow:
        stored = uow.store(Tenant).get(tenant.id)
        stored.former_slugs = [f"old-{number}" for number in range(MOST_FORMER_SLUGS)]
        uow.store(Tenant).save(stored)
    assert change(world.signed_in(ann), "slug-0", "Harbour", "one-more") == 422


def test_the_second_of_two_editors_sees_both_versions_and_nothing_is_overwritten(world: World) -> None:
    ann = world.user()
    tenant = world.tenant(ann, slug="harbour")
    browser = world.signed_in(ann)
    page = browser.get("/t/harbour/settings").get_data(as_text=True)
    rev = page.split('name="rev"')[1].split('value="')[1].split('"')[0]
    assert change(browser, "harbour", "Theirs", "harbour") == 303
    answer = browser.post("/t/harbour/settings", {"rev": rev, "name": "Mine", "slug": "harbour"})
    assert answer.status_code == 409
    assert "Theirs" in text_of(answer)
    assert 'value="Mine"' in answer.get_data(as_text=True)
    with world.unit() as uow:
        assert Tenants(uow).get(tenant.id).name == "Theirs"
    rev = answer.get_data(as_text=True).split('name="rev"')[1].split('value="')[1].split('"')[0]
    assert browser.post("/t/harbour/settings", {"rev": rev, "name": "Mine", "slug": "harbour"}).status_code == 303


def test_fields_that_the_form_does_not_have_change_nothing(world: World) -> None:
    ann = world.user()
    tenant = world.tenant(ann, slug="harbour")
    browser = world.signed_in(ann)
    page = browser.get("/t/harbour/settings").get_data(as_text=True)
    rev = page.split('name="rev"')[1].split('value="')[1].split('"')[0]
    before = world.everything()[("tenants", tenant.id)]
    extra = {"tenant_id": "x", "id": "x", "_id": "x", "_rev": "x", "owner": "x", "former_slugs": "x", "role": "owner"}
    browser.post("/t/harbour/settings", {"rev": rev, "name": "Harbour", "slug": "harbour", **extra})
    assert world.everything()[("tenants", tenant.id)] == before


def test_an_unknown_tenant_and_somebody_elses_look_the_same(world: World) -> None:
    ann, eve = world.user(), world.user("Eve")
    world.tenant(ann, slug="harbour")
    stranger = world.signed_in(eve)
    for path in ("", "members", "settings", "audit", "audit.csv", "members/invite", "nothing"):
        theirs, nobodys = stranger.get(f"/t/harbour/{path}"), stranger.get(f"/t/nowhere/{path}")
        assert theirs.status_code == nobodys.status_code == 404
        reference = [answer.headers["X-Request-ID"] for answer in (theirs, nobodys)]
        pages = [
            answer.get_data(as_text=True).replace(reference[number], "").replace(slug, "")
            for number, (answer, slug) in enumerate(((theirs, "harbour"), (nobodys, "nowhere")))
        ]
        assert _plain(pages[0]) == _plain(pages[1])


def _plain(page: str) -> str:
    return re.sub(r'nonce="[^"]*"|value="[^"]*"', "", page)


def test_superusers_are_no_members_by_that(world: World) -> None:
    ann, op = world.user(), world.user("Op", superuser=True)
    world.tenant(ann, slug="harbour")
    assert world.signed_in(op).get("/t/harbour/").status_code == 404


def test_the_start_page_leads_to_the_only_tenant_or_the_last_one(world: World) -> None:
    ann = world.user()
    browser = world.signed_in(ann)
    assert browser.get("/").location == "/tenants"
    assert "You are in no tenant" in text_of(browser.get("/tenants"))
    world.tenant(ann, slug="harbour")
    assert browser.get("/").location == "/t/harbour/"
    world.tenant(ann, "Pier", slug="pier")
    assert browser.get("/").location == "/tenants"
    browser.get("/t/pier/")
    assert browser.get("/").location == "/t/pier/"


def test_two_tabs_can_be_two_tenants(world: World) -> None:
    ann = world.user()
    world.tenant(ann, "Harbour", "harbour")
    world.tenant(ann, "Pier", "pier")
    browser = world.signed_in(ann)
    for _ in range(2):
        assert "Harbour" in browser.get("/t/harbour/").get_data(as_text=True)
        assert "Pier" in browser.get("/t/pier/").get_data(as_text=True)


def test_a_tenant_page_reads_by_key_and_asks_nothing_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = world.user()
    world.tenant(ann, slug="harbour")
    browser = world.signed_in(ann)
    browser.get("/t/harbour/members/invite")
    calls: list[str] = []

    def watched(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            calls.append(name)
            return original(*args, **options)

        return call

    for name in ("get", "get_many", "query", "count", "commit", "read_together", "save", "list_all"):
        monkeypatch.setattr(world.database, name, watched(name, getattr(world.database, name)))
    assert browser.get("/t/harbour/members/invite").status_code == 200
    assert calls == ["get"] * 4, "session, account, member, tenant"


def test_the_menu_lists_twenty_tenants_with_the_one_of_the_page_first(world: World) -> None:
    ann = world.user()
    for number in range(25):
        world.tenant(ann, f"Tenant {number:02}", f"tenant-{number:02}")
    browser = world.signed_in(ann)
    page = browser.get("/tenants/menu?here=tenant-23")
    shown = re.findall(r'href="/t/([a-z0-9-]+)/"( aria-current="true")?', page.get_data(as_text=True))
    assert shown[0] == ("tenant-23", ' aria-current="true"')
    assert [slug for slug, _ in shown[1:]] == [f"tenant-{number:02}" for number in range(19)]
    assert not any(current for _, current in shown[1:])
    assert "and 5 more" in text_of(page)


@pytest.mark.parametrize("here", ["", "nowhere", "<script>", "x" * 5_000, "%00", "%ff"])
def test_a_page_that_is_no_tenants_marks_none(world: World, here: str) -> None:
    ann = world.user()
    world.tenant(ann, slug="harbour")
    page = world.signed_in(ann).get(f"/tenants/menu?here={here}")
    assert page.status_code == 200
    assert "aria-current" not in page.get_data(as_text=True)
    assert "<script" not in page.get_data(as_text=True)


def test_no_page_asks_for_the_tenants_of_a_person_to_draw_the_menu(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = world.user()
    world.tenant(ann, slug="harbour")
    browser = world.signed_in(ann)
    asked: list[str] = []

    def of_user(self: Tenants, user_id: str) -> list[Tenant]:
        asked.append(user_id)
        return []

    monkeypatch.setattr(Tenants, "of_user", of_user)
    for path in ("/account", "/t/harbour/", "/t/harbour/members", "/t/harbour/settings"):
        assert browser.get(path).status_code == 200
    assert asked == []
    browser.get("/tenants/menu")
    assert asked == [ann.id]
