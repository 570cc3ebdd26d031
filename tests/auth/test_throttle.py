"""Guessing at passwords is slow, across workers, and does not keep the owner out."""

import threading

import pytest

from app.errors import TooManyAttempts
from app.users.entities import Attempts
from app.users.throttle import Limit, count_tries, network_of, settle_tries
from tests.core.world import World

LIMIT = Limit("account", 3, 900)


@pytest.fixture
def world() -> World:
    return World(SIGN_IN_ATTEMPTS_PER_ACCOUNT=3, SIGN_IN_ATTEMPTS_PER_ADDRESS=8)


def test_after_three_wrong_passwords_even_the_right_one_must_wait(world: World) -> None:
    ann = world.user()
    for number in range(3):
        assert world.browser(f"192.0.2.{number}").sign_in(ann.email, "wrong").status_code == 422
    answer = world.browser("192.0.2.9").sign_in(ann.email)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 900
    world.clock.forward(seconds=901)
    assert world.browser("192.0.2.9").sign_in(ann.email).status_code == 303


def test_an_address_that_nobody_has_is_counted_alike(world: World) -> None:
    answers = [world.browser(f"192.0.2.{number}").sign_in("nobody@example.org").status_code for number in range(4)]
    assert answers == [422, 422, 422, 429]


def test_spellings_of_one_address_are_one_account(world: World) -> None:
    ann = world.user()
    for spelling in ("ann@example.org", " ANN@example.org", "Ann@EXAMPLE.org"):
        world.browser().sign_in(spelling, "wrong")
    assert world.browser().sign_in(ann.email).status_code == 429


def test_tries_that_are_refused_do_not_make_the_wait_longer(world: World) -> None:
    ann = world.user()
    for _ in range(3):
        world.browser().sign_in(ann.email, "wrong")
    for minute in range(14):
        world.clock.forward(seconds=60)
        assert world.browser(f"198.51.100.{minute}").sign_in(ann.email, "wrong").status_code == 429
    world.clock.forward(seconds=61)
    assert world.browser("203.0.113.1").sign_in(ann.email).status_code == 303


def test_the_owners_known_browser_gets_in_while_others_guess(world: World) -> None:
    ann = world.user()
    own = world.signed_in(ann)
    own.post("/sign-out")
    for _ in range(3):
        world.browser("203.0.113.5").sign_in(ann.email, "wrong")
    assert world.browser("203.0.113.6").sign_in(ann.email).status_code == 429
    assert own.sign_in(ann.email).status_code == 303


def test_a_known_browser_has_a_limit_too(world: World) -> None:
    ann = world.user()
    own = world.signed_in(ann)
    own.post("/sign-out")
    assert [own.sign_in(ann.email, "wrong").status_code for _ in range(4)] == [422, 422, 422, 429]


def test_another_accounts_known_browser_is_worth_nothing(world: World) -> None:
    ann, eve = world.user(), world.user("Eve")
    thief = world.signed_in(eve, "203.0.113.7")
    thief.post("/sign-out")
    assert [thief.sign_in(ann.email, "wrong").status_code for _ in range(4)] == [422, 422, 422, 429]


def test_a_forged_device_cookie_is_worth_nothing(world: World) -> None:
    ann = world.user()
    thief = world.browser()
    thief.client.set_cookie("wherry-device", f'{{"{ann.id}":"x"}}', path="/sign-in")
    assert [thief.sign_in(ann.email, "wrong").status_code for _ in range(4)] == [422, 422, 422, 429]


def test_one_network_trying_many_accounts_is_slowed_down(world: World) -> None:
    answers = [world.browser().sign_in(f"person{number}@example.org").status_code for number in range(9)]
    assert answers == [422] * 8 + [429]
    assert world.browser("198.51.100.1").sign_in("person9@example.org").status_code == 422


def test_signing_in_does_not_use_up_the_networks_tries(world: World) -> None:
    ann = world.user()
    for _ in range(20):
        world.signed_in(ann)


def test_a_forwarded_address_is_not_believed_without_a_proxy(world: World) -> None:
    browser = world.browser()
    token = browser.token()
    answers = []
    for number in range(9):
        answer = browser.client.post(
            "/sign-in",
            data={"csrf_token": token, "email": f"person{number}@example.org", "password": "wrong"},
            headers={"X-Forwarded-For": f"10.0.0.{number}"},
            environ_base={"REMOTE_ADDR": "192.0.2.77"},
        )
        answers.append(answer.status_code)
    assert answers[-1] == 429


def test_parallel_tries_are_all_counted(world: World) -> None:
    refused = []

    def one() -> None:
        try:
            with world.unit() as uow:
                count_tries(uow, (Limit("account", 100, 900), "ann"))
        except TooManyAttempts as error:
            refused.append(error)

    threads = [threading.Thread(target=one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    documents = [document for (path, _), document in world.everything().items() if path == Attempts.collection]
    assert [document["count"] for document in documents] == [12 - len(refused)]
    assert not refused


def test_a_refused_try_is_counted_nowhere(world: World) -> None:
    with world.unit() as uow:
        for _ in range(3):
            count_tries(uow, (LIMIT, "ann"))
        before = world.everything()
        with pytest.raises(TooManyAttempts):
            count_tries(uow, (Limit("network", 9, 900), "net"), (LIMIT, "ann"))
        assert world.everything() == before


def test_success_forgets_one_subject_and_gives_one_try_back(world: World) -> None:
    net = Limit("network", 3, 900)
    with world.unit() as uow:
        for _ in range(3):
            count_tries(uow, (net, "net"), (LIMIT, "ann"))
        settle_tries(uow, forget=(LIMIT, "ann"), give_back=(net, "net"))
        count_tries(uow, (net, "net"), (LIMIT, "ann"))
        with pytest.raises(TooManyAttempts):
            count_tries(uow, (net, "net"))


def test_a_clock_that_is_set_back_locks_nobody_out(world: World) -> None:
    with world.unit() as uow:
        for _ in range(3):
            count_tries(uow, (LIMIT, "ann"))
        world.clock.forward(days=-3)
        count_tries(uow, (LIMIT, "ann"))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("nonsense", "nonsense"),
    ],
)
def test_an_ipv6_customer_is_one_network(address: str, network: str) -> None:
    assert network_of(address) == network
