"""Where the database's indexes lag, lists show at once what the same browser has just saved; post, redirect, get."""

import re
from dataclasses import replace
from http.cookies import SimpleCookie

import pytest

from app.web.context import current
from app.web.recent_cookie import write_recent
from tests.app_database import databases
from tests.core.world import Browser, World, text_of
from tests.db.lagging import Lagging

CODE = "def handler(event):\n    return 1"
COOKIE = "wherry-recent"


@pytest.fixture
def world() -> World:
    return World(MODULES=["agents"])


@pytest.fixture
def lagging(world: World) -> Lagging:
    """Nothing that is written from now on ever reaches an index."""
    return Lagging(world.database, databases().open(world.database.schema))


@pytest.fixture
def ann(world: World, lagging: Lagging) -> Browser:
    user = world.user()
    world.tenant(user, slug="harbour")
    return world.signed_in(user)


def listed(browser: Browser, path: str = "/t/harbour/agents/") -> list[str]:
    page = browser.get(path)
    assert page.status_code == 200
    return re.findall(r'<a class="clip" href="[^"]*">([^<]+)</a>', page.get_data(as_text=True))


def create(browser: Browser, name: str) -> str:
    fields = {"name": name, "status": "draft", "code": CODE}
    answer = browser.post("/t/harbour/agents/new", fields)
    assert answer.status_code == 302, text_of(answer)
    return str(answer.location)


def test_what_was_created_changed_and_deleted_is_listed_so(lagging: Lagging, ann: Browser) -> None:
    paths = {name: create(ann, name) for name in ("Bosun", "Anchor", "Cable")}
    assert listed(ann) == ["Anchor", "Bosun", "Cable"]
    assert "Agents 3" in text_of(ann.get("/t/harbour/"))

    lagging.catch_up()
    answer = ann.change(paths["Anchor"] + "/edit", {"name": "Zenith", "status": "active", "code": CODE, "base": "1"})
    assert answer.status_code == 302, text_of(answer)
    assert listed(ann) == ["Bosun", "Cable", "Zenith"]
    assert listed(ann, "/t/harbour/agents/?q=ze") == ["Zenith"]
    assert listed(ann, "/t/harbour/agents/?q=an") == []
    assert listed(ann, "/t/harbour/agents/?status=active") == ["Zenith"]

    answer = ann.change(paths["Bosun"] + "/delete", {"base": "1"})
    assert answer.status_code == 302, text_of(answer)
    assert listed(ann) == ["Cable", "Zenith"]


def test_the_other_lists_show_it_too(lagging: Lagging, ann: Browser) -> None:
    ann.post("/t/harbour/members/invite", {"email": "zed@example.org", "role": "viewer"})
    assert "zed@example.org" in text_of(ann.get("/t/harbour/members"))
    create(ann, "Bosun")
    assert "Bosun" in text_of(ann.get("/t/harbour/audit"))
    assert "this one" in text_of(ann.get("/account/sessions"))
    ann.post("/tenants/new", {"name": "Second Pier", "slug": ""})
    assert "Second Pier" in text_of(ann.get("/tenants"))


def test_any_worker_may_answer_the_next_request(world: World, lagging: Lagging, ann: Browser) -> None:
    create(ann, "Bosun")
    value = ann.cookie(COOKIE)
    assert value is not None
    elsewhere = world.browser()
    elsewhere.set_cookie(ann.cookie() or "")
    assert listed(elsewhere) == []
    elsewhere.set_cookie(value, COOKIE)
    assert listed(elsewhere) == ["Bosun"]
    elsewhere.set_cookie(value[:-3] + "xyz", COOKIE)
    assert listed(elsewhere) == [], "nobody but the application says what is to be read"


def test_the_cookie_is_short_lived_signed_and_kept_from_scripts(lagging: Lagging, ann: Browser) -> None:
    answer = ann.post("/t/harbour/agents/new", {"name": "Bosun", "status": "draft", "code": CODE})
    (header,) = [text for text in answer.headers.getlist("Set-Cookie") if text.startswith(COOKIE)]
    morsel = SimpleCookie(header)[COOKIE]
    assert (morsel["max-age"], morsel["path"], morsel["samesite"]) == ("5", "/", "Lax")
    assert morsel["httponly"]
    assert not [text for text in ann.get("/t/harbour/agents/").headers.getlist("Set-Cookie") if COOKIE in text]


def test_a_large_commit_still_fits_into_it(world: World, lagging: Lagging, ann: Browser) -> None:
    with world.app.test_request_context("/", base_url="http://localhost"):
        recent = current().recent
        assert recent is not None
        recent.note([("t" * 40 + "/agents", f"{number:0>400}") for number in range(100)])
        response = world.app.make_response("")
        write_recent(world.app, recent, response)
    header = response.headers["Set-Cookie"]
    assert 100 < len(header) < 4_000


def test_nobody_who_is_signed_out_gets_one(world: World, lagging: Lagging) -> None:
    user = world.user()
    assert world.browser().sign_in(user.email, "wrong").status_code == 422
    browser = world.browser()
    browser.sign_in(user.email, "wrong")
    assert browser.cookie(COOKIE) is None


def test_where_queries_are_fresh_there_is_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = replace(world.database.capabilities, fresh_queries=True)
    monkeypatch.setattr(type(world.database), "capabilities", fresh)
    user = world.user()
    world.tenant(user, slug="harbour")
    browser = world.signed_in(user)
    create(browser, "Bosun")
    assert browser.cookie(COOKIE) is None
