"""The portable document: what one backend accepts, every backend accepts and reads back equal.

Values are JSON's. Integers lie within I-JSON (RFC 7493), finite floats between 1e-125 and 1e125 in magnitude (DynamoDB
ends there); a float that is an integer within I-JSON is stored as that integer. Keys have 1 to 255 bytes, top-level
keys do not begin with ``_`` or ``~``. Objects and arrays nest at most 20 deep (Firestore), the document not counted.
The size is the largest of its JSON, DynamoDB's and Firestore's published formulas, at most 350,000 bytes.

Whatever is refused is refused here, before any backend sees it, with the path of the offending value.
"""

import os
from collections.abc import Iterable, Sequence
from time import time_ns
from typing import Any, Final, NamedTuple

import orjson

from app.db.errors import InvalidDocument, TooLarge

Document = dict[str, Any]

MAX_BYTES: Final = 350_000
MAX_BYTES_TOGETHER: Final = 4_000_000
MAX_DEPTH: Final = 20
MAX_KEY_BYTES: Final = 255
MAX_INTEGER: Final = 2**53 - 1
_MAX_REVISION: Final = 200
LARGEST_FLOAT: Final = 1e125
SMALLEST_FLOAT: Final = 1e-125
_OPTIONS = orjson.OPT_STRICT_INTEGER | orjson.OPT_PASSTHROUGH_SUBCLASS
# Up to here no formula can reach MAX_BYTES: the worst, an array of one-digit numbers, counts 8 bytes (Firestore) for 2
# of JSON, and a document's name adds less than 2,000.
_SURELY_SMALL = (MAX_BYTES - 2_000) // 4
_KNOWN_KEYS: set[str] = set()
_KNOWN_NAMES: set[str] = set()
_KNOWN_KEYS_LIMIT = 10_000
_TOKEN_BYTES = 6
_TOKENS_AT_ONCE = 64
_TOKENS: list[str] = []
os.register_at_fork(after_in_child=_TOKENS.clear)  # or parent and child would use the same ones


class Portable(NamedTuple):
    """A checked document: its ``body`` without ``_id`` and ``_rev``, that as JSON ``data``, and the given ``rev``."""

    body: Document
    data: bytes
    rev: str | None


def check_document(document: object, id: str) -> Portable:
    """Check a document that is to be stored under ``id``; InvalidDocument with the path, or TooLarge.

    ``_id``, if present, must be ``id``; ``_rev``, if present and not null, is handed on. The body is a new object
    wherever it differs from what was given; what was given is never changed.
    """
    if type(document) is not dict:
        raise InvalidDocument(f"a document is an object, not {type(document).__name__}")
    body = document.copy()
    if body.pop("_id", id) != id:
        raise InvalidDocument(f"differs from the id {id!r} it is to be stored under", path="_id")
    rev = body.pop("_rev", None)
    if rev is not None and type(rev) is not str:
        raise InvalidDocument("a revision is text", path="_rev")
    if not (_KNOWN_NAMES.issuperset(body) or _learn_names(body)) or not _is_plain(body.values(), 0):
        body = _normalised_document(body)
    try:
        data = orjson.dumps(body, option=_OPTIONS)
    except orjson.JSONEncodeError as error:  # a lone surrogate or an integer beyond I-JSON: say where
        _normalised_document(body)
        raise InvalidDocument(str(error)) from error
    if len(data) > _SURELY_SMALL and document_size(body, data) > MAX_BYTES:
        raise TooLarge(
            f"The document {id!r} has {document_size(body, data):,} bytes; at most {MAX_BYTES:,} can be stored."
        )
    return tuple.__new__(Portable, (body, data, rev))  # Portable(...) itself, for half the cost


def canonical_json(document: Document) -> bytes:
    """The one JSON text of a document: keys sorted by code point, no white space, UTF-8."""
    return orjson.dumps(document, option=_OPTIONS | orjson.OPT_SORT_KEYS)


def new_token() -> str:
    """A revision token: the time in 2^10 ns (about a microsecond) and 48 random bits, as 25 hexadecimal digits.

    It is new at every logical write, and alone decides a Conflict. Of two revisions of a document the newer one has the
    greater token, as far as the clocks of their writers agree: a copy must not undo a newer write.
    """
    try:
        return "%013x%s" % (time_ns() >> 10, _TOKENS.pop())  # noqa: UP031 - two thirds of the cost of an f-string
    except IndexError:
        # The system is asked for many at once: each question costs as much as checking half a document.
        several = os.urandom(_TOKEN_BYTES * _TOKENS_AT_ONCE).hex()
        step = 2 * _TOKEN_BYTES
        _TOKENS.extend(several[start : start + step] for start in range(0, len(several), step))
        return new_token()


def join_rev(token: str, hint: str) -> str:
    """``_rev`` as callers see it: the token, and the store's own precondition where it has one."""
    return f"{token}.{hint}" if hint else token


def checked_revision(rev: object) -> str:
    """A revision that a caller gave. InvalidDocument if it can be none."""
    if type(rev) is not str or not 0 < len(rev) <= _MAX_REVISION:
        raise InvalidDocument(f"a revision is text of 1 to {_MAX_REVISION} characters", path="_rev")
    return rev


def split_rev(rev: str) -> tuple[str, str]:
    """The token and the hint ("" if there is none) of a ``_rev``."""
    token, _, hint = rev.partition(".")
    return token, hint


def document_size(body: Document, data: bytes) -> int:
    """Bytes of a document by the strictest count: JSON, or DynamoDB's or Firestore's published formula.

    Sources: "DynamoDB item sizes and formats" (AWS) and "Storage size calculations" (Firestore).
    """
    return max(len(data), _dynamodb_size(body), 32 + _firestore_size(body))


def size_together(parts: Sequence[tuple[Document, bytes]]) -> int:
    """Bytes of several (body, JSON) documents by the strictest count, which is only made where it could matter."""
    total = sum(len(data) for _, data in parts)
    if total <= MAX_BYTES_TOGETHER // 5:  # no formula counts five times the JSON, see _SURELY_SMALL
        return total
    return sum(document_size(body, data) for body, data in parts)


def _dynamodb_size(value: Any) -> int:
    if type(value) is str:
        return len(value.encode())
    if type(value) is dict:
        return 3 + sum(len(key.encode()) + 1 + _dynamodb_size(item) for key, item in value.items())
    if type(value) is list:
        return 3 + sum(1 + _dynamodb_size(item) for item in value)
    if value is None or type(value) is bool:
        return 1
    return len(repr(value)) // 2 + 2


def _firestore_size(value: Any) -> int:
    if type(value) is str:
        return len(value.encode()) + 1
    if type(value) is dict:
        return sum(len(key.encode()) + 1 + _firestore_size(item) for key, item in value.items())
    if type(value) is list:
        return sum(_firestore_size(item) for item in value)
    return 1 if value is None or type(value) is bool else 8


def _is_plain(values: Iterable[Any], depth: int) -> bool:
    """Whether values can be stored as they are. False means: look closer (``_normalised``), not: refuse.

    This is the hot path of every write, so it decides the usual case in one pass without paths. What it leaves to the
    JSON encoder: lone surrogates and the range of integers.
    """
    for item in values:
        kind = type(item)
        if kind is str or kind is int or item is None or kind is bool:
            continue
        if kind is float:
            if not (SMALLEST_FLOAT <= abs(item) <= LARGEST_FLOAT) or item.is_integer():
                return False
        elif depth >= MAX_DEPTH:
            return False
        elif kind is dict:
            if not (_KNOWN_KEYS.issuperset(item) or _learn_keys(item)) or not _is_plain(item.values(), depth + 1):
                return False
        elif kind is not list or not _is_plain(item, depth + 1):
            return False
    return True


def _learn_names(body: Document) -> bool:
    """``_learn_keys`` for a document's top level, whose keys may not begin with ``_`` or ``~`` either."""
    if not _learn_keys(body) or any(key[0] in "_~" for key in body):
        return False
    if len(_KNOWN_NAMES) + len(body) <= _KNOWN_KEYS_LIMIT:
        _KNOWN_NAMES.update(body)
    return True


def _learn_keys(value: dict[Any, Any]) -> bool:
    """Check an object's keys and remember good ones, as a document's keys are few and come again and again."""
    for key in value:
        # The length in bytes and the surrogates of other text are for the slow path.
        if type(key) is not str or not 1 <= len(key) <= MAX_KEY_BYTES or not key.isascii():
            return False
    if len(_KNOWN_KEYS) + len(value) <= _KNOWN_KEYS_LIMIT:
        _KNOWN_KEYS.update(value)
    return True


def _normalised_document(body: Document) -> Document:
    for key in body:
        if type(key) is str and key[:1] in ("_", "~"):
            raise InvalidDocument("a top-level key does not begin with _ or ~", path=_shown(key))
    return _normalised_object(body, "", 0)


def _normalised(value: Any, path: str, depth: int) -> Any:
    """A copy of a value in its portable form, or InvalidDocument with the path."""
    kind = type(value)
    if kind is str:
        _check_text(value, path)
        return value
    if value is None or kind is bool:
        return value
    if kind is int:
        if abs(value) > MAX_INTEGER:
            raise InvalidDocument("an integer lies between -(2^53 - 1) and 2^53 - 1", path=path)
        return value
    if kind is float:
        return _normalised_float(value, path)
    if kind is not dict and kind is not list:
        raise InvalidDocument(f"{kind.__name__} is no JSON value", path=path)
    if depth > MAX_DEPTH:
        raise InvalidDocument(f"objects and arrays nest at most {MAX_DEPTH} deep", path=path)
    if kind is dict:
        return _normalised_object(value, path, depth)
    return [_normalised(item, f"{path}[{position}]", depth + 1) for position, item in enumerate(value)]


def _normalised_object(value: dict[Any, Any], path: str, depth: int) -> dict[str, Any]:
    copy = {}
    for key, item in value.items():
        if type(key) is not str:
            raise InvalidDocument(f"a key is text, not {type(key).__name__}", path=path)
        here = f"{path}.{_shown(key)}" if path else _shown(key)
        _check_text(key, here)
        if not 1 <= len(key.encode()) <= MAX_KEY_BYTES:
            raise InvalidDocument(f"a key has 1 to {MAX_KEY_BYTES} bytes", path=here)
        copy[key] = _normalised(item, here, depth + 1)
    return copy


def _normalised_float(value: float, path: str) -> float:
    if value == 0:
        return 0
    if not SMALLEST_FLOAT <= abs(value) <= LARGEST_FLOAT:  # NaN fails every comparison
        raise InvalidDocument("a number is finite, with a magnitude between 1e-125 and 1e125", path=path)
    return int(value) if value.is_integer() and abs(value) <= MAX_INTEGER else value


def _check_text(text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidDocument("a lone surrogate is not text", path=path) from error


def _shown(key: str) -> str:
    """A key as it may stand in a message: short, and printable whatever it holds."""
    return (key if key.isprintable() else ascii(key)[1:-1])[:80]
