"""E-mail addresses have one spelling each."""

import time

import pytest

from app.users.addresses import email_for_counting, normalise_email


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" Ann@Example.ORG ", "ann@example.org"),
        ("a.b+c@sub.example.org", "a.b+c@sub.example.org"),
        ("ann@büro.example", "ann@büro.example"),
        ("ann@xn--bro-hoa.example", "ann@büro.example"),
        ("JOSE\u0301@example.org", "josé@example.org"),
        ("ann@intern.local", "ann@intern.local"),
        ("ann@localhost", "ann@localhost"),
    ],
)
def test_spellings_of_one_address_become_one(typed: str, kept: str) -> None:
    assert normalise_email(typed) == kept


@pytest.mark.parametrize(
    "typed",
    ["", "ann", "@example.org", "ann@", "ann@example", "a b@example.org", "ann@exa mple.org", "ann@@example.org",
     "ann@example..org", "ann\n@example.org", "ann@example.org\x00", "x" * 250 + "@example.org", "<ann@example.org>"],
)  # fmt: skip
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"address"):
        normalise_email(typed)


def test_whatever_was_typed_can_be_counted() -> None:
    assert email_for_counting(" Nobody ") == "nobody"
    assert len(email_for_counting("x" * 100_000)) == 254


def test_fifty_thousand_characters_are_refused_at_once() -> None:
    begin = time.thread_time()
    email_for_counting("a@" + "b." * 25_000)
    assert time.thread_time() - begin < 0.05
