"""Digests that do not depend on the order, and differences field by field."""

import random

from hypothesis import given
from hypothesis import strategies as st

from app.db.audit import MASK
from app.db.documents import Document
from app.db.transfer.differences import ABSENT, FIELDS, field_differences
from app.db.transfer.digests import NONE, Digest, Digests, new_key

KEY = bytes(range(32))
ENTRIES = st.lists(
    st.tuples(st.sampled_from(["t1/boats", "t2/boats", "harbours"]), st.binary(max_size=20)), max_size=30
)
Entries = list[tuple[str, bytes]]


def digested(entries: Entries, key: bytes = KEY) -> dict[str, Digest]:
    digests = Digests(key)
    digests.add(entries)
    return {path: digests.of(path) for path in digests}


class TestDigests:
    @given(ENTRIES, st.randoms(use_true_random=False))
    def test_the_order_and_the_portions_do_not_matter(self, entries: Entries, chance: random.Random) -> None:
        shuffled = list(entries)
        chance.shuffle(shuffled)
        half = len(shuffled) // 2
        digests = Digests(KEY)
        digests.add(shuffled[:half])
        digests.add(shuffled[half:])
        assert {path: digests.of(path) for path in digests} == digested(entries)

    @given(ENTRIES, ENTRIES)
    def test_equal_digests_are_equal_documents(self, one: Entries, other: Entries) -> None:
        assert (digested(one) == digested(other)) == (sorted(one) == sorted(other))

    def test_what_comes_twice_is_not_forgotten(self) -> None:
        twice = [("harbours", b"a"), ("harbours", b"a")]
        assert digested(twice)["harbours"].sum != 0
        assert digested([*twice, ("harbours", b"b"), ("harbours", b"b")]) != digested(twice)

    def test_a_path_that_was_not_there_has_none(self) -> None:
        assert Digests(KEY).of("t9/boats") == NONE
        assert digested([("t1/boats", b"")])["t1/boats"].documents == 1

    def test_each_comparison_has_a_key_of_its_own(self) -> None:
        assert new_key() != new_key()
        assert digested([("harbours", b"a")], new_key()) != digested([("harbours", b"a")])

    def test_counts_and_bytes_are_told_beside_the_sum(self) -> None:
        found = digested([("harbours", b"abc"), ("t1/boats", b"x"), ("harbours", b"de")])
        assert (found["harbours"].documents, found["harbours"].bytes) == (2, 5)
        assert len(found["harbours"].hex) == 64


def told(source: Document, target: Document, secret: frozenset[str] = frozenset()) -> object:
    found = field_differences({"_id": "a", "_rev": "r", **source}, {"_id": "a", "_rev": "r.hint", **target}, secret)
    return {one.field: (one.source, one.target) for one in found}


class TestFieldDifferences:
    def test_the_paths_lead_into_objects_and_arrays(self) -> None:
        source = {"crew": [{"name": "Ann"}, {"name": "Bob", "age": 1}], "same": {"a": [1]}}
        target = {"crew": [{"name": "Ann"}, {"name": "Rob"}, 3], "same": {"a": [1]}}
        assert told(source, target) == {
            "crew[1].name": ('"Bob"', '"Rob"'),
            "crew[1].age": ("1", ABSENT),
            "crew[2]": (ABSENT, "3"),
        }

    def test_null_is_not_absent_and_true_is_not_one(self) -> None:
        assert told({"a": None, "b": True, "c": "1"}, {"b": 1, "c": 1}) == {
            "a": ("null", ABSENT),
            "b": ("true", "1"),
            "c": ('"1"', "1"),
        }

    def test_the_hint_of_a_revision_is_no_difference_but_its_token_is(self) -> None:
        assert told({}, {}) == {}
        found = field_differences({"_id": "a", "_rev": "r.1"}, {"_id": "a", "_rev": "s.1"})
        assert [(one.field, one.source, one.target) for one in found] == [("_rev", "r", "s")]

    def test_long_values_are_shortened(self) -> None:
        found = field_differences({"_id": "a", "_rev": "r", "code": "x" * 5_000}, {"_id": "a", "_rev": "r"})
        assert len(found[0].source) < 200
        assert "5,002 characters" in found[0].source

    def test_secrets_are_masked_by_declaration_and_by_name(self) -> None:
        source = {"stamp": "s1", "password_hash": "p1", "deep": {"api_key": "k"}, "name": "Ann"}
        target = {"stamp": "s2", "password_hash": None, "deep": {"api_key": "l"}, "name": "Bob"}
        assert told(source, target, frozenset({"stamp"})) == {
            "stamp": (MASK, MASK),
            "password_hash": (MASK, "null"),
            "deep.api_key": (MASK, MASK),
            "name": ('"Ann"', '"Bob"'),
        }
        assert told({"name": "Ann"}, {"name": "Bob"}, frozenset({"*"})) == {"name": (MASK, MASK)}

    def test_only_the_first_fields_are_told(self) -> None:
        found = field_differences({"_id": "a", "_rev": "r", "n": list(range(100))}, {"_id": "a", "_rev": "r", "n": []})
        assert len(found) == FIELDS + 1
        assert found[-1].field == "and more"
