"""The one order: what the encodings promise, for any two values."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.sortkeys import ABOVE, KEY_BYTES, encode_fields, encode_text, encode_value, is_cut_key
from tests.db.contract.hostile import SCALARS
from tests.db.contract.naive import sort_value

texts = st.text(max_size=6) | st.text(st.sampled_from("\x00\x01ab\xffé😀"), max_size=300)
numbers = st.integers(-(2**53 - 1), 2**53 - 1) | st.floats(1e-125, 1e125) | st.floats(-1e125, -1e-125)
scalars = st.none() | st.booleans() | numbers | texts | st.sampled_from(SCALARS)


def key(value: Any) -> bytes:
    encoded = encode_value(value)
    assert encoded is not None
    return encoded


@given(scalars, scalars)
def test_the_order_of_encodings_is_the_order_of_values(one: Any, other: Any) -> None:
    first, second = sort_value(one), sort_value(other)
    assert first is not None
    assert second is not None
    assert (key(one) < key(other)) == (first < second)
    assert (key(one) == key(other)) == (first == second)


@given(st.tuples(scalars, scalars), st.tuples(scalars, scalars))
def test_joined_keys_order_by_the_first_field_then_the_second(one: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    fields = (("a",), ("b", "c"))
    joined = [encode_fields({"a": first, "b": {"c": second}}, fields) for first, second in (one, other)]
    assert joined[0] is not None
    assert joined[1] is not None
    values: list[Any] = [tuple(map(sort_value, pair)) for pair in (one, other)]
    assert (joined[0] < joined[1]) == (values[0] < values[1])


@given(texts, texts)
def test_exactly_the_texts_with_a_prefix_lie_in_its_run(prefix: str, rest: str) -> None:
    base = encode_text(prefix)
    assert base <= key(prefix + rest) < base + ABOVE


@given(texts, texts)
def test_a_text_in_the_run_of_an_uncut_prefix_begins_with_it(prefix: str, text: str) -> None:
    base = encode_text(prefix)
    if not is_cut_key(key(prefix)) and base <= key(text) < base + ABOVE:
        assert text.startswith(prefix)


@given(texts, texts)
def test_only_cut_texts_share_a_key(one: str, other: str) -> None:
    if one != other and key(one) == key(other):
        assert is_cut_key(key(one))


@given(scalars)
def test_a_key_is_bounded_and_everything_that_follows_it_is_below_above(value: Any) -> None:
    assert len(key(value)) <= KEY_BYTES + 2
    assert key(value) < key(value) + ABOVE


@pytest.mark.parametrize("length", range(234, 244))
@pytest.mark.parametrize("end", ["", "a", "\x00", "\x00\x00", "é", "😀", "\x01"])
def test_a_shorter_text_is_never_behind_a_longer_one_that_begins_with_it(length: int, end: str) -> None:
    text = "x" * length + end
    assert key("x" * length) <= key(text) <= key(text + "y")


@pytest.mark.parametrize("value", [[], {}, [1], {"a": 1}, ["a"], object(), b"x"])
def test_what_cannot_be_sorted_has_no_key(value: Any) -> None:
    assert encode_value(value) is None
    assert encode_fields({"a": value}, (("a",),)) is None


def test_a_missing_field_has_no_key_and_null_has_one() -> None:
    without: list[dict[str, Any]] = [{}, {"a": {}}, {"a": 1}, {"a": [{"b": 1}]}, {"b": 1}]
    for document in without:
        assert encode_fields(document, (("a", "b"),)) is None
    assert encode_fields({"a": {"b": None}}, (("a", "b"),)) == encode_value(None)
    assert encode_fields({"a": None}, (("a",),)) == encode_value(None)
    assert encode_fields({"a": 1}, (("a",), ("b",))) is None
    assert encode_fields({}, ()) == b""


def test_the_two_zeros_are_one() -> None:
    assert encode_value(0) == encode_value(0.0) == encode_value(-0.0)
    assert encode_value(1) == encode_value(1.0) != encode_value(True)
