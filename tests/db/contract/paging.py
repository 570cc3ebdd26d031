"""Cursors, early ends, unserved queries, counts."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from app.db import Collection, DatabaseService, Index, InvalidQuery, Query, Schema, where
from tests.db.contract.backend import ContractBackend
from tests.db.contract.given import NOTES, OTHERS, PEOPLE, fill, ids_of, pages
from tests.db.contract.naive import answer

OPEN = where("status").eq("open")
SHAPES = [
    Query(),
    Query(order_by=("name",)),
    Query(where=(OPEN,), order_by=("name",)),
    Query(where=(where("status").in_(["open", "closed"]),), order_by=("name",)),
    Query(where=(where("status").in_(["open", "closed"]),)),
    Query(where=(where("kind").gte(0),), order_by=("name",)),
    Query(where=(where("kind").gte(0),)),
    Query(order_by=("kind",)),
    Query(order_by=("name", "value")),
]
EVERY_SHAPE = pytest.mark.parametrize("shape", SHAPES, ids=range(len(SHAPES)))
BOTH_WAYS = pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])


def note(n: int) -> dict[str, Any]:
    return {"name": f"n{n // 2 % 40:02}", "value": n % 3, "kind": n % 5, "status": "open" if n % 2 else "closed"}


class TestCursors:
    @EVERY_SHAPE
    @BOTH_WAYS
    def test_pages_have_no_gaps_and_no_repeats_while_others_write(
        self, service: DatabaseService, shape: Query, descending: bool
    ) -> None:
        fill(
            service,
            NOTES,
            {f"{n:04}": note(n) for n in range(0, 400, 2)} | {f"{n:04}": note(n) for n in range(1, 400, 4)},
        )
        shape = replace(shape, descending=descending)
        before = ids_of(service, NOTES, replace(shape, limit=1_000))
        seen: list[str] = []
        deleted: set[str] = set()
        for round_, page in enumerate(pages(service, NOTES, replace(shape, limit=7))):
            seen += [document["_id"] for document in page]
            service.write_batch(NOTES, [{"_id": f"{n:04}-{round_}", **note(n)} for n in range(round_, 400, 90)])
            # The last one of the page goes: its cursor still says where to go on.
            if page and page[-1]["_id"] not in deleted:
                service.delete(NOTES, page[-1]["_id"])
                deleted.add(page[-1]["_id"])
        assert len(seen) == len(set(seen))
        assert [id for id in seen if "-" not in id] == before

    @EVERY_SHAPE
    def test_the_last_page_has_no_cursor_and_the_others_have_one(self, service: DatabaseService, shape: Query) -> None:
        fill(service, NOTES, {f"{n:02}": {**note(n), "status": "open"} for n in range(12)})
        for limit, sizes in ((5, [5, 5, 2]), (6, [6, 6]), (12, [12]), (13, [12])):
            assert [len(page) for page in pages(service, NOTES, replace(shape, limit=limit))] == sizes

    def test_a_cursor_may_be_used_again_and_with_another_limit(self, service: DatabaseService) -> None:
        fill(service, NOTES, {f"{n:02}": note(n) for n in range(12)})
        cursor = service.query(NOTES, Query(limit=3)).cursor
        for limit in (1, 5, 5):
            found = service.query(NOTES, Query(limit=limit, cursor=cursor)).documents
            assert [document["_id"] for document in found] == [f"{n:02}" for n in range(3, 3 + limit)]

    @EVERY_SHAPE
    def test_a_cursor_of_another_query_is_refused(self, service: DatabaseService, shape: Query) -> None:
        for collection in (NOTES, OTHERS):
            fill(service, collection, {f"{n:02}": note(n) for n in range(12)})
        cursor = service.query(NOTES, replace(shape, limit=1)).cursor
        assert cursor is not None
        others = [
            replace(shape, where=(*shape.where, where("kind").gte(0.5))),
            replace(shape, where=(where("status").eq("closed"),)),
            replace(shape, order_by=("value",)),
            replace(shape, descending=True),
        ]
        for collection, query in [(NOTES, other) for other in others] + [(OTHERS, shape), (PEOPLE, shape)]:
            with pytest.raises(InvalidQuery) as caught:
                service.query(collection, replace(query, cursor=cursor))
            assert caught.value.name == "cursor"

    def test_conditions_that_only_python_calls_equal_have_different_cursors(self, service: DatabaseService) -> None:
        fill(service, NOTES, {f"{n}": {"value": True} for n in range(3)} | {f"{n}": {"value": 1} for n in range(3, 6)})
        cursor = service.query(NOTES, Query(where=(where("value").eq(True),), limit=1)).cursor
        with pytest.raises(InvalidQuery):
            service.query(NOTES, Query(where=(where("value").eq(1),), limit=1, cursor=cursor))

    def test_a_tampered_cursor_is_refused(self, service: DatabaseService) -> None:
        fill(service, NOTES, {f"{n:02}": note(n) for n in range(12)})
        cursor = service.query(NOTES, Query(order_by=("name",), limit=5)).cursor
        assert cursor is not None
        forged = [
            cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
            for place in range(len(cursor))
        ]
        forged += [
            "",
            "x",
            "=",
            "AAAA",
            "é",
            "\ud800",
            "a b",
            "%00",
            cursor + "A",
            cursor + "=",
            cursor[:-1],
            cursor[1:],
        ]
        forged += [cursor * 2, " " + cursor, cursor + "\n", "../../etc/passwd", "x" * 100_000, "0", "null", "{}"]
        for one in forged:
            with pytest.raises(InvalidQuery) as caught:
                service.query(NOTES, Query(order_by=("name",), limit=5, cursor=one))
            assert caught.value.name == "cursor"

    def test_services_with_one_secret_accept_each_others_cursors_and_others_do_not(
        self, backend: ContractBackend
    ) -> None:
        schema = Schema([Collection("notes", "tenant", (Index("name"),))])
        cursors: dict[bytes, str | None] = {}
        for secret in (b"one", b"two", b"one"):
            service = backend.open(schema, cursor_secret=secret)
            fill(service, NOTES, {"a": {}, "b": {}})
            if secret in cursors:
                found = service.query(NOTES, Query(limit=1, cursor=cursors[secret])).documents
                assert [document["_id"] for document in found] == ["b"]
            for other in cursors.keys() - {secret}:
                with pytest.raises(InvalidQuery):
                    service.query(NOTES, Query(limit=1, cursor=cursors[other]))
            cursors[secret] = service.query(NOTES, Query(limit=1)).cursor
            service.close()

    def test_a_cursor_after_hostile_values_goes_on(self, service: DatabaseService) -> None:
        names = ["\x00", "a\x00", "😀", "\U0010ffff", "x" * 300, "é" * 200, "'", '"', "\\", ""]
        fill(service, NOTES, {f"{name[:100]}{n}": {"name": name} for n, name in enumerate(names * 2)})
        assert len(ids_of(service, NOTES, Query(order_by=("name",), limit=1))) == 20


class TestEarlyEnds:
    def test_a_page_that_examined_a_thousand_ends_with_a_cursor(self, service: DatabaseService) -> None:
        fill(service, NOTES, {f"{n:04}": {"name": f"{n:04}", "kind": n} for n in range(2_300)})
        for order_by in (("name",), ()):
            query = Query(where=(where("kind").contains(0),), order_by=order_by)
            sizes = [len(page) for page in pages(service, NOTES, query)]
            assert len(sizes) >= 3
            assert sum(sizes) == 0
            query = Query(where=(where("kind").in_([5, 1_900, 2_299]),), order_by=("name",), limit=2)
            assert ids_of(service, NOTES, query) == ["0005", "1900", "2299"]
            first = service.query(NOTES, query)
            assert [document["_id"] for document in first.documents] == ["0005"]
            assert first.cursor is not None

    def test_a_full_page_ends_at_once(self, service: DatabaseService) -> None:
        fill(service, NOTES, {f"{n:04}": {"name": f"{n:04}", "kind": n % 2} for n in range(300)})
        for limit in (1, 50, 150):
            query = Query(where=(where("kind").eq(1),), order_by=("name",), limit=limit)
            assert [len(page) for page in pages(service, NOTES, query)][: 150 // limit] == [limit] * (150 // limit)
            assert ids_of(service, NOTES, query) == [f"{n:04}" for n in range(1, 300, 2)]


UNSERVED = [
    Query(order_by=("kind",)),
    Query(where=(where("kind").eq(1),)),
    Query(where=(where("kind").eq(1),), order_by=("text",)),
    Query(where=(where("kind").gt(1),)),
    Query(where=(OPEN,), order_by=("kind",)),
    Query(order_by=("value", "name")),
    Query(where=(where("status").gt("a"),), order_by=("kind",)),
]
SERVED = [
    Query(),
    Query(order_by=("name",)),
    Query(where=(OPEN,)),
    Query(where=(OPEN, where("kind").eq(1)), order_by=("name",)),
    Query(where=(where("kind").eq(1),), order_by=("name",)),
    Query(where=(where("tags").contains(1),)),
    Query(where=(where("kind").exists(),)),
    Query(where=(where("name").prefix("n"),), order_by=("name",)),
    Query(where=(where("status").in_(["open"]), where("kind").in_([1, 2])), order_by=("name",)),
    Query(where=(OPEN,), order_by=("name", "value")),
]


class TestUnservedQueries:
    @pytest.mark.parametrize("query", UNSERVED, ids=range(len(UNSERVED)))
    def test_are_an_error_that_names_the_collection_where_the_service_is_strict(
        self, strict_service: DatabaseService, query: Query
    ) -> None:
        fill(strict_service, NOTES, {"a": note(1)})
        with pytest.raises(InvalidQuery) as caught:
            strict_service.query(NOTES, query)
        assert caught.value.name == "notes"

    @pytest.mark.parametrize("query", SERVED, ids=range(len(SERVED)))
    def test_served_ones_are_no_error(
        self, strict_service: DatabaseService, query: Query, caplog: pytest.LogCaptureFixture
    ) -> None:
        fill(strict_service, NOTES, {"a": note(1)})
        with caplog.at_level(logging.WARNING, logger="app.db"):
            strict_service.query(NOTES, query)
        assert not caplog.records

    @pytest.mark.parametrize("query", UNSERVED, ids=range(len(UNSERVED)))
    def test_are_otherwise_a_warning_and_still_right(
        self, service: DatabaseService, query: Query, caplog: pytest.LogCaptureFixture
    ) -> None:
        given = {f"{n:03}": {**note(n), "text": "x" * (n % 7)} for n in range(120)}
        fill(service, NOTES, given)
        fill(service, OTHERS, {f"{n:03}": note(n) for n in range(30)})
        with caplog.at_level(logging.WARNING, logger="app.db"):
            for descending in (False, True):
                asked = replace(query, limit=11, descending=descending)
                expected = answer([{**one, "_id": id} for id, one in given.items()], asked)
                assert ids_of(service, NOTES, asked) == expected
        assert caplog.records
        assert "notes" in caplog.text
        assert service.unserved["notes"] >= 2

    def test_a_count_that_no_index_serves_is_an_error_or_a_warning_too(
        self, service: DatabaseService, strict_service: DatabaseService, caplog: pytest.LogCaptureFixture
    ) -> None:
        for one in (service, strict_service):
            fill(one, NOTES, {f"{n}": note(n) for n in range(10)})
        with pytest.raises(InvalidQuery):
            strict_service.count(NOTES, (where("kind").eq(1),))
        with caplog.at_level(logging.WARNING, logger="app.db"):
            assert service.count(NOTES, (where("kind").eq(1),)) == (2, True)
        assert caplog.records


class TestCounts:
    @pytest.mark.parametrize(
        "conditions",
        [
            (),
            (where("name").prefix("n"),),
            (OPEN,),
            (OPEN, where("name").gte("n")),
            (where("status").in_(["open", "closed"]),),
            (where("status").in_(["open", "other"]), where("kind").gte(0)),
            (where("kind").gte(0),),
            (where("tags").exists(False),),
            (where("name").gt("a"), where("value").gte(0)),
        ],
    )
    def test_a_count_is_exact_up_to_its_bound(self, service: DatabaseService, conditions: tuple[Any, ...]) -> None:
        fill(service, NOTES, {f"{n:02}": {**note(n), "status": "open"} for n in range(12)})
        fill(service, OTHERS, {f"{n:02}": note(n) for n in range(20)})
        for up_to, expected in (
            (1, (1, False)),
            (11, (11, False)),
            (12, (12, True)),
            (13, (12, True)),
            (10**9, (12, True)),
        ):
            assert service.count(NOTES, conditions, up_to) == expected
        assert service.count("third/notes", conditions) == (0, True)

    def test_a_count_follows_writes(self, service: DatabaseService) -> None:
        for n in range(5):
            service.save(NOTES, f"{n}", {"status": "open"})
            assert service.count(NOTES, (OPEN,)) == (n + 1, True)
        service.save(NOTES, "0", {"status": "closed"})
        service.delete(NOTES, "1")
        assert service.count(NOTES, (OPEN,)) == (3, True)

    def test_the_bound_is_a_thousand_unless_said_otherwise(self, service: DatabaseService) -> None:
        fill(service, NOTES, {f"{n:04}": {"status": "open"} for n in range(1_001)})
        assert service.count(NOTES) == service.count(NOTES, (OPEN,)) == (1_000, False)
        service.delete(NOTES, "0000")
        assert service.count(NOTES) == service.count(NOTES, (OPEN,)) == (1_000, True)
