"""Signing in and out as a browser sees it."""

import re
import statistics
import time

import pytest

from app.auth.entities import UserSession
from app.auth.sessions import session_id
from app.db.query import Query
from app.users.entities import User
from app.users.passwords import Passwords
from app.users.services import Accounts
from tests.core.world import PASSWORD, World, text_of


def test_the_right_password_opens_a_session_and_leads_on(world: World) -> None:
    ann = world.user()
    browser = world.browser()
    answer = browser.sign_in("  ANN@Example.org ", next="/account")
    assert (answer.status_code, answer.location) == (303, "/account")
    assert "Ann" in text_of(browser.get("/account"))
    with world.unit() as uow:
        assert [each.user_id for each in uow.store(UserSession).find(Query()).items] == [ann.id]


@pytest.mark.parametrize(
    ("email", "password"),
    [("ann@example.org", "wrong"), ("nobody@example.org", PASSWORD), ("gone@example.org", PASSWORD), ("x", PASSWORD)],
)
def test_every_refusal_looks_the_same(world: World, email: str, password: str) -> None:
    world.user()
    gone = world.user("Gone")
    with world.unit() as uow:
        accounts = Accounts(uow, world.passwords)
        accounts.disable(accounts.get(gone.id))
    known = world.browser().sign_in("ann@example.org", "not this one")
    other = world.browser().sign_in(email, password)
    assert other.status_code == known.status_code == 422
    assert _without_what_differs(other.get_data(as_text=True), email) == _without_what_differs(
        known.get_data(as_text=True), "ann@example.org"
    )
    ignored = {"Content-Security-Policy", "X-Request-ID", "Content-Length", "Set-Cookie", "Date"}
    assert {k: v for k, v in other.headers if k not in ignored} == {k: v for k, v in known.headers if k not in ignored}
    assert len(other.headers.getlist("Set-Cookie")) == len(known.headers.getlist("Set-Cookie"))


def _without_what_differs(page: str, email: str) -> str:
    page = re.sub(r'nonce="[^"]*"|value="[A-Za-z0-9_.\-]{40,}"', "", page)
    return page.replace(f'value="{email}"', "")


def test_a_refusal_keeps_the_address_and_not_the_password(world: World) -> None:
    page = world.browser().sign_in("ann@example.org", "a wrong one").get_data(as_text=True)
    assert 'value="ann@example.org"' in page
    assert "a wrong one" not in page


def test_both_empty_boxes_are_named_at_once(world: World) -> None:
    page = text_of(world.browser().sign_in("", ""))
    assert "The e-mail address is missing." in page
    assert "The password is missing." in page


def test_sign_in_gives_a_new_session_and_the_old_cookie_is_dead(world: World) -> None:
    ann, bob = world.user(), world.user("Bob")
    browser = world.signed_in(ann)
    old = browser.cookie()
    token = browser.token("/account")
    assert browser.post("/sign-in", {"email": bob.email, "password": PASSWORD}, token=token).status_code == 303
    assert "Bob" in text_of(browser.get("/account"))
    assert old is not None
    thief = world.browser()
    thief.set_cookie(old)
    assert thief.get("/account").status_code == 302


def test_a_cookie_from_before_sign_in_opens_nothing_afterwards(world: World) -> None:
    ann = world.user()
    browser = world.browser()
    browser.get("/sign-in")
    planted = browser.cookie()
    browser.sign_in(ann.email)
    assert planted is not None
    assert planted != browser.cookie()
    other = world.browser()
    other.set_cookie(planted)
    assert other.get("/account").status_code == 302


def test_after_sign_out_a_copy_of_the_cookie_is_refused(world: World) -> None:
    browser = world.signed_in(world.user())
    copy = browser.cookie()
    assert browser.post("/sign-out").status_code == 303
    assert browser.get("/account").status_code == 302
    thief = world.browser()
    thief.set_cookie(copy or "")
    assert thief.get("/account").status_code == 302


def test_sign_out_by_get_does_nothing(world: World) -> None:
    browser = world.signed_in(world.user())
    assert browser.get("/sign-out").status_code == 405
    assert browser.get("/account").status_code == 200


def test_a_disabled_account_is_out_at_once(world: World) -> None:
    ann = world.user()
    browser = world.signed_in(ann)
    with world.unit() as uow:
        accounts = Accounts(uow, world.passwords)
        accounts.disable(accounts.get(ann.id))
    assert browser.get("/account").status_code == 302
    with world.unit() as uow:
        accounts = Accounts(uow, world.passwords)
        accounts.disable(accounts.get(ann.id), False)
    assert browser.get("/account").status_code == 302, "letting somebody in again does not revive old sessions"


def test_a_session_ends_when_it_was_idle_too_long(world: World) -> None:
    browser = world.signed_in(world.user())
    world.clock.forward(seconds=7_000)
    assert browser.get("/account").status_code == 200
    world.clock.forward(seconds=7_000)
    assert browser.get("/account").status_code == 200, "it was used in between"
    world.clock.forward(seconds=7_201)
    assert browser.get("/account").status_code == 302


def test_a_session_ends_after_its_absolute_time_however_busy(world: World) -> None:
    browser = world.signed_in(world.user())
    for _ in range(11):
        world.clock.forward(hours=1)
        assert browser.get("/account").status_code == 200
    world.clock.forward(hours=1)
    assert browser.get("/account").status_code == 302


def test_requests_are_noted_rarely(world: World) -> None:
    browser = world.signed_in(world.user())
    before = world.everything()
    for _ in range(5):
        world.clock.forward(seconds=60)
        browser.get("/account")
    assert world.everything() == before
    world.clock.forward(seconds=600)
    browser.get("/account")
    changed = {key for key, document in world.everything().items() if before.get(key) != document}
    assert {collection for collection, _ in changed} == {"sessions"}


def test_the_database_does_not_hold_what_the_cookie_holds(world: World) -> None:
    browser = world.signed_in(world.user())
    with browser.client.session_transaction() as cookie:
        token = cookie["sid"]
    stored = world.everything()
    assert ("sessions", session_id(token)) in stored
    assert token not in str(stored)


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_next_never_leaves_the_application(world: World, target: str) -> None:
    ann = world.user()
    assert world.browser().sign_in(ann.email, next=target).location == "/"
    assert target not in world.browser().get("/sign-in", query_string={"next": target}).get_data(as_text=True)


def test_who_is_signed_out_comes_back_to_the_page_asked_for(world: World) -> None:
    ann = world.user()
    browser = world.browser()
    answer = browser.get("/account/password")
    assert answer.location == "/sign-in?next=%2Faccount%2Fpassword"
    page = browser.get(answer.location).get_data(as_text=True)
    assert 'name="next"' in page
    assert 'value="/account/password"' in page
    assert browser.sign_in(ann.email, next="/account/password").location == "/account/password"


def test_the_password_is_hashed_again_when_the_parameters_changed(world: World) -> None:
    ann = world.user()
    with world.unit() as uow:
        user = uow.store(User).get(ann.id)
        user.password_hash = Passwords(memory=16, passes=2).hash(PASSWORD)
        old = user.password_hash
        uow.store(User).save(user)
    world.signed_in(ann)
    with world.unit() as uow:
        new = uow.store(User).get(ann.id).password_hash
    assert new != old
    assert "m=8,t=1" in new
    world.signed_in(ann)


def test_known_and_unknown_addresses_take_equally_long() -> None:
    """With the parameters of production: without an account, a hash is checked all the same."""
    world = World(
        PASSWORD_HASH_MEMORY=19_456,
        PASSWORD_HASH_PASSES=2,
        SIGN_IN_ATTEMPTS_PER_ACCOUNT=10_000,
        SIGN_IN_ATTEMPTS_PER_ADDRESS=1_000_000,
    )
    world.user()
    browser = world.browser()
    token = browser.token()

    def seconds(email: str) -> float:
        begin = time.thread_time()
        assert browser.post("/sign-in", {"email": email, "password": "wrong"}, token).status_code == 422
        return time.thread_time() - begin

    gaps = []
    for _ in range(4):  # a busy machine may spoil a round; a missing check would spoil all of them
        pairs = [(seconds("ann@example.org"), seconds("bob@example.org")) for _ in range(9)]
        known, unknown = (statistics.median(side) for side in zip(*pairs, strict=True))
        gaps.append(abs(known - unknown) / known)
        if gaps[-1] < 0.1:
            return
    raise AssertionError(f"the medians differ by {gaps}")


def test_an_account_that_was_disabled_in_the_database_itself_is_out_too(world: World) -> None:
    ann = world.user()
    browser = world.signed_in(ann)
    with world.unit() as uow:
        user = uow.store(User).get(ann.id)
        user.disabled = True  # and nobody thought of the stamp
        uow.store(User).save(user)
    assert browser.get("/account").status_code == 302
