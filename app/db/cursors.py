"""Opaque cursors: where a page ended, sealed so that a changed one, or one of another query, is refused."""

from binascii import a2b_base64, b2a_base64
from functools import lru_cache
from hashlib import blake2b
from hmac import compare_digest
from typing import Any, Final, NamedTuple

from orjson import dumps

from app.db.errors import InvalidQuery
from app.db.names import Name
from app.db.query import Query

_SEAL_BYTES: Final = 12
_KEY_LENGTH: Final = 2
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


class Position(NamedTuple):
    """The place of a document in an order: the joined keys of its order fields, then its id."""

    key: bytes
    id: str


def sealer(secret: bytes, name: Name, query: Query) -> blake2b:
    """What seals the cursors of a query: they are good for its collection, conditions, order and direction only."""
    asked: list[Any] = [*name, query.order_by, query.descending]
    for condition in query.where:
        asked += condition
    seal = _keyed(secret).copy()
    seal.update(dumps(asked))
    return seal


def seal_cursor(seal: blake2b, position: Position) -> str:
    """The cursor after ``position``, sealed by a query's ``sealer``, which is left as it was."""
    key, id = position
    payload = len(key).to_bytes(_KEY_LENGTH, "big") + key + id.encode()
    return _text(_digest(seal, payload) + payload)


def open_cursor(seal: blake2b, cursor: str) -> Position:
    """The position that a cursor stands for; InvalidQuery if it was not made by such a ``sealer``."""
    try:
        raw = a2b_base64(cursor.encode("ascii").translate(_FROM_URL) + b"=" * (-len(cursor) % 4))
    except ValueError as error:
        raise _refused() from error
    payload = raw[_SEAL_BYTES:]
    # Encoding again refuses the other spellings that base64 allows for the same bytes.
    if not compare_digest(raw[:_SEAL_BYTES], _digest(seal, payload)) or _text(raw) != cursor:
        raise _refused()
    end = _KEY_LENGTH + int.from_bytes(payload[:_KEY_LENGTH], "big")
    return tuple.__new__(Position, (payload[_KEY_LENGTH:end], payload[end:].decode()))


def _text(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).translate(_TO_URL, b"=").decode()


def _digest(seal: blake2b, payload: bytes) -> bytes:
    seal = seal.copy()
    seal.update(payload)
    return seal.digest()


@lru_cache(maxsize=64)
def _keyed(secret: bytes) -> blake2b:
    """The keyed hash before it has read anything: copying it costs a third of making it."""
    return blake2b(key=secret[:64], digest_size=_SEAL_BYTES)


def _refused() -> InvalidQuery:
    return InvalidQuery("not a cursor of this list", name="cursor")
