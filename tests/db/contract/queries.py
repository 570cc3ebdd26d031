"""Queries: conditions, the one order, projection."""

from itertools import product
from typing import Any

import pytest

from app.db import DatabaseService, InvalidQuery, Query, where
from app.db.query import Condition
from tests.db.contract.given import NOTES, body, fill, ids_of
from tests.db.contract.naive import answer, matching

# In the order that every database has to keep, those without a place in it at the end.
ORDERED: list[Any] = [
    None, False, True, -1e125, -(2**53 - 1), -10, -2, -1.5, -1, -0.5, -1e-125, 0, 1e-125, 0.1, 0.5, 1, 1.5, 2, 10,
    2**53 - 1, 1e20, 1e125, "", "\x00", "\x00\x00", "\x00a", "\x01", " ", "0", "1", "10", "2", "A", "B", "Z", "_",
    "a", "a\x00", "a\x00b", "a\x01", "a b", "aa", "ab", "b", "true", "~", "\x7f", "\x80", "ß", "ä", "é", "عربي",
    "\ue000", "\ufffd", "\uffff", "😀", "\U0010ffff",
]  # fmt: skip
OUTSIDE: list[Any] = [[], ["a"], [1], {}, {"a": 1}, [[None]]]
VALUES = ORDERED + OUTSIDE
OPERANDS: list[Any] = [
    None,
    False,
    True,
    -1.5,
    0,
    1,
    1.0,
    2,
    0.1,
    2**53 - 1,
    "",
    "\x00",
    "a",
    "a\x00",
    "ab",
    "ä",
    "😀",
    "1",
]


def documents(field: str = "value") -> dict[str, dict[str, Any]]:
    """A document for each value, in no particular order of ids, and two without the field."""
    made = {f"{(place * 37) % 101:03}": {field: value} for place, value in enumerate(VALUES)}
    return made | {"missing": {"other": 1}, "missing2": {}}


def listed(given: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**document, "_id": id} for id, document in given.items()]


def conditions_on(field: str) -> list[Condition]:
    """Every operator with every operand that it takes."""
    asked = where(field)
    made = [asked.eq(operand) for operand in OPERANDS] + [asked.contains(operand) for operand in OPERANDS]
    for operand in OPERANDS[1:]:
        made += [asked.lt(operand), asked.lte(operand), asked.gt(operand), asked.gte(operand)]
    made += [asked.prefix(operand) for operand in OPERANDS if isinstance(operand, str)]
    made += [asked.exists(True), asked.exists(False), asked.in_([]), asked.in_(OPERANDS), asked.in_(["a", "a", 1, 1.0])]
    return [*made, asked.in_([True, "b"]), asked.in_([1]), asked.in_([None, "none"])]


class TestConditions:
    @pytest.mark.parametrize("field", ["value", "unindexed", "address.city"])
    def test_every_operator_with_every_type_is_exact(self, service: DatabaseService, field: str) -> None:
        given = documents(field)
        if "." in field:
            outer, inner = field.split(".")
            given = {id: {outer: {inner: one[field]}} if field in one else one for id, one in given.items()}
            given |= {"scalar": {outer: "a"}, "array": {outer: [{inner: "a"}]}, "null": {outer: None}}
        fill(service, NOTES, given)
        for condition in conditions_on(field):
            expected = {one["_id"] for one in matching(listed(given), Query(where=(condition,)))}
            assert set(ids_of(service, NOTES, Query(where=(condition,)))) == expected, condition
            assert service.count(NOTES, (condition,)) == (len(expected), True), condition

    def test_two_conditions_both_hold(self, service: DatabaseService) -> None:
        given = documents()
        fill(service, NOTES, given)
        value = where("value")
        pairs = [
            (value.gt("a"), value.lte("b")),
            (value.gte(1), value.lt(10)),
            (value.gt(10), value.lt(1)),
            (value.gte("a"), value.lt(10)),
            (value.prefix("a"), value.gt("a\x00")),
            (value.prefix("a"), value.prefix("ab")),
            (value.prefix("a"), value.prefix("b")),
            (value.eq(1), value.eq(True)),
            (value.eq("a"), value.prefix("a")),
            (value.in_(["a", "b", 1]), value.gt("a")),
            (value.in_(["a", "b"]), value.in_(["b", "c"])),
            (value.eq("a"), value.in_(["b"])),
            (value.exists(), value.lt("b")),
            (value.exists(False), value.exists(True)),
            (value.exists(False), where("other").eq(1)),
        ]
        for pair in pairs:
            for order_by in ((), ("value",)):
                for conditions in (pair, pair[::-1]):
                    query = Query(where=conditions, order_by=order_by)
                    assert ids_of(service, NOTES, query) == answer(listed(given), query), query
            assert service.count(NOTES, pair) == (len(answer(listed(given), Query(where=pair))), True), pair

    def test_null_is_not_missing(self, service: DatabaseService) -> None:
        fill(service, NOTES, {"null": {"value": None}, "missing": {}, "empty": {"value": ""}, "zero": {"value": 0}})
        value = where("value")
        assert ids_of(service, NOTES, Query(where=(value.eq(None),))) == ["null"]
        assert ids_of(service, NOTES, Query(where=(value.exists(),))) == ["empty", "null", "zero"]
        assert ids_of(service, NOTES, Query(where=(value.exists(False),))) == ["missing"]
        assert ids_of(service, NOTES, Query(order_by=("value",))) == ["null", "zero", "empty"]

    def test_true_is_not_one_and_text_is_not_a_number(self, service: DatabaseService) -> None:
        fill(
            service,
            NOTES,
            {"true": {"value": True}, "one": {"value": 1}, "text": {"value": "1"}, "list": {"value": [1]}},
        )
        for operand, expected in ((True, ["true"]), (1, ["one"]), (1.0, ["one"]), ("1", ["text"])):
            assert ids_of(service, NOTES, Query(where=(where("value").eq(operand),))) == expected
            assert ids_of(service, NOTES, Query(where=(where("value").in_([operand]),))) == expected
        assert ids_of(service, NOTES, Query(where=(where("value").contains(1),))) == ["list"]
        assert ids_of(service, NOTES, Query(where=(where("value").contains(True),))) == []

    def test_a_condition_on_a_field_that_nobody_has_finds_nothing(self, service: DatabaseService) -> None:
        fill(service, NOTES, documents())
        assert ids_of(service, NOTES, Query(where=(where("nobody.has.this").eq(1),))) == []
        assert service.count(NOTES, (where("nobody").exists(),)) == (0, True)

    @pytest.mark.parametrize(
        "ask",
        [
            lambda: where("a").eq([1]),
            lambda: where("a").eq({"$gt": ""}),
            lambda: where("a").eq(object()),
            lambda: where("a").eq(b"a"),
            lambda: where("a").eq("\ud800"),
            lambda: where("a").eq(float("nan")),
            lambda: where("a").eq(float("inf")),
            lambda: where("a").eq(2**53),
            lambda: where("a").eq("x" * 400_000),
            lambda: where("a").lt(None),
            lambda: where("a").gte([1]),
            lambda: where("a").prefix(1),  # type: ignore[arg-type]
            lambda: where("a").prefix(None),  # type: ignore[arg-type]
            lambda: where("a").contains({"$regex": ".*"}),
            lambda: where("a").in_("abc"),
            lambda: where("a").in_(5),  # type: ignore[arg-type]
            lambda: where("a").in_({"$gt": ""}),  # type: ignore[arg-type]
            lambda: where("a").in_([[1]]),
            lambda: where("a").in_(list(range(31))),
            lambda: where("a").exists("yes"),  # type: ignore[arg-type]
        ],
    )
    def test_an_operand_that_cannot_be_compared_names_the_field(self, ask: Any) -> None:
        with pytest.raises(InvalidQuery) as caught:
            ask()
        assert caught.value.name == "a"

    @pytest.mark.parametrize(
        ("options", "name"),
        [
            ({"limit": 0}, "limit"),
            ({"limit": -1}, "limit"),
            ({"limit": 1_001}, "limit"),
            ({"limit": "5"}, "limit"),
            ({"limit": True}, "limit"),
            ({"limit": 2.0}, "limit"),
            ({"order_by": "name"}, "order_by"),
            ({"order_by": ["name"]}, "order_by"),
            ({"order_by": ("a", "b", "c")}, "order_by"),
            ({"order_by": ("a", "a")}, "order_by"),
            ({"order_by": ("_id",)}, "_id"),
            ({"where": where("a").eq(1)}, "where"),
            ({"where": [where("a").eq(1)]}, "where"),
            ({"where": ({"a": 1},)}, "where"),
            ({"where": (where("a").eq(1),) * 21}, "where"),
            ({"fields": "name"}, "fields"),
            ({"fields": ("$gt..",)}, "$gt.."),
            ({"cursor": 5}, "cursor"),
            ({"cursor": b"x"}, "cursor"),
        ],
        ids=repr,
    )
    def test_a_wrong_part_of_a_query_is_named(self, options: dict[str, Any], name: str) -> None:
        with pytest.raises(InvalidQuery) as caught:
            Query(**options)
        assert caught.value.name == name

    @pytest.mark.parametrize("up_to", [0, -1, 1.5, True, None, "5"])
    def test_a_count_needs_a_bound(self, service: DatabaseService, up_to: Any) -> None:
        with pytest.raises(InvalidQuery) as caught:
            service.count(NOTES, (), up_to)
        assert caught.value.name == "up_to"
        with pytest.raises(InvalidQuery):
            service.count(NOTES, [where("a").eq(1)])  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["value", "unindexed"])
@pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
class TestTheOneOrder:
    def test_all_types_have_one_order_and_the_others_are_left_out(
        self, service: DatabaseService, field: str, descending: bool
    ) -> None:
        fill(service, NOTES, documents(field))
        for limit in (1_000, 7, 1):
            query = Query(order_by=(field,), descending=descending, limit=limit)
            found = [service.get(NOTES, id)[field] for id in ids_of(service, NOTES, query)]
            assert list(map(repr, found)) == list(map(repr, ORDERED[::-1] if descending else ORDERED))

    def test_equal_values_are_ordered_by_id(self, service: DatabaseService, field: str, descending: bool) -> None:
        ids = ["b", "a", "B", "ä", "😀", "\uffff", "aa", "a\x00", "10", "9"]
        given = {f"{id}{group}": {field: value} for id in ids for group, value in enumerate([1, "same", None])}
        fill(service, NOTES, given)
        for limit in (1, 2, 3, 100):
            query = Query(order_by=(field,), descending=descending, limit=limit)
            assert ids_of(service, NOTES, query) == answer(listed(given), query)

    def test_one_and_one_point_zero_tie(self, service: DatabaseService, field: str, descending: bool) -> None:
        fill(service, NOTES, {"c": {field: 1}, "a": {field: 1.0}, "b": {field: 1}, "d": {field: -0.0}, "e": {field: 0}})
        expected = ["d", "e", "a", "b", "c"]
        found = ids_of(service, NOTES, Query(order_by=(field,), descending=descending, limit=1))
        assert found == (expected[::-1] if descending else expected)

    def test_long_texts_are_ordered_by_their_first_bytes_then_the_id(
        self, service: DatabaseService, field: str, descending: bool
    ) -> None:
        texts = [
            f"{'x' * length}{end}" for length in range(235, 243) for end in ("", "a", "b", "\x00", "\x00b", "é", "\x01")
        ]
        texts += ["é" * 119 + end for end in ("", "x", "xy", "é", "éx", "\x00")] + ["\x00" * n for n in range(117, 123)]
        given = {f"{(place * 31) % 97:03}": {field: text} for place, text in enumerate(texts)}
        fill(service, NOTES, given)
        assert len(given) == len(texts)
        for limit in (1, 5, 1_000):
            query = Query(order_by=(field,), descending=descending, limit=limit)
            assert ids_of(service, NOTES, query) == answer(listed(given), query)
        for text in texts:
            for condition in (
                where(field).eq(text),
                where(field).prefix(text),
                where(field).gt(text),
                where(field).lte(text),
            ):
                query = Query(where=(condition,), order_by=(field,), descending=descending)
                assert ids_of(service, NOTES, query) == answer(listed(given), query), condition


NAMES: tuple[Any, ...] = ("ann", "bob", "bob", "cem", None, 7, True, "x" * 300, "x" * 300 + "y")
STATUSES = ("open", "closed", 1, None)
GIVEN: dict[str, dict[str, Any]] = {
    f"{(place * 53) % 997:03}": {"status": status, "name": name, "value": value, "kind": place % 3}
    for place, (status, name, value) in enumerate(product(STATUSES, NAMES, (2, "b", 10, None)))
}


class TestTwoFieldsAndMerging:
    @pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
    @pytest.mark.parametrize(
        ("conditions", "order_by"),
        [
            ((), ("name", "value")),
            ((), ("value", "name")),
            ((where("status").eq("open"),), ("name", "value")),
            ((where("status").in_(["open", 1, "closed"]),), ("name", "value")),
            ((where("status").in_(["open", 1, "closed", "no"]),), ("name",)),
            ((where("status").in_(["closed", "open"]),), ()),
            ((where("status").in_(["closed", None]), where("kind").in_([0, 2])), ("name",)),
            ((where("status").in_([None, "closed"]), where("name").prefix("b")), ("name",)),
            ((where("status").in_(["open", "closed"]), where("name").gt("ann")), ("name", "value")),
            ((where("name").prefix("x" * 300),), ("name",)),
            ((where("name").eq("x" * 300),), ("value",)),
            ((where("name").in_(["x" * 300, "x" * 300 + "y"]), where("value").gt(1)), ("value",)),
            ((where("kind").eq(1),), ("name",)),
            ((where("value").gte(2), where("kind").lt(2)), ("name", "value")),
            ((where("status").in_([]),), ("name",)),
        ],
    )
    def test_pages_of_any_size_give_the_whole_order(
        self, service: DatabaseService, conditions: tuple[Condition, ...], order_by: tuple[str, ...], descending: bool
    ) -> None:
        fill(service, NOTES, GIVEN)
        for limit in (1, 3, 50, 1_000):
            query = Query(where=conditions, order_by=order_by, descending=descending, limit=limit)
            assert ids_of(service, NOTES, query) == answer(listed(GIVEN), query)


class TestProjection:
    def test_a_page_along_an_index_has_every_number_as_it_was_stored(self, service: DatabaseService) -> None:
        numbers: list[Any] = [2.0**53, -(2.0**53), 1.5e16, -(2.0**60), 1e20, 2**53 - 1, 1_773_000_000_000_000, 0.1, 5]
        fill(service, NOTES, {"a": {"status": "open", "name": "a", "numbers": numbers, "in": {"one": 2.0**62}}})
        fill(service, NOTES, {f"{n}": {"status": "open", "name": n} for n in numbers})
        condition = where("status").eq("open")
        for fields, descending in product((None, ("numbers", "in", "name")), (False, True)):
            query = Query(where=(condition,), order_by=("name",), fields=fields, descending=descending)
            found = {one["_id"]: one for one in service.query(NOTES, query).documents}
            assert repr(found["a"]["numbers"]) == repr(numbers)
            assert repr(found["a"]["in"]) == repr({"one": 2.0**62})
            assert {repr(one["name"]) for one in found.values()} == {*map(repr, numbers), "'a'"}

    def test_fields_brings_id_revision_and_the_fields_only(self, service: DatabaseService) -> None:
        rev = service.save(NOTES, "a", {"name": "Ada", "value": 1, "address": {"city": "Bonn", "zip": "1"}, "no": 1})[
            "rev"
        ]
        for fields, expected in (
            ((), {}),
            (("name",), {"name": "Ada"}),
            (("address.city", "value"), {"address": {"city": "Bonn"}, "value": 1}),
            (("address.city", "address.zip"), {"address": {"city": "Bonn", "zip": "1"}}),
            (("address", "address.city"), {"address": {"city": "Bonn", "zip": "1"}}),
            (("missing", "name.inner", "address.none"), {}),
        ):
            for order_by in ((), ("name",), ("address.city",), ("name", "value"), ("no",)):
                (document,) = service.query(NOTES, Query(order_by=order_by, fields=fields)).documents
                assert document == {"_id": "a", "_rev": rev, **expected}, (fields, order_by)

    @pytest.mark.parametrize("order_by", [("name",), ("value",), ("name", "value"), ("unindexed",), ()])
    def test_projected_values_are_exact_and_pages_go_on(
        self, service: DatabaseService, order_by: tuple[str, ...]
    ) -> None:
        values = [
            1,
            1.5,
            True,
            None,
            "x" * 300 + "a",
            "x" * 300 + "b",
            "a\x00b",
            "é",
            [1],
            {"a": 1},
            2**53 - 1,
            -0.1,
            1e20,
        ]
        given = {f"{n:02}": {"name": f"n{n:02}", "value": value, "unindexed": n} for n, value in enumerate(values)}
        fill(service, NOTES, given)
        query = Query(order_by=order_by, fields=("value", "name"), limit=2)
        found, cursor = [], None
        while True:
            page = service.query(NOTES, Query(order_by=order_by, fields=query.fields, limit=2, cursor=cursor))
            found += page.documents
            cursor = page.cursor
            if cursor is None:
                break
        assert [document["_id"] for document in found] == answer(listed(given), query)
        for document in found:
            whole = given[document["_id"]]
            assert repr(sorted(body(document).items())) == repr([("name", whole["name"]), ("value", whole["value"])])

    def test_a_condition_may_be_on_a_field_that_is_not_asked_for(self, service: DatabaseService) -> None:
        fill(
            service, NOTES, {"a": {"status": "open", "name": "Ada", "kind": 1}, "b": {"status": "open", "name": "Bob"}}
        )
        query = Query(where=(where("status").eq("open"), where("kind").eq(1)), order_by=("name",), fields=("name",))
        assert [body(document) for document in service.query(NOTES, query).documents] == [{"name": "Ada"}]
