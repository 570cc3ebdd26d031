"""Opaque cursors: where a page ended, sealed so that a changed one, or one of another query, is refused."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import orjson

from app.db.errors import InvalidQuery
from app.db.names import Name
from app.db.query import Query

_SEAL_BYTES: Final = 12
_KEY_LENGTH: Final = 2


class Position(NamedTuple):
    """The place of a document in an order: the joined keys of its order fields, then its id."""

    key: bytes
    id: str


def seal_cursor(secret: bytes, name: Name, query: Query, position: Position) -> str:
    """The cursor after ``position``. It is good for this collection, conditions, order and direction only."""
    payload = len(position.key).to_bytes(_KEY_LENGTH, "big") + position.key + position.id.encode()
    return urlsafe_b64encode(_seal(secret, name, query, payload) + payload).decode().rstrip("=")


def open_cursor(secret: bytes, name: Name, query: Query) -> Position | None:
    """The position that the query's cursor stands for, None if it has none; InvalidQuery if it was not made for it."""
    if query.cursor is None:
        return None
    try:
        raw = urlsafe_b64decode(query.cursor.encode("ascii") + b"=" * (-len(query.cursor) % 4))
    except ValueError as error:
        raise _refused() from error
    seal, payload = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
    # Encoding again refuses the other spellings that base64 allows for the same bytes.
    if seal != _seal(secret, name, query, payload) or urlsafe_b64encode(raw).decode().rstrip("=") != query.cursor:
        raise _refused()
    end = _KEY_LENGTH + int.from_bytes(payload[:_KEY_LENGTH], "big")
    return Position(payload[_KEY_LENGTH:end], payload[end:].decode())


def _seal(secret: bytes, name: Name, query: Query, payload: bytes) -> bytes:
    conditions: list[Any] = [(item.field, item.operator, item.operand) for item in query.where]
    asked = orjson.dumps([name.path, conditions, query.order_by, query.descending])
    return blake2b(asked + payload, key=secret[:64], digest_size=_SEAL_BYTES).digest()


def _refused() -> InvalidQuery:
    return InvalidQuery("not a cursor of this list", name="cursor")
