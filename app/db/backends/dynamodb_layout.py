"""How a collection lies in DynamoDB.

A table ``<prefix>-<collection>``. Its partition key ``~tenant`` is the tenant; its sort key ``~id`` is the id, whose
order is that of UTF-8 bytes, which is code-point order. ``~rev`` is the revision token; the document's own fields stand
beside them as native attributes. A collection of the installation is spread over 16 partitions ``~0`` to ``~15`` by a
hash of the id, and read in parallel.

Each declared index is a global secondary index. Its range key ``~k:<slug>`` is the joined order key of sortkeys.py with
the id behind it: the keys are prefix-free, so this orders by key, then by id. A document without a key lacks the
attribute, and so is not in the index. A range key has at most 1,024 bytes, room for two fields and the id: of an index
of three or four fields the leading ones, which every query of that index fixes, go with the partition into a computed
hash key ``~h:<slug>`` instead.
"""

import re
from base64 import b64decode, b64encode
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from zlib import crc32

import orjson

from app.db.backends.dynamodb_values import Item, encode_body
from app.db.documents import Document
from app.db.fields import parse_field
from app.db.index_registry import Entry
from app.db.names import Name
from app.db.planner import Span
from app.db.schema import Index
from app.db.sortkeys import NUMBER, STRING, encode_fields

PARTITIONS: Final = 16
INDEXES_AT_MOST: Final = 20
"""DynamoDB's usual quota of secondary indexes on a table; dynamodb_overflow.py answers for the others."""
_IN_RANGE = 2
_LOWEST, _READABLE = b"\x00", 40
_NUMBER_BYTES = 9
_TEXT_END = b"\x00\x01"


class Bounds(NamedTuple):
    """A stretch ``low <= range key < high`` below one hash key; ``strip`` bytes of each key are the same for all."""

    hash: dict[str, str]
    low: bytes
    high: bytes
    strip: int


class IndexKeys:
    """The attributes and the secondary index of one declared index."""

    def __init__(self, index: Index) -> None:
        self.index = index
        slug = _slug(index)
        self.name = slug
        self.range = f"~k:{slug}"
        self._lead = max(0, len(index.fields) - _IN_RANGE)
        self.hash = f"~h:{slug}" if self._lead else "~tenant"
        paths = tuple(parse_field(field) for field in index.fields)
        self._leading, self._ordering = paths[: self._lead], paths[self._lead :]

    @property
    def computed_hash(self) -> bool:
        """Whether the hash key is an attribute of the index's own."""
        return self._lead > 0

    def put(self, item: Item, body: Document, partition: str, id: str) -> None:
        """Add the index's attributes to an item, if the document has a place in the index."""
        key = encode_fields(body, self._ordering)
        if key is None:
            return
        if self._lead:
            leading = encode_fields(body, self._leading)
            if leading is None:
                return
            item[self.hash] = _binary(_hash_key(partition, leading))
        item[self.range] = _binary(key + id.encode())

    def bounds(self, span: Span, partition: str) -> Bounds:
        """Where a span of the index's joined keys lies in one partition."""
        cut = _length_of(span.prefix, self._lead)
        hashed = _binary(_hash_key(partition, span.prefix[:cut])) if self._lead else {"S": partition}
        return Bounds(hashed, span.low[cut:] or _LOWEST, span.high[cut:], len(span.prefix) - cut)


class Table:
    """A collection as it is registered, with all that reading and writing its items needs."""

    def __init__(self, prefix: str, entry: Entry) -> None:
        self.entry = entry
        self.name = table_name(prefix, entry.name)
        self.keys = {index: IndexKeys(index) for index in entry.written[:INDEXES_AT_MOST]}
        self._written = tuple(self.keys.values())

    def partition(self, name: Name, id: str) -> str:
        """The partition of a document."""
        return name.tenant or f"~{crc32(id.encode()) % PARTITIONS}"

    def partitions(self, name: Name) -> list[str]:
        """All partitions that a walk through the name's documents has to read."""
        return [name.tenant] if name.tenant else self._shares

    def key(self, name: Name, id: str) -> Item:
        """The primary key of a document."""
        return {"~tenant": {"S": name.tenant or self.partition(name, id)}, "~id": {"S": id}}

    def item(self, name: Name, id: str, token: str, body: Document) -> Item:
        """The whole item of a document."""
        partition = name.tenant or self.partition(name, id)
        item = encode_body(body)
        item["~tenant"] = {"S": partition}
        item["~id"] = {"S": id}
        item["~rev"] = {"S": token}
        for keys in self._written:
            keys.put(item, body, partition, id)
        return item

    def name_of(self, item: Item) -> Name:
        """Whose document an item is."""
        return Name(item["~tenant"]["S"] if self.entry.scope == "tenant" else "", self.entry.name)

    @cached_property
    def _shares(self) -> list[str]:
        return [f"~{number}" for number in range(PARTITIONS)]


def table_name(prefix: str, collection: str) -> str:
    """The table of a collection."""
    return f"{prefix}-{collection}"


def range_key(item: Item, attribute: str) -> bytes:
    """An item's key in an index."""
    return b64decode(item[attribute]["B"])


def binary_text(value: bytes) -> str:
    """Bytes as they stand in a request."""
    return b64encode(value).decode()


def _binary(value: bytes) -> dict[str, Any]:
    return {"B": b64encode(value).decode()}


def _hash_key(partition: str, leading: bytes) -> bytes:
    # A tenant id has no control characters: the NUL ends it.
    return partition.encode() + b"\x00" + leading


def _slug(index: Index) -> str:
    """A name of letters, digits, ``-`` and ``.`` that no other index has: something to read, and a hash."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", index.name)[:_READABLE].strip("-")
    return f"{readable}.{blake2b(orjson.dumps(index.fields), digest_size=8).hexdigest()}"


def _length_of(joined: bytes, fields: int) -> int:
    """How many bytes the first so many encodings of a joined key have."""
    at = 0
    for _ in range(fields):
        tag = joined[at : at + 1]
        if tag == STRING:
            at = joined.index(_TEXT_END, at) + len(_TEXT_END)
        else:
            at += _NUMBER_BYTES if tag == NUMBER else 1
    return at
