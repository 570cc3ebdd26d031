"""Several workers share one database, and the door is the same at each; when the database fails, it is shut."""

from typing import Any

import pytest

from app.db.errors import Unavailable
from tests.app_database import databases
from tests.core.world import World


@pytest.fixture
def shared() -> dict[str, Any]:
    return {**databases().settings(shared=True), "SECRET_KEY": "k3y-" * 10, "SIGN_IN_ATTEMPTS_PER_ACCOUNT": 4}


def first_link(world: World) -> str:
    line: str = world.app.test_cli_runner().invoke(args=["first-link", "--base-url", ""]).output.strip()
    return line


def test_a_link_printed_by_one_worker_works_at_another_and_is_used_up_at_all(shared: dict[str, Any]) -> None:
    first, second = World(**shared), World(**shared)
    path = first_link(first)
    browser = second.browser()
    typed = {"name": "Ann", "email": "ann@example.org", "password": "seven grey herons", "tenant_name": "Harbour"}
    assert browser.post(path, typed, token=browser.token(path)).location == "/t/harbour/"
    assert first.browser().get(path).status_code == 404
    cookie = browser.cookie()
    assert cookie is not None
    elsewhere = first.browser()
    elsewhere.set_cookie(cookie)
    assert elsewhere.get("/t/harbour/").status_code == 200
    browser.post("/sign-out")
    assert elsewhere.get("/t/harbour/").status_code == 302


def test_failed_tries_are_counted_over_all_workers(shared: dict[str, Any]) -> None:
    workers = [World(**shared), World(**shared)]
    workers[1].clock.forward(seconds=-5)  # no two machines agree on the time
    ann = workers[0].user()
    answers = [workers[number % 2].browser().sign_in(ann.email, "wrong").status_code for number in range(6)]
    assert answers == [422] * 4 + [429] * 2


def test_when_the_database_is_away_nobody_gets_in_and_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    ann = world.user()
    world.tenant(ann, slug="harbour")
    browser = world.signed_in(ann)
    token = browser.token()
    names = ("get", "get_many", "query", "commit", "read_together")
    calls = 0
    for broken in names:
        original = getattr(world.database, broken)

        def fail(*args: object, **options: object) -> object:
            nonlocal calls
            calls += 1
            raise Unavailable("driver: connection refused at 10.0.0.3:5984")

        monkeypatch.setattr(world.database, broken, fail)
        for path in ("/t/harbour/", "/t/harbour/members", "/t/harbour/audit", "/account", "/sign-in"):
            answer = browser.get(path)
            assert answer.status_code in (200, 303, 503), (broken, path)
            assert "10.0.0.3" not in answer.get_data(as_text=True)
        fresh = world.browser()
        answer = fresh.client.post("/sign-in", data={"email": ann.email, "password": "wrong", "csrf_token": token})
        assert answer.status_code in (400, 503)
        monkeypatch.setattr(world.database, broken, original)
    assert calls > 0
    monkeypatch.setattr(world.database, "commit", _away)
    other = world.browser()
    token = other.token()
    assert other.post("/sign-in", {"email": ann.email, "password": "seven grey herons"}, token).status_code == 503
    assert other.get("/account").status_code == 302, "nobody is signed in by a session that was not stored"


def _away(*args: object) -> object:
    raise Unavailable("away")


def test_reading_goes_on_when_the_last_use_of_a_session_cannot_be_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    browser = world.signed_in(world.user())
    world.clock.forward(seconds=3_600)
    monkeypatch.setattr(world.database, "commit", _away)
    assert browser.get("/account").status_code == 200


@pytest.mark.parametrize("place", ["get"])
def test_a_fault_at_each_read_of_a_page_is_a_503_and_never_an_open_door(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    world = World()
    ann, eve = world.user(), world.user("Eve")
    world.tenant(ann, slug="harbour")
    member, stranger = world.signed_in(ann), world.signed_in(eve)
    original = getattr(world.database, place)
    for failing in range(1, 6):
        count = 0

        def nth(*args: object, _failing: int = failing) -> object:
            nonlocal count
            count += 1
            if count == _failing:
                raise Unavailable("away")
            return original(*args)

        monkeypatch.setattr(world.database, place, nth)
        for browser, allowed in ((member, {200, 503}), (stranger, {404, 503})):
            count = 0
            assert browser.get("/t/harbour/members/invite").status_code in allowed
        monkeypatch.setattr(world.database, place, original)
