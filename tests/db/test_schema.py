"""Declarations of collections and indexes."""

from typing import Any

import pytest

from app.db import Collection, Index, InvalidQuery, Schema


def test_a_further_declaration_adds_its_indexes_once() -> None:
    schema = Schema([Collection("notes", "tenant", (Index("name"),))])
    schema.add(Collection("notes", "tenant", (Index("status"), Index("name"))))
    (merged,) = schema
    assert merged.indexes == (Index("name"), Index("status"))
    assert len(schema) == 1


def test_a_declaration_that_contradicts_another_is_refused() -> None:
    schema = Schema([Collection("notes", "tenant")])
    with pytest.raises(InvalidQuery) as caught:
        schema.add(Collection("notes", "installation"))
    assert caught.value.name == "notes"


def test_an_undeclared_collection_is_none() -> None:
    assert Schema().get("notes") is None


@pytest.mark.parametrize(
    "fields", [(), ("a", "b", "c", "d", "e"), ("a", "a"), ("",), ("_id",), ("a,b",), ("a..b",), (1,), (None,)]
)
def test_an_impossible_index_is_refused(fields: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidQuery):
        Index(*fields)


def test_indexes_are_equal_by_their_fields() -> None:
    assert Index("a", "b") == Index("a", "b") != Index("b", "a")
    assert len({Index("a"), Index("a")}) == 1
    assert Index("a", "b.c").name == "a,b.c"


@pytest.mark.parametrize("name", ["", "Notes", "acme/notes", "_x", "sqlite_x", None])
def test_an_impossible_collection_is_refused(name: Any) -> None:
    with pytest.raises(InvalidQuery):
        Collection(name)
