"""How ids, hints, values and keys are kept in Firestore."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db import Index
from app.db.backends.firestore_codec import (
    decode_document,
    decode_id,
    encode_id,
    field_path,
    hint_of,
    key_of,
    parse_hint,
    put_fields,
    stored_path,
)
from app.db.backends.firestore_messages import Document
from app.db.documents import join_rev

ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6) | st.text(
    "._/-0~", min_size=1, max_size=6
)


@given(ids, ids)
def test_ids_are_legal_steps_of_a_path_come_back_and_keep_their_order(one: str, other: str) -> None:
    steps = [encode_id(one), encode_id(other)]
    assert [decode_id(step) for step in steps] == [one, other]
    assert (steps[0].encode() < steps[1].encode()) == (one.encode() < other.encode())
    for step in steps:
        assert "/" not in step
        assert step not in (".", "..")
        assert not (step.startswith("__") and step.endswith("__"))


def test_the_longest_id_fits_a_path() -> None:
    assert len(encode_id("/" * 512).encode()) <= 1_500


def time_of(seconds: int, nanos: int) -> Any:
    return SimpleNamespace(seconds=seconds, nanos=nanos)


class TestHints:
    REV = join_rev("token", hint_of("token", "p/a", time_of(1_760_000_000, 5_000)))

    def test_a_hint_holds_for_its_token_and_document(self) -> None:
        assert parse_hint(self.REV, "p/a") == (1_760_000_000, 5_000)
        assert parse_hint(self.REV, "p/b") is None
        assert parse_hint(self.REV.replace("token", "tokem"), "p/a") is None

    @pytest.mark.parametrize(
        "rev", ["token", "token.", "token.x", "token.1-2", "token.1-2-3", "token.-", "token.²-1-0", "t." + "9" * 150]
    )
    def test_what_is_no_hint_of_ours_is_none(self, rev: str) -> None:
        assert parse_hint(rev, "p/a") is None


class TestDocuments:
    def test_what_firestore_cannot_hold_comes_back(self) -> None:
        body = {
            "nested": [[1, [2.5, None]], [], {"deep": [["x"]]}],
            "__reserved__": 1,
            "object": {"~json": "text", "~": 1, "__x__": 2, "~~": {"~rev": 3}},
            "large": 1e20,
            "whole": 2**53 - 1,
            "empty": {"list": [], "object": {}},
        }
        stored = Document(name="d")
        put_fields(stored.fields, body, "token", ())
        found = decode_document("id", Document.FromString(stored.SerializeToString()))
        assert {key: found[key] for key in body} == body
        assert type(found["large"]) is float
        assert found["_id"] == "id"
        assert found["_rev"].startswith("token.")
        assert set(found) == {*body, "_id", "_rev"}

    def test_fields_are_native(self) -> None:
        stored = Document()
        put_fields(stored.fields, {"name": "Ada", "n": 1, "tags": ["a"], "address": {"city": "Bonn"}}, "token", ())
        assert stored.fields["name"].string_value == "Ada"
        assert stored.fields["n"].integer_value == 1
        assert stored.fields["tags"].array_value.values[0].string_value == "a"
        assert stored.fields["address"].map_value.fields["city"].string_value == "Bonn"

    def test_a_document_has_a_key_in_every_index_where_it_has_a_place(self) -> None:
        stored = Document()
        put_fields(stored.fields, {"name": "Ada", "tags": []}, "token", (Index("name"), Index("tags"), Index("no")))
        assert key_of(stored, "name")
        assert key_of(stored, "tags") is key_of(stored, "no") is None


def test_paths_are_quoted() -> None:
    assert field_path("a", "b`c\\d") == "`a`.`b\\`c\\\\d`"
    assert stored_path("inner.~x") == "`inner`.`~~x`"
    assert stored_path("inner.__x__") == "`inner`.`~__x__`"
