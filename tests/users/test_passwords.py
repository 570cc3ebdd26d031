"""Which passwords are accepted, and how they are kept."""

import time

import pytest

from app.users.passwords import LONGEST, Passwords, password_problems

GOOD = (
    "seven grey herons",
    "x7#kQ!9z",
    "correct horse battery staple",
    "ÄÖÜäöüß€",
    "日本語のパスワード",
    "pierlight42",
    "my dog is called shadow and he is old",
    "a" * 60 + "b" + "c" * 60,
    "        x       ",
)
COMMON = (
    "password",
    "Password1",
    "P@ssw0rd!",
    "passw0rd2024",
    "12345678",
    "123456789012",
    "87654321",
    "qwertyui",
    "qwertz123",
    "asdfghjkl",
    "1q2w3e4r5t",
    "aaaaaaaa",
    "abcabcabc",
    "letmein!!",
    "iloveyou",
    "Welcome2026",
    "adminadmin",
    "Summer2026",
    "dragon12345",
    "--monkey--",
    "qazwsx12",
    "!!!!!!!!",
    "11111111",
    "trustno1!",
    "princess1",
)


@pytest.mark.parametrize("password", GOOD)
def test_a_password_of_any_composition_is_accepted(password: str) -> None:
    assert password_problems(password, name="Ann Marlow", email="ann@example.org") == []


@pytest.mark.parametrize("password", COMMON)
def test_what_everybody_tries_first_is_refused(password: str) -> None:
    assert [problem.code for problem in password_problems(password)] == ["common"]


@pytest.mark.parametrize(
    "password", ["ann.marlow@example.org", "AnnMarlow", "marlow1234", "Wherry2026", "example.org!", "wherrywherry"]
)
def test_name_address_and_product_are_refused(password: str) -> None:
    found = password_problems(password, name="Ann Marlow", email="ann.marlow@example.org")
    assert [problem.code for problem in found] == ["common"]


def test_lengths_from_8_to_far_beyond_128_are_accepted() -> None:
    assert [problem.code for problem in password_problems("k3#vQz!")] == ["too_short"]
    assert password_problems("k3#vQz!w") == []
    assert password_problems("tide and time " * 10) == []
    assert [problem.code for problem in password_problems("ab c" * 300)] == ["too_long"]
    assert LONGEST >= 128


def test_nothing_is_cut_off_a_long_password() -> None:
    passwords = Passwords(memory=8, passes=1)
    long = "tide and time " * 20
    hashed = passwords.hash(long)
    assert passwords.matches(hashed, long)
    assert not passwords.matches(hashed, long[:-1])
    assert not passwords.matches(hashed, long.upper())


def test_the_hash_is_argon2id_with_the_parameters_asked_for() -> None:
    passwords = Passwords(memory=19_456, passes=2)
    hashed = passwords.hash("seven grey herons")
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hashed != passwords.hash("seven grey herons"), "every hash has a salt of its own"
    assert not passwords.outdated(hashed)
    assert Passwords(memory=19_456, passes=3).outdated(hashed)


def test_without_an_account_no_password_is_right_and_it_takes_as_long() -> None:
    passwords = Passwords(memory=19_456, passes=2)
    hashed = passwords.hash("seven grey herons")

    def seconds(password_hash: str | None) -> float:
        begin = time.thread_time()
        assert not passwords.matches(password_hash, "another one")
        return time.thread_time() - begin

    # In turns, and the quickest of each: what else the machine does makes some of them slower.
    pairs = [(seconds(hashed), seconds(None)) for _ in range(9)]
    somebody, nobody = (min(times) for times in zip(*pairs, strict=True))
    assert 0.5 < nobody / somebody < 2, "a missing check would be a hundred times faster"


@pytest.mark.parametrize("broken", ["", "x", "$argon2id$", "$2b$12$abc", "plain"])
def test_a_broken_hash_matches_nothing(broken: str) -> None:
    assert not Passwords(memory=8, passes=1).matches(broken, broken)


def test_a_very_long_attempt_does_not_take_longer_than_a_moment() -> None:
    begin = time.thread_time()
    password_problems("ab" * 25_000)
    password_problems("q" * 900 + "w" * 99)
    assert time.thread_time() - begin < 0.5
