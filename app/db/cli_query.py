"""A condition as it is typed on the command line: ``status=open``, ``size__gte=3``, ``name__in=["a","b"]``."""

from typing import Any, Final

import orjson

from app.db.errors import InvalidQuery
from app.db.query import Condition, where

OPERATORS: Final = ("eq", "in", "lt", "lte", "gt", "gte", "prefix", "contains", "exists")


def parse_condition(text: str) -> Condition:
    """The condition; InvalidQuery that names what is wrong. What follows the last ``__`` is the operator."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidQuery("a condition is FIELD=VALUE or FIELD__OPERATOR=VALUE", name=text[:80])
    field, underscores, operator = name.rpartition("__")
    if not underscores or not field:
        field, operator = name, "eq"
    if operator not in OPERATORS:
        raise InvalidQuery(f"no operator {operator!r}; there are {', '.join(OPERATORS)}", name=name)
    operand = _typed(value)
    if operator == "prefix" and not isinstance(operand, str):
        operand = value
    if operator == "in" and not isinstance(operand, list):
        raise InvalidQuery('in takes a JSON list, like ["a","b"]', name=name)
    found = where(field)
    condition: Condition = getattr(found, "in_" if operator == "in" else operator)(operand)
    return condition


def _typed(value: str) -> Any:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
