"""Documents as Firestore keeps them, and back: raw protobuf messages, a quarter of the client library's own time.

Fields are native, so that the console shows them. What Firestore cannot hold is encoded:

- an array directly within an array: ``{"~json": "<its JSON>"}``;
- keys like ``__x__``, and keys within objects that begin with ``~``: one more ``~`` in front;
- ids with ``/``, or that are ``.``, ``..`` or ``__x__``: see ``encode_id``, which keeps the order of ids.

Beside the document's fields stand ``~rev``, the revision token, and ``~keys``, the order key of each index (see
app/db/sortkeys.py) and an empty one named ``~`` for walking backwards by id, which Firestore does not do without an
index: its single-field indexes on ``~keys`` are the indexes.
"""

import re
import zlib
from typing import Any, Final

import orjson

from app.db.documents import MAX_INTEGER, Document, join_rev, split_rev
from app.db.fields import parse_field
from app.db.schema import Index
from app.db.sortkeys import encode_fields

REV: Final = "~rev"
KEYS: Final = "~keys"
BY_ID: Final = "~"
_JSON: Final = "~json"
_LONGEST_HINT: Final = 40
_RESERVED: Final = re.compile(r"__.*__", re.DOTALL)


def put_fields(fields: Any, body: Document, token: str, indexes: tuple[Index, ...]) -> None:
    """Fill a message's ``fields``: the document's own, its revision token, and its place in each index that has one."""
    for key, value in body.items():
        _put(fields[_encode_key(key)], value)
    fields[REV].string_value = token
    keys = fields[KEYS].map_value.fields
    keys[BY_ID].bytes_value = b""
    put_keys(keys, body, indexes)


def put_keys(keys: Any, body: Document, indexes: tuple[Index, ...]) -> None:
    """Fill in the order keys of a document."""
    for index in indexes:
        key = encode_fields(body, tuple([parse_field(field) for field in index.fields]))
        if key is not None:
            keys[index.name].bytes_value = key


def key_of(stored: Any, name: str) -> bytes | None:
    """A stored document's key in an index, or None if it has no place there."""
    keys = stored.fields[KEYS].map_value.fields
    return bytes(keys[name].bytes_value) if name in keys else None


def decode_document(id: str, stored: Any) -> Document:
    """A stored document as callers get it."""
    document: Document = {}
    token = ""
    for key, value in stored.fields.items():
        if key[0] != "~":
            document[key] = _decode(value)
        elif key == REV:
            token = value.string_value
        elif key != KEYS:
            document[key[1:]] = _decode(value)
    document["_id"] = id
    document["_rev"] = join_rev(token, hint_of(token, stored.name, stored.update_time))
    return document


def token_of(stored: Any) -> str:
    """The revision token of a stored document."""
    token: str = stored.fields[REV].string_value
    return token


def hint_of(token: str, path: str, update_time: Any) -> str:
    """The hint of a ``_rev``: the document's update time, bound to this token and document by a checksum.

    Firestore compares the time alone, and all documents of a commit have the same: with another revision's hint, or
    another document's, a write would pass whose token is not the present one.
    """
    return _hint(token, path, update_time.seconds, update_time.nanos)


def parse_hint(rev: str, path: str) -> tuple[int, int] | None:
    """The update time (seconds, nanoseconds) in a ``_rev``'s hint, or None if it is no hint for this document."""
    token, hint = split_rev(rev)
    if not hint.isascii() or len(hint) > _LONGEST_HINT:
        return None
    seconds, _, rest = hint.partition("-")
    nanos = rest.partition("-")[0]
    if not (seconds.isdecimal() and nanos.isdecimal() and hint == _hint(token, path, int(seconds), int(nanos))):
        return None
    return int(seconds), int(nanos)


def encode_id(id: str) -> str:
    """An id as one step of a Firestore path: injective, and in the same order.

    ``.`` becomes ``.1`` and ``/`` ``.2``: they are neighbours, so nothing comes between them. A first ``_`` becomes
    ``_-``, for all ids that begin with one. That is at most twice an id's 512 bytes; Firestore takes 1,500.
    """
    if "." in id or "/" in id:
        id = id.replace(".", ".1").replace("/", ".2")
    return "_-" + id[1:] if id[0] == "_" else id


def decode_id(step: str) -> str:
    """The id of ``encode_id``'s answer."""
    if step[0] == "_":
        step = "_" + step[2:]
    return step.replace(".2", "/").replace(".1", ".") if "." in step else step


def field_path(*keys: str) -> str:
    """A path of stored keys, quoted as Firestore wants it."""
    return ".".join(["`" + key.replace("\\", "\\\\").replace("`", "\\`") + "`" for key in keys])


def stored_path(field: str) -> str:
    """A document's field path as Firestore keeps it."""
    return field_path(*map(_encode_key, parse_field(field)))


def _put(target: Any, value: Any) -> None:
    """Set a Value message in place: building it apart would copy every level of a nested document again."""
    kind = type(value)
    if kind is str:
        target.string_value = value
    elif kind is int:
        target.integer_value = value
    elif kind is bool:
        target.boolean_value = value
    elif value is None:
        target.null_value = 0
    elif kind is float:
        target.double_value = value
    elif kind is dict:
        target.map_value.SetInParent()
        fields = target.map_value.fields
        for key, item in value.items():
            _put(fields[_encode_key(key)], item)
    else:
        target.array_value.SetInParent()
        add = target.array_value.values.add
        for item in value:
            if type(item) is list:
                add().map_value.fields[_JSON].string_value = orjson.dumps(item).decode()
            else:
                _put(add(), item)


def _decode(value: Any) -> Any:
    kind = value.WhichOneof("value_type")
    if kind == "string_value":
        return value.string_value
    if kind == "integer_value":
        return value.integer_value
    if kind == "boolean_value":
        return value.boolean_value
    if kind == "null_value":
        return None
    if kind == "double_value":
        return _number(value.double_value)
    if kind == "map_value":
        fields = value.map_value.fields
        if _JSON in fields and len(fields) == 1:
            return orjson.loads(fields[_JSON].string_value)
        return {_decode_key(key): _decode(item) for key, item in fields.items()}
    return [_decode(item) for item in value.array_value.values]


def _number(number: float) -> float:
    return int(number) if number.is_integer() and abs(number) <= MAX_INTEGER else number


def _encode_key(key: str) -> str:
    return "~" + key if key[0] == "~" or (key[0] == "_" and _RESERVED.fullmatch(key)) else key


def _decode_key(key: str) -> str:
    return key[1:] if key[0] == "~" else key


def _hint(token: str, path: str, seconds: int, nanos: int) -> str:
    return f"{seconds}-{nanos}-{zlib.crc32(f'{token} {seconds} {nanos} {path}'.encode()):x}"
