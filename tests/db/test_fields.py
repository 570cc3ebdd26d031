"""Field paths."""

from typing import Any

import pytest

from app.db.errors import InvalidQuery
from app.db.fields import MISSING, parse_field, project, value_at

DOCUMENT: dict[str, Any] = {"_id": "a", "_rev": "r", "a": {"b": {"c": None}, "d": 1}, "list": [{"x": 1}], "text": "t"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b.c", None),
        ("a.d", 1),
        ("a.b", {"c": None}),
        ("a.x", MISSING),
        ("a.d.x", MISSING),
        ("a.b.c.x", MISSING),
        ("list.x", MISSING),
        ("list.0", MISSING),
        ("text.t", MISSING),
        ("x", MISSING),
    ],
)
def test_a_path_steps_into_objects_only(path: str, value: Any) -> None:
    assert value_at(DOCUMENT, parse_field(path)) == value


def test_a_projection_is_a_new_document_of_the_asked_paths() -> None:
    paths = tuple(map(parse_field, ("a.b.c", "list", "x", "text.t")))
    assert project(DOCUMENT, paths) == {"_id": "a", "_rev": "r", "a": {"b": {"c": None}}, "list": [{"x": 1}]}
    assert project(DOCUMENT, ()) == {"_id": "a", "_rev": "r"}


def test_an_inner_key_may_begin_with_what_the_first_may_not() -> None:
    assert parse_field("a._id.~x") == ("a", "_id", "~x")
    for field in ("_id", "~x"):
        with pytest.raises(InvalidQuery) as caught:
            parse_field(field)
        assert caught.value.name == field


def test_a_long_name_is_cut_in_the_message() -> None:
    with pytest.raises(InvalidQuery) as caught:
        parse_field("x" * 5_000)
    assert len(str(caught.value)) < 200
