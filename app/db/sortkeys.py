"""One order for values, everywhere: null, false, true, numbers, strings by code point.

``encode_value`` turns a scalar into bytes whose order is that order, so that every backend can keep it in whatever
it can index: a blob, a binary sort key, hexadecimal text. The encodings of several fields may be joined: each ends by
itself, so the joined bytes order by the first field, then the second.

A scalar counts with the first 240 bytes of its encoding (``is_cut_key`` tells); what orders alike beyond that is
ordered by id. Arrays, objects and missing values have no place in the order: they encode to None.
"""

from struct import Struct
from typing import Any, Final

from app.db.fields import value_at

KEY_BYTES: Final = 240
NULL, FALSE, TRUE, NUMBER, STRING = b"\x10", b"\x20", b"\x21", b"\x30", b"\x40"
# After a joined key comes another tag (at most 0x40) or nothing: this byte is above all that can follow.
ABOVE: Final = b"\xff"
_END = b"\x00\x01"
_double, _signed, _unsigned = Struct(">d"), Struct(">q"), Struct(">Q")
_TOP_BIT = 1 << 63


def encode_value(value: Any) -> bytes | None:
    """The order-preserving bytes of a scalar, complete with their own end; None for arrays, objects and MISSING."""
    kind = type(value)
    if kind is str:
        return encode_text(value) + _END
    if kind is int or kind is float:
        return NUMBER + _encode_number(value)
    if value is None:
        return NULL
    if kind is bool:
        return TRUE if value else FALSE
    return None


def encode_text(text: str) -> bytes:
    """The first 240 bytes of a string's encoding without its end: what all strings that begin with it share."""
    raw = text.encode()
    if b"\x00" in raw:
        raw = raw.replace(b"\x00", b"\x00\xff")
    if len(raw) < KEY_BYTES:
        return STRING + raw
    cut = raw[: KEY_BYTES - 1]
    # An escaped NUL is two bytes: half of one would sort below the end of a shorter string.
    return STRING + (cut[:-1] if cut[-1] == 0 else cut)


def is_cut_key(key: bytes) -> bool:
    """Whether an encoded string may stand for other strings too, so that it cannot decide a comparison alone.

    Said two bytes early: a cut may also drop half of an escaped NUL, and then a shorter string has the same key.
    """
    return len(key) > KEY_BYTES


def encode_fields(document: dict[str, Any], fields: tuple[tuple[str, ...], ...]) -> bytes | None:
    """The joined key of several field paths of a document; None if one of them has no place in the order."""
    joined = b""
    for parts in fields:
        value = document.get(parts[0]) if len(parts) == 1 else value_at(document, parts)
        if value is None and parts[0] not in document:
            return None
        encoded = encode_value(value)
        if encoded is None:
            return None
        joined += encoded
    return joined


def _encode_number(value: float) -> bytes:
    # IEEE 754 doubles order like their bits, once the sign is flipped and negative ones are inverted; adding 0.0
    # makes -0.0 the same as 0.0. Integers within 2^53 are exact as doubles.
    (bits,) = _signed.unpack(_double.pack(value + 0.0))
    return _unsigned.pack(bits + _TOP_BIT if bits >= 0 else ~bits & (2 * _TOP_BIT - 1))
