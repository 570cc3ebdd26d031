"""Queries with ``recent`` on a database whose indexes lag: as if they did not, for these documents."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db import Collection, Index, InvalidQuery, Query, Schema, where
from app.db.backend import Backend
from app.db.backends.memory import MemoryDatabase
from app.db.recent import count_as_it_is
from tests.app_database import databases
from tests.db.lagging import NEVER, Lagging

BOATS = "t1/boats"
SCHEMA = Schema(
    [Collection("boats", "tenant", (Index("name"), Index("kind", "name"), Index("kind"), Index("kind", "name", "age")))]
)
KINDS = st.sampled_from(["tug", "wherry", "punt"])
BODIES = st.fixed_dictionaries(
    {"kind": KINDS, "name": st.sampled_from(["a", "b", "ba", "c", "d" * 300, 1, None]), "age": st.integers(0, 3)},
    optional={"crew": st.lists(st.sampled_from(["ann", "ben"]), max_size=2)},
)
IDS = st.sampled_from([f"b{number}" for number in range(8)])
# What was written before, what the session wrote since, and what others did whom the index has not noticed either.
STORED = st.dictionaries(IDS, BODIES, max_size=8)
CHANGES = st.dictionaries(IDS, st.none() | BODIES, max_size=6)
CONDITIONS: list[tuple[Any, ...]] = [
    (where("kind").eq("tug"),),
    (where("kind").in_(["tug", "punt"]),),
    (where("kind").in_(["tug", "punt", "wherry"]), where("name").prefix("b")),
    (where("kind").eq("wherry"), where("name").gt("a"), where("crew").contains("ann")),
]
QUERIES = st.builds(
    Query,
    where=st.sampled_from(CONDITIONS),
    order_by=st.sampled_from([("name",), ("name", "age")]),
    descending=st.booleans(),
    limit=st.integers(1, 4),
    fields=st.sampled_from([None, (), ("age",), ("name",)]),
) | st.builds(
    Query,
    where=st.sampled_from([(), (where("name").prefix("b"),), (where("name").gte("a"), where("age").gte(2))]),
    order_by=st.just(("name",)),
    descending=st.booleans(),
    limit=st.integers(1, 4),
)


def pages(service: Backend, query: Query) -> list[list[dict[str, Any]]]:
    """All pages, without an empty last one: what was to follow may turn out to be gone."""
    found = []
    for _ in range(50):
        page = service.query(BOATS, query)
        found.append([{**document, "_rev": ""} for document in page.documents])
        if page.cursor is None:
            break
        query = Query(**{**{name: getattr(query, name) for name in Query.__slots__}, "cursor": page.cursor})
    else:
        pytest.fail("the pages never end")
    return found[:-1] if found[-1] == [] else found


def change(service: MemoryDatabase, changes: dict[str, dict[str, Any] | None]) -> None:
    for id, body in changes.items():
        if body is not None:
            service.save(BOATS, id, body)
        elif id in service.get_many(BOATS, [id]):
            service.delete(BOATS, id)


@given(STORED, CHANGES, CHANGES, QUERIES)
def test_pages_and_counts_are_those_of_an_index_that_knows_what_the_session_wrote(
    stored: dict[str, Any], own: dict[str, Any], others: dict[str, Any], query: Query
) -> None:
    service, behind = MemoryDatabase(SCHEMA), MemoryDatabase(SCHEMA)
    lagging = Lagging(service, behind)
    change(service, stored)
    lagging.catch_up()
    change(service, {id: body for id, body in others.items() if id not in own})
    change(service, own)

    right = MemoryDatabase(SCHEMA)
    change(right, {**stored, **own})

    recent = tuple(own)
    asked = Query(**{**{name: getattr(query, name) for name in Query.__slots__}, "recent": recent})
    assert pages(service, asked) == pages(right, query)
    for bound in (1, 3, 100) if query.where else ():  # without conditions it is the collection that is counted
        assert count_as_it_is(service, BOATS, query.where, bound, recent) == right.count(BOATS, query.where, bound)


def test_without_it_the_index_is_believed() -> None:
    service, behind = MemoryDatabase(SCHEMA), MemoryDatabase(SCHEMA)
    lagging = Lagging(service, behind, lag=1)
    service.save(BOATS, "a", {"name": "Ariel", "kind": "tug"})
    query = Query(order_by=("name",))
    assert service.query(BOATS, query).documents == []
    assert service.count(BOATS, (where("kind").eq("tug"),)) == (0, True)
    assert [found["_id"] for found in service.list_all(BOATS)] == ["a"]
    service.save(BOATS, "b", {"name": "Bounty", "kind": "tug"})
    assert [found["_id"] for found in service.query(BOATS, query).documents] == ["a"]
    lagging.catch_up()
    assert [found["_id"] for found in service.query(BOATS, query).documents] == ["a", "b"]


def test_on_the_runs_database_a_page_has_the_latest_in_its_place() -> None:
    service = databases().open(SCHEMA, strict=True)
    lagging = Lagging(service, databases().open(SCHEMA, strict=True))
    for number in range(7):
        service.save(BOATS, f"b{number}", {"name": f"n{number}", "kind": "tug", "age": number})
    lagging.catch_up()
    service.delete(BOATS, "b1")
    service.save(BOATS, "b5", {"name": "n15", "kind": "tug", "age": 5})
    service.save(BOATS, "new", {"name": "n3", "kind": "tug", "age": 9})
    service.save(BOATS, "b2", {"name": "n2", "kind": "punt", "age": 2})
    query = Query(
        where=(where("kind").eq("tug"),), order_by=("name",), limit=3, fields=("age",), recent=("b1", "b2", "b5", "new")
    )
    found = [[(one["_id"], one["age"]) for one in page] for page in pages(service, query)]
    assert found == [[("b0", 0), ("b5", 5), ("b3", 3)], [("new", 9), ("b4", 4), ("b6", 6)]]
    assert count_as_it_is(service, BOATS, query.where, 100, query.recent) == (6, True)


def test_a_cursor_is_good_with_and_without_it() -> None:
    service, behind = MemoryDatabase(SCHEMA), MemoryDatabase(SCHEMA)
    lagging = Lagging(service, behind)
    for name in "abcd":
        service.save(BOATS, name, {"name": name, "kind": "tug"})
    lagging.catch_up()
    service.delete(BOATS, "b")
    first = service.query(BOATS, Query(order_by=("name",), limit=2, recent=("b",)))
    assert [found["_id"] for found in first.documents] == ["a", "c"]
    rest = service.query(BOATS, Query(order_by=("name",), cursor=first.cursor))
    assert [found["_id"] for found in rest.documents] == ["d"]


def test_where_queries_are_fresh_it_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    service = MemoryDatabase(SCHEMA)
    service.save(BOATS, "a", {"name": "a"})
    monkeypatch.setattr(service, "get_many", None)
    assert len(service.query(BOATS, Query(order_by=("name",), recent=("a",))).documents) == 1


def test_a_query_has_room_for_a_hundred() -> None:
    Query(recent=("a",) * 100)
    with pytest.raises(InvalidQuery, match="recent"):
        Query(recent=("a",) * 101)
    assert NEVER > 10**9
