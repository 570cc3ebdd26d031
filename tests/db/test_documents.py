"""The checks of a document by themselves; what they mean for a backend is in the contract's suite."""

from bisect import bisect_left
from typing import Any

import orjson
import pytest
from hypothesis import given

from app.db import documents
from app.db.documents import (
    MAX_BYTES,
    canonical_json,
    check_document,
    document_size,
    join_rev,
    new_token,
    size_together,
    split_rev,
)
from app.db.errors import InvalidDocument, TooLarge
from tests.db.contract.documents import same
from tests.db.contract.model import portable


@given(portable)
def test_checking_a_checked_document_changes_nothing(document: dict[str, Any]) -> None:
    once = check_document(document, "a")
    again = check_document(once.body, "a")
    assert same(once.body, again.body)
    assert once.data == again.data
    assert same(orjson.loads(once.data), once.body)


@given(portable)
def test_what_is_given_is_never_changed(document: dict[str, Any]) -> None:
    before = repr(document)
    check_document({**document, "_id": "a", "_rev": "r"}, "a")
    check_document(document, "a")
    assert repr(document) == before


@given(portable)
def test_canonical_json_does_not_depend_on_the_order_of_keys(document: dict[str, Any]) -> None:
    backwards = dict(reversed(document.items()))
    assert canonical_json(document) == canonical_json(backwards)
    assert same(orjson.loads(canonical_json(check_document(document, "a").body)), check_document(document, "a").body)


def test_id_and_revision_are_taken_out_and_handed_on() -> None:
    checked = check_document({"_id": "a", "_rev": "r", "n": 1}, "a")
    assert (checked.body, checked.rev) == ({"n": 1}, "r")
    assert check_document({"n": 1}, "a").rev is None


@pytest.mark.parametrize(
    "filler",
    [
        {"text": "x" * 1_000},
        {"n": [1] * 500},
        {"n": [[]] * 500},
        {"n": [""] * 500},
        {"n": [None, True] * 250},
        {"n": [{"a": 1}] * 100},
        {"n": [-0.1] * 300},
        {"é": "é" * 500},
    ],
    ids=["text", "numbers", "arrays", "empty texts", "constants", "objects", "fractions", "not ASCII"],
)
def test_the_quick_look_at_the_size_lets_nothing_through_that_the_exact_count_refuses(filler: dict[str, Any]) -> None:
    def made(number: int) -> dict[str, Any]:
        return {f"k{place}": filler for place in range(number)}

    def too_large(number: int) -> bool:
        return document_size(made(number), orjson.dumps(made(number))) > MAX_BYTES

    first = bisect_left(range(1_000), True, key=too_large)
    assert 10 < first < 1_000
    check_document(made(first - 1), "a")
    with pytest.raises(TooLarge):
        check_document(made(first), "a")


def test_the_strictest_formula_counts() -> None:
    def size(document: dict[str, Any]) -> int:
        return document_size(document, orjson.dumps(document))

    assert size({"n": [1] * 1_000}) >= 8_000  # Firestore: eight bytes a number
    assert size({"a": "é" * 1_000}) >= 2_000
    assert size({"a": "\x00" * 1_000}) >= 6_000  # JSON: six bytes for a NUL
    assert size({"a": [[]] * 1_000}) >= 4_000  # DynamoDB: three bytes an array and one as an element


def test_together_the_exact_sizes_count_where_they_could_matter() -> None:
    small = ({"a": 1}, orjson.dumps({"a": 1}))
    assert size_together([small] * 100) == 700
    numbers = {"n": [1] * 40_000}
    assert size_together([(numbers, orjson.dumps(numbers))] * 20) > 20 * 320_000


def test_a_revision_is_a_token_and_a_hint() -> None:
    assert split_rev("token.hint") == ("token", "hint")
    assert split_rev("token.1.2") == ("token", "1.2")
    assert split_rev("token") == ("token", "")
    assert split_rev(join_rev("token", "")) == ("token", "")
    assert split_rev(join_rev("token", "1-a.b")) == ("token", "1-a.b")


def test_tokens_are_random_and_have_no_dot() -> None:
    tokens = {new_token() for _ in range(1_000)}
    assert len(tokens) == 1_000
    assert len({token[13:] for token in tokens}) == 1_000
    assert all("." not in token and len(token) == 25 for token in tokens)


def test_a_later_token_is_greater(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = []
    for second in (1_700_000_000, 1_700_000_001, 4_000_000_000):
        monkeypatch.setattr(documents, "time_ns", lambda second=second: second * 1_000_000_000)
        tokens.append(new_token())
    assert tokens == sorted(tokens)


def test_more_keys_than_are_remembered_are_checked_all_the_same() -> None:
    for start in range(0, 12_000, 1_000):
        check_document({f"key{n}": n for n in range(start, start + 1_000)}, "a")
    with pytest.raises(InvalidDocument) as caught:
        check_document({"key11999": 1, "deep": {"x" * 256: 1}}, "a")
    assert caught.value.path == "deep." + "x" * 80


def test_a_path_shows_what_can_be_printed() -> None:
    with pytest.raises(InvalidDocument) as caught:
        check_document({"a\nb": {"c\x00": [b"x"]}}, "a")
    assert caught.value.path == "a\\nb.c\\x00[0]"
    assert "\n" not in str(caught.value)
