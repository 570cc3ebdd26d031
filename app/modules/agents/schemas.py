"""The subset of JSON Schema that an agent's input and output may be described with.

It is what a form can be made from and what can be checked in time linear in the value: types, properties, items,
bounds, enumerations. Left out on purpose: ``$ref`` and the combinations (anyOf ...), which no form can show, and
``pattern``, which can be made to take for ever.
"""

import json
from collections.abc import Callable
from typing import Any, Final, NoReturn

MAX_SCHEMA: Final = 16_000  # bytes
MAX_DEPTH: Final = 8
MAX_DIGITS: Final = 16
TYPES: Final = ("object", "array", "string", "integer", "number", "boolean", "null")


def check_schema(text: str) -> None:
    """ValueError unless it is "" or the JSON text of a schema within the subset; the sentence says where."""
    if not text.strip():
        return
    if (size := len(text.encode("utf-8", "replace"))) > MAX_SCHEMA:
        raise ValueError(f"A schema has at most {MAX_SCHEMA:,} bytes; this one has {size:,}.")
    _check_object(read_json(text), where="", depth=0)


def read_json(text: str) -> Any:
    """The value of a JSON text; ValueError in plain words, with the line."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_integer, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"This is not JSON. Line {error.lineno}, column {error.colno}: {error.msg}.") from error
    except RecursionError as error:
        raise ValueError("The JSON is nested too deeply.") from error


def _check_object(schema: Any, where: str, depth: int) -> None:
    if not isinstance(schema, dict):
        raise ValueError(f'{_at(where)}A schema is a JSON object, such as {{"type": "object"}}.')
    if depth > MAX_DEPTH:
        raise ValueError(f"{_at(where)}A schema is at most {MAX_DEPTH} levels deep.")
    for key, value in schema.items():
        if key in _NESTED:
            _NESTED[key](value, f"{where}.{key}", depth + 1)
        elif key not in _KEYWORDS:
            raise ValueError(f"{_at(where)}“{key[:60]}” is not among the supported keywords of JSON Schema.")
        else:
            test, wanted = _KEYWORDS[key]
            if not test(value):
                raise ValueError(f"{_at(f'{where}.{key}')}This must be {wanted}.")
    missing = [name for name in schema.get("required", ()) if name not in schema.get("properties", {})]
    if missing:
        raise ValueError(f"{_at(f'{where}.required')}“{missing[0][:60]}” is not among the properties.")


def _check_properties(value: Any, where: str, depth: int) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{_at(where)}This must be an object of schemas.")
    for name, schema in value.items():
        _check_object(schema, f"{where}.{name[:60]}", depth)


def _at(where: str) -> str:
    return f"{where.removeprefix('.')}: " if where else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_type(value: Any) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(isinstance(name, str) and name in TYPES for name in names)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _anything(value: Any) -> bool:
    return True


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"The JSON names “{key[:60]}” twice.")
        made[key] = value
    return made


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError("The JSON holds a number that is too large.")
    return int(text)


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON.")


_NESTED: Final[dict[str, Callable[[Any, str, int], None]]] = {
    "properties": _check_properties,
    "items": _check_object,
}
_TEXT: Final = (lambda value: isinstance(value, str), "text")
_NUMBER: Final = (_is_number, "a number")
_COUNT: Final = (_is_count, "a whole number, 0 or more")
_FLAG: Final = (lambda value: isinstance(value, bool), "true or false")
_KEYWORDS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "type": (_is_type, f"one or several of {', '.join(TYPES)}"),
    "title": _TEXT,
    "description": _TEXT,
    "format": _TEXT,
    "$schema": _TEXT,
    "required": (_is_names, "a list of names of properties"),
    "additionalProperties": _FLAG,
    "uniqueItems": _FLAG,
    "enum": (lambda value: isinstance(value, list) and bool(value), "a list of values"),
    "examples": (lambda value: isinstance(value, list), "a list of values"),
    "const": (_anything, "a value"),
    "default": (_anything, "a value"),
    "minimum": _NUMBER,
    "maximum": _NUMBER,
    "exclusiveMinimum": _NUMBER,
    "exclusiveMaximum": _NUMBER,
    "multipleOf": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    "minLength": _COUNT,
    "maxLength": _COUNT,
    "minItems": _COUNT,
    "maxItems": _COUNT,
}
