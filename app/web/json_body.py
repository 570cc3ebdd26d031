"""JSON from strangers: what RFC 8259 leaves to the reader is refused here instead of guessed.

Refused with ValueError (a 400 by way of ``request.get_json()``): NaN and Infinity, numbers too large to hold, a key
that occurs twice, nesting deeper than ``MAX_DEPTH``, lone surrogates, bytes that are not UTF-8. Time is linear in the
size, which MAX_CONTENT_LENGTH bounds.
"""

import json
import math
from typing import Any, NoReturn

from flask.json.provider import DefaultJSONProvider

MAX_DEPTH = 32
MAX_DIGITS = 40  # int() of a long text takes quadratic time; no number we keep has more than 16 digits


def loads(data: str | bytes) -> Any:
    """The value of one JSON text. ValueError in plain words for anything refused."""
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        value = _decoder.decode(text)
    except RecursionError:
        raise ValueError(f"The JSON is nested more than {MAX_DEPTH} levels deep.") from None
    except UnicodeDecodeError:
        raise ValueError("The JSON is not UTF-8.") from None
    _check(value, surrogates="\\u" in text)
    return value


class StrictJSON(DefaultJSONProvider):
    """Flask's provider with the strict reader, so that no view can forget it. Answers keep the order of their keys."""

    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """See ``loads`` of the module."""
        return loads(s)


def _check(value: Any, surrogates: bool) -> None:
    """Walk level by level, without recursion; look for surrogates only where an escape may have made one."""
    level = [value]
    depth = 0
    while level:
        if depth > MAX_DEPTH:
            raise ValueError(f"The JSON is nested more than {MAX_DEPTH} levels deep.")
        if surrogates:
            for item in level:
                _refuse_surrogates(item)
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                deeper.extend(item.values())
            elif isinstance(item, list):
                deeper.extend(item)
        level = deeper
        depth += 1


def _refuse_surrogates(item: Any) -> None:
    for text in item if isinstance(item, dict) else (item,):
        if isinstance(text, str) and not text.isascii():
            try:
                text.encode("utf-8")
            except UnicodeEncodeError:
                raise ValueError("The JSON holds half of a surrogate pair.") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"The JSON names the key {key[:80]!r} twice.")
            seen.add(key)
    return made


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError("The JSON holds a number that is too large.")
    return int(text)


def _float(text: str) -> float:
    number = float(text) if len(text) <= 400 else math.inf
    if not math.isfinite(number):
        raise ValueError("The JSON holds a number that is too large.")
    return number


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON.")


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)
