"""A second, naive reading of the query rules: what a query must answer, by sorting and filtering everything.

It shares no code with the planner, the sort keys or the filters, so that the two can disagree.
"""

from typing import Any

from app.db import Query
from app.db.query import Condition

Document = dict[str, Any]
_NOTHING = object()
SORTED_BYTES = 240 - 1  # the key's first byte says that it is a string


def answer(documents: list[Document], query: Query) -> list[str]:
    """The ids that all pages of the query together have, in order."""
    found = [(sort_key(document, query.order_by), document["_id"].encode()) for document in matching(documents, query)]
    return [id.decode() for _, id in sorted(found, reverse=query.descending)]


def matching(documents: list[Document], query: Query) -> list[Document]:
    """The documents that the query's conditions and order let through, in any order."""
    return [
        document
        for document in documents
        if all(holds(condition, document) for condition in query.where)
        and all(sort_value(look(document, field)) is not None for field in query.order_by)
    ]


def look(document: Document, field: str) -> Any:
    """The value at a dotted path, or _NOTHING."""
    value: Any = document
    for key in field.split("."):
        if not isinstance(value, dict) or key not in value:
            return _NOTHING
        value = value[key]
    return value


def sort_key(document: Document, fields: tuple[str, ...]) -> list[tuple[int, Any] | None]:
    """The values that the order compares."""
    return [sort_value(look(document, field)) for field in fields]


def sort_value(value: Any) -> tuple[int, Any] | None:
    """Null, false, true, numbers, strings by code point; None for what has no place in the order."""
    if value is None:
        return 0, 0
    if isinstance(value, bool):
        return 1, value
    if isinstance(value, int | float):
        return 2, value
    if isinstance(value, str):
        # UTF-8 orders by code point. A NUL counts as two bytes and is never split, as every encoding must mark its end.
        counted = value.encode().replace(b"\0", b"\0\xff")[:SORTED_BYTES]
        if len(counted) == SORTED_BYTES and counted.endswith(b"\0"):
            counted = counted[:-1]
        return 3, counted.replace(b"\0\xff", b"\0")
    return None


def holds(condition: Condition, document: Document) -> bool:
    """Whether a condition lets a document through."""
    value, operand = look(document, condition.field), condition.operand
    if condition.operator == "exists":
        return bool((value is not _NOTHING) == operand)
    if condition.operator == "eq":
        return alike(value, operand)
    if condition.operator == "in":
        return any(alike(value, one) for one in operand)
    if condition.operator == "contains":
        return isinstance(value, list) and any(alike(item, operand) for item in value)
    if condition.operator == "prefix":
        return isinstance(value, str) and value[: len(operand)] == operand
    if kind(value) != kind(operand) or kind(value) == "":
        return False
    order = (value > operand) - (value < operand)
    return bool(order in {"lt": (-1,), "lte": (-1, 0), "gt": (1,), "gte": (0, 1)}[condition.operator])


def alike(one: Any, other: Any) -> bool:
    """Equal scalars of one kind."""
    return bool(kind(one) == kind(other) != "" and one == other)


def kind(value: Any) -> str:
    """null, boolean, number, string, or nothing comparable."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else ""
