"""Cursors by themselves: sealed, and read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db import InvalidQuery, Query, where
from app.db.cursors import Position, open_cursor, seal_cursor, sealer
from app.db.names import Name
from tests.db.contract.model import ids

NOTES = Name("acme", "notes")
SECRET = b"secret"


def reopened(position: Position, query: Query) -> Position:
    cursor = seal_cursor(sealer(SECRET, NOTES, query), position)
    again = Query(where=query.where, order_by=query.order_by, limit=7, cursor=cursor)
    return open_cursor(sealer(SECRET, NOTES, again), cursor)


@given(st.binary(max_size=600), ids)
def test_a_cursor_brings_back_its_position(key: bytes, id: str) -> None:
    assert reopened(Position(key, id), Query(order_by=("name",))) == Position(key, id)


def test_a_sealer_seals_and_opens_again_and_again() -> None:
    seal = sealer(SECRET, NOTES, Query())
    for id in ("a", "b", "a"):
        assert open_cursor(seal, seal_cursor(seal, Position(b"", id))) == Position(b"", id)


def test_a_cursor_is_text_that_fits_into_a_url() -> None:
    cursor = seal_cursor(sealer(SECRET, NOTES, Query()), Position(bytes(range(256)), "é/?&="))
    assert cursor.isascii()
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuery) as caught:
        open_cursor(sealer(SECRET, NOTES, Query()), text)
    assert caught.value.name == "cursor"


@pytest.mark.parametrize(
    ("name", "query"),
    [
        (Name("acme", "notes"), Query(order_by=("name",), descending=True)),
        (Name("acme", "notes"), Query(order_by=("value",))),
        (Name("acme", "notes"), Query(order_by=("name",), where=(where("a").eq(1),))),
        (Name("acme", "tasks"), Query(order_by=("name",))),
        (Name("other", "notes"), Query(order_by=("name",))),
        (Name("", "notes"), Query(order_by=("name",))),
    ],
)
def test_another_lists_cursor_is_refused(name: Name, query: Query) -> None:
    cursor = seal_cursor(sealer(SECRET, NOTES, Query(order_by=("name",))), Position(b"k", "a"))
    with pytest.raises(InvalidQuery):
        open_cursor(sealer(SECRET, name, query), cursor)


def test_another_secret_refuses() -> None:
    cursor = seal_cursor(sealer(SECRET, NOTES, Query()), Position(b"", "a"))
    with pytest.raises(InvalidQuery):
        open_cursor(sealer(b"other", NOTES, Query()), cursor)
