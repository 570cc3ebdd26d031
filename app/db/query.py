"""Queries: a conjunction of conditions on field paths, an order, a limit, a cursor.

    Query(where=(where("status").eq("open"), where("name").prefix("a")), order_by=("name",), limit=50)

Conditions are exact and never coerce: true is not 1, a range or prefix matches only values of its operand's type, null
is not the same as missing. What is wrong with a query is an InvalidQuery that names the field when the query is built.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from app.db.documents import LARGEST_FLOAT, MAX_BYTES, MAX_INTEGER, Document
from app.db.errors import InvalidQuery
from app.db.fields import MISSING, parse_field, value_at

MAX_LIMIT: Final = 1_000
MAX_IN: Final = 30
MAX_CONDITIONS: Final = 20
MAX_RECENT: Final = 100

Operator = Literal["eq", "in", "lt", "lte", "gt", "gte", "prefix", "contains", "exists"]
RANGES: Final = frozenset({"lt", "lte", "gt", "gte", "prefix"})


class Condition(NamedTuple):
    """One field compared with one operand (for ``in`` a tuple of operands). Build it with ``where``."""

    field: str
    operator: Operator
    operand: Any

    @property
    def parts(self) -> tuple[str, ...]:
        """The parsed field."""
        return parse_field(self.field)

    def matches(self, document: Document) -> bool:
        """Whether a document satisfies the condition, exactly."""
        return _TESTS[self.operator](value_at(document, parse_field(self.field)), self.operand)


class Field:
    """A field path that makes conditions."""

    __slots__ = ("_field",)

    def __init__(self, field: str) -> None:
        parse_field(field)
        self._field = field

    def eq(self, value: Any) -> Condition:
        """The field has this scalar; ``eq(None)`` asks for null, not for missing."""
        return Condition(self._field, "eq", self._scalar(value))

    def in_(self, values: Sequence[Any]) -> Condition:
        """The field has one of these scalars, at most 30."""
        if not isinstance(values, list | tuple) or len(values) > MAX_IN:
            raise InvalidQuery(f"in takes a list of at most {MAX_IN} values", name=self._field)
        return Condition(self._field, "in", tuple(self._scalar(value) for value in values))

    def lt(self, value: Any) -> Condition:
        """Of the same type and before this value."""
        return Condition(self._field, "lt", self._ordered(value))

    def lte(self, value: Any) -> Condition:
        """Of the same type and not after this value."""
        return Condition(self._field, "lte", self._ordered(value))

    def gt(self, value: Any) -> Condition:
        """Of the same type and after this value."""
        return Condition(self._field, "gt", self._ordered(value))

    def gte(self, value: Any) -> Condition:
        """Of the same type and not before this value."""
        return Condition(self._field, "gte", self._ordered(value))

    def prefix(self, text: str) -> Condition:
        """A string that begins with this one, by code points."""
        if type(text) is not str:
            raise InvalidQuery("prefix takes text", name=self._field)
        return Condition(self._field, "prefix", self._scalar(text))

    def contains(self, element: Any) -> Condition:
        """An array that has this scalar as an element."""
        return Condition(self._field, "contains", self._scalar(element))

    def exists(self, present: bool = True) -> Condition:
        """The field is present, null included; or with False, missing."""
        if type(present) is not bool:
            raise InvalidQuery("exists takes true or false", name=self._field)
        return Condition(self._field, "exists", present)

    def _ordered(self, value: Any) -> Any:
        if value is None:
            raise InvalidQuery(
                "a range needs a value to compare with, null has no others of its type", name=self._field
            )
        return self._scalar(value)

    def _scalar(self, value: Any) -> Any:
        """The operand in its portable form: exact type, integral floats as integers."""
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            try:
                size = len(value.encode())
            except UnicodeEncodeError as error:
                raise InvalidQuery("a lone surrogate is not text", name=self._field) from error
            if size > MAX_BYTES:
                raise InvalidQuery("longer than any document", name=self._field)
            return value
        if kind is int and abs(value) <= MAX_INTEGER:
            return value
        if kind is float and abs(value) <= LARGEST_FLOAT:
            return int(value) if value.is_integer() and abs(value) <= MAX_INTEGER else value
        raise InvalidQuery(
            "compares with text, a number within the portable range, true, false or null", name=self._field
        )


def where(field: str) -> Field:
    """Begin a condition on a field path: ``where("address.city").eq("Bonn")``."""
    return Field(field)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to find. All ``where`` hold; ordered by one or two fields and then the id, or by id alone.

    ``descending`` turns the whole order. ``limit`` is 1 to 1,000 documents. ``cursor`` is a former page's. ``fields``
    asks for some field paths only, beside ``_id`` and ``_rev``. A document without an ``order_by`` field, or with an
    array or object there, is not in the answer.

    ``recent`` are at most 100 ids of documents that were written a moment ago: where indexes lag, the answer has them
    as they are by now, for one more read by key. Elsewhere it changes nothing, and nowhere does it change the cursor.
    """

    where: tuple[Condition, ...] = ()
    order_by: tuple[str, ...] = ()
    descending: bool = False
    limit: int = 50
    cursor: str | None = None
    fields: tuple[str, ...] | None = None
    recent: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if type(self.limit) is not int or not 1 <= self.limit <= MAX_LIMIT:
            raise InvalidQuery(f"a limit is 1 to {MAX_LIMIT}", name="limit")
        check_conditions(self.where)
        if type(self.order_by) is not tuple or len(self.order_by) > 2:
            raise InvalidQuery("one or two different fields, as a tuple", name="order_by")
        for field in self.order_by:
            parse_field(field)
        if len(self.order_by) == 2 and self.order_by[0] == self.order_by[1]:
            raise InvalidQuery("one or two different fields, as a tuple", name="order_by")
        if self.fields is not None:
            if type(self.fields) is not tuple:
                raise InvalidQuery("a tuple of field paths", name="fields")
            for field in self.fields:
                parse_field(field)
        if self.cursor is not None and type(self.cursor) is not str:
            raise InvalidQuery("a cursor is text", name="cursor")
        if self.recent and (type(self.recent) is not tuple or len(self.recent) > MAX_RECENT):
            raise InvalidQuery(f"a tuple of at most {MAX_RECENT} ids", name="recent")


@dataclass(slots=True)  # not frozen: made for every query, and freezing costs more than the checks
class Page:
    """Documents in order, and the cursor of the next page, or None after the last.

    A page may hold fewer documents than the limit, even none, and still have a cursor: its filter had examined enough.
    """

    documents: list[Document]
    cursor: str | None


def check_conditions(conditions: object) -> None:
    """InvalidQuery unless these are at most 20 conditions in a tuple."""
    if type(conditions) is not tuple or len(conditions) > MAX_CONDITIONS:
        raise InvalidQuery(f"a tuple of at most {MAX_CONDITIONS} conditions", name="where")
    for condition in conditions:
        if type(condition) is not Condition:
            raise InvalidQuery("conditions are built with where(field)", name="where")


def type_class(value: Any) -> str:
    """The class within which values compare: null, boolean, number, string, or "" for what does not compare."""
    return _CLASSES.get(type(value), "")


_CLASSES: Final = {type(None): "null", bool: "boolean", int: "number", float: "number", str: "string"}


def _same(value: Any, operand: Any) -> bool:
    return bool(value == operand) and type_class(value) == type_class(operand) != ""


def _range(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(value: Any, operand: Any) -> bool:
        return type_class(value) == type_class(operand) and compare(value, operand)

    return test


_TESTS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": _same,
    "in": lambda value, operands: any(_same(value, operand) for operand in operands),
    "lt": _range(lambda value, operand: bool(value < operand)),
    "lte": _range(lambda value, operand: bool(value <= operand)),
    "gt": _range(lambda value, operand: bool(value > operand)),
    "gte": _range(lambda value, operand: bool(value >= operand)),
    "prefix": lambda value, operand: type(value) is str and value.startswith(operand),
    "contains": lambda value, element: type(value) is list and any(_same(item, element) for item in value),
    "exists": lambda value, present: (value is not MISSING) is present,
}
