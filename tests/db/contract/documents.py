"""The portable document: what is stored and read back equal, and what is refused before a backend sees it."""

from collections import OrderedDict
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any

import pytest

from app.db import DatabaseService, InvalidDocument, Query, TooLarge, where
from tests.db.contract.given import NOTES, READERS, WRITERS, Document, Writer, body, ids_of
from tests.db.contract.hostile import INNER_KEYS, KEYS, NUMBERS, SCALARS, TEXTS

EVERY_WRITER = pytest.mark.parametrize("write", WRITERS.values(), ids=list(WRITERS))
# The second is no "plain" document for the checks: it takes the path that makes a new object.
BESIDE = pytest.mark.parametrize("beside", [{}, {"ключ": 2.0}], ids=["stored as it is", "normalised"])


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Text(str):
    __slots__ = ()


class Fraction(float):
    pass


def nested(depth: int, kind: type = dict) -> Any:
    """A value with so many objects or arrays inside one another."""
    value: Any = 1
    for _ in range(depth):
        value = {"x": value} if kind is dict else [value]
    return value


def same(one: Any, other: Any) -> bool:
    """Equal in value and in type, all the way down: Python alone would call 1, 1.0 and True equal."""
    if type(one) is not type(other):
        return False
    if type(one) is dict:
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if type(one) is list:
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def assert_round_trip(service: DatabaseService, write: Writer, document: Document, expected: Document) -> None:
    write(service, NOTES, "a", document)
    for way, read in READERS.items():
        found = read(service, NOTES, "a")
        assert found is not None, way
        assert same(body(found), expected), way


@EVERY_WRITER
@BESIDE
class TestPortableValues:
    def test_every_scalar_is_read_back_equal_and_of_its_type(
        self, service: DatabaseService, write: Writer, beside: Document
    ) -> None:
        document = {"all": list(SCALARS), **{f"f{place}": value for place, value in enumerate(SCALARS)}}
        document |= {"deep": {"all": list(SCALARS)}}
        assert_round_trip(service, write, {**document, **beside}, {**document, **dict.fromkeys(beside, 2)})

    def test_every_key_is_kept(self, service: DatabaseService, write: Writer, beside: Document) -> None:
        inner = {key: key for key in KEYS + INNER_KEYS}
        document = {key: key for key in KEYS} | {"inner": inner, "list": [inner, [inner]]}
        assert_round_trip(service, write, {**document, **beside}, {**document, **dict.fromkeys(beside, 2)})

    def test_containers_of_every_shape_are_kept(
        self, service: DatabaseService, write: Writer, beside: Document
    ) -> None:
        document = {
            "empty": {},
            "none": [],
            "empties": [[], {}, [[]], [{}], {"x": []}],
            "arrays": [[1, [2, [3, []]]], [[[["x"]]]]],
            "mixed": [None, True, 0, "", [], {}, {"a": [{"b": [None]}]}],
        }
        assert_round_trip(service, write, {**document, **beside}, {**document, **dict.fromkeys(beside, 2)})

    def test_twenty_levels_are_kept(self, service: DatabaseService, write: Writer, beside: Document) -> None:
        document = {"objects": nested(20), "arrays": nested(20, list)}
        assert_round_trip(service, write, {**document, **beside}, {**document, **dict.fromkeys(beside, 2)})

    def test_integral_floats_become_integers(self, service: DatabaseService, write: Writer, beside: Document) -> None:
        given: Document = {"a": 2.0, "b": [-3.0, {"c": 0.0}], "d": -0.0, "e": float(2**53 - 1), "f": 2.0**53}
        expected: Document = {"a": 2, "b": [-3, {"c": 0}], "d": 0, "e": 2**53 - 1, "f": 2.0**53}
        assert_round_trip(service, write, {**given, **beside}, {**expected, **dict.fromkeys(beside, 2)})

    def test_long_text_and_many_keys_are_kept(self, service: DatabaseService, write: Writer, beside: Document) -> None:
        document: Document = {f"key{n}": n for n in range(2_000)} | {"text": "zeile\n" * 20_000}
        assert_round_trip(service, write, {**document, **beside}, {**document, **dict.fromkeys(beside, 2)})


REFUSED_VALUES: list[tuple[str, Any]] = [
    ("NaN", float("nan")),
    ("infinity", float("inf")),
    ("minus infinity", float("-inf")),
    ("too large a float", 1.1e125),
    ("too small a float", 9e-126),
    ("a denormal float", 5e-324),
    ("an integer of 2^53", 2**53),
    ("an integer of -2^53", -(2**53)),
    ("an integer of 2^64", 2**64),
    ("a huge integer", 10**400),
    ("bytes", b"x"),
    ("a tuple", (1, 2)),
    ("a set", {1}),
    ("a date", datetime(2026, 1, 2, tzinfo=UTC)),
    ("a decimal", Decimal(1)),
    ("an object", object()),
    ("a class", dict),
    ("a function", len),
    ("an enumerated text", Colour.RED),
    ("an enumerated number", Level.LOW),
    ("a subclass of text", Text("x")),
    ("a subclass of float", Fraction(1.5)),
    ("a subclass of dict", OrderedDict(a=1)),
    ("a complex number", 1j),
    ("a lone high surrogate", "\ud800"),
    ("a lone low surrogate inside", "a\udfffb"),
    ("a surrogate pair as two characters", "\ud83d\ude00"),
]


REFUSED_KEYS: list[tuple[dict[Any, Any], str]] = [
    ({"_private": 1}, "_private"),
    ({"~tag": 1}, "~tag"),
    ({"_": 1}, "_"),
    ({"~": 1}, "~"),
    ({"": 1}, ""),
    ({"a": {"": 1}}, "a."),
    ({1: 1}, ""),
    ({"a": {None: 1}}, "a"),
    ({"a": [{True: 1}]}, "a[0]"),
    ({"x" * 256: 1}, "x" * 80),
    ({"é" * 128: 1}, "é" * 80),
    ({"a": {"x" * 256: 1}}, "a." + "x" * 80),
    ({"\ud800": 1}, "\\ud800"),
    ({"a": {"b\udc00": 1}}, "a.b\\udc00"),
    ({Text("_x"): 1}, ""),
]


def refused(service: DatabaseService, write: Writer, document: Document) -> str:
    """The path that the refusal of a document names."""
    with pytest.raises(InvalidDocument) as caught:
        write(service, NOTES, "a", document)
    return caught.value.path


@EVERY_WRITER
@BESIDE
class TestRefusedValues:
    def test_what_is_not_portable_is_refused_with_its_path(
        self, service: DatabaseService, write: Writer, beside: Document
    ) -> None:
        for name, value in REFUSED_VALUES:
            for document, path in (
                ({"bad": value}, "bad"),
                ({"deep": {"list": [1, [{"bad": value}]]}}, "deep.list[1][0].bad"),
            ):
                assert refused(service, write, {"good": 1, **document, **beside}) == path, name
        assert all(body(document) == {} for document in service.list_all(NOTES))

    def test_a_key_that_not_every_database_has_is_refused_with_its_path(
        self, service: DatabaseService, write: Writer, beside: Document
    ) -> None:
        for document, path in REFUSED_KEYS:
            assert refused(service, write, {**document, **beside}) == path, document
        assert all(body(document) == {} for document in service.list_all(NOTES))

    @pytest.mark.parametrize("kind", [dict, list])
    def test_deeper_than_twenty_is_refused(
        self, service: DatabaseService, write: Writer, beside: Document, kind: type
    ) -> None:
        for depth in (21, 22, 100, 10_000):
            assert refused(service, write, {"deep": nested(depth, kind), **beside}).startswith("deep")

    def test_a_document_that_holds_itself_is_refused(
        self, service: DatabaseService, write: Writer, beside: Document
    ) -> None:
        document: Document = {**beside}
        document["self"] = document
        with pytest.raises(InvalidDocument):
            write(service, NOTES, "a", document)


class TestSizes:
    @EVERY_WRITER
    def test_just_under_the_limit_is_kept_and_just_over_is_too_large(
        self, service: DatabaseService, write: Writer
    ) -> None:
        document = {"text": "x" * 349_800}
        assert_round_trip(service, write, document, document)
        with pytest.raises(TooLarge):
            write(service, NOTES, "b", {"text": "x" * 350_000})
        assert all(body(document) == {} for document in service.list_all(NOTES) if document["_id"] == "b")

    @pytest.mark.parametrize(
        "document",
        [
            {"text": "é" * 175_000},
            {"text": "😀" * 87_500},
            {"text": "\x00" * 60_000},
            {"numbers": [1] * 44_000},
            {f"k{n}": None for n in range(40_000)},
            {"texts": [""] * 150_000},
            {"arrays": [[] for _ in range(120_000)]},
        ],
        ids=["two bytes", "four bytes", "escaped", "numbers", "keys", "texts", "arrays"],
    )
    def test_the_strictest_count_decides(self, service: DatabaseService, document: Document) -> None:
        with pytest.raises(TooLarge):
            service.save(NOTES, "a", document)
        assert ids_of(service, NOTES) == []

    @pytest.mark.parametrize("document", [None, [], "text", 1, (), OrderedDict(a=1)], ids=repr)
    def test_what_is_no_object_is_no_document(self, service: DatabaseService, document: Any) -> None:
        with pytest.raises(InvalidDocument):
            service.save(NOTES, "a", document)
        with pytest.raises(InvalidDocument):
            service.create(NOTES, "a", document)


class TestValuesInQueries:
    """A scalar that was stored is found again by eq, with an index and without one, and only by itself."""

    @pytest.mark.parametrize("field", ["value", "plain"])
    def test_every_scalar_is_found_by_eq(self, service: DatabaseService, field: str) -> None:
        values = list(dict.fromkeys((type(value) is bool, value) for value in SCALARS))
        service.write_batch(NOTES, [{"_id": f"{place:03}", field: value} for place, (_, value) in enumerate(values)])
        for place, (_, value) in enumerate(values):
            assert ids_of(service, NOTES, Query(where=(where(field).eq(value),))) == [f"{place:03}"], repr(value)

    def test_every_text_is_found_by_prefix_of_itself(self, service: DatabaseService) -> None:
        service.write_batch(NOTES, [{"_id": f"{place:03}", "value": text} for place, text in enumerate(TEXTS)])
        for text in TEXTS:
            expected = {f"{place:03}" for place, other in enumerate(TEXTS) if other.startswith(text)}
            found = ids_of(service, NOTES, Query(where=(where("value").prefix(text),), order_by=("value",)))
            assert set(found) == expected, repr(text)

    def test_every_number_divides_the_others_exactly(self, service: DatabaseService) -> None:
        service.write_batch(NOTES, [{"_id": f"{place:03}", "value": value} for place, value in enumerate(NUMBERS)])
        for number in NUMBERS:
            smaller = {f"{place:03}" for place, other in enumerate(NUMBERS) if other < number}
            found = ids_of(service, NOTES, Query(where=(where("value").lt(number),), order_by=("value",)))
            assert set(found) == smaller, number
