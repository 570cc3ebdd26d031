"""What the blocks of a dump hold (see dump_format.py), and whether it belongs together.

A dump's digests say that it is as it was written, and anybody can write one. So nothing of it is believed: a block has
documents of one collection that the head names, and none of the machinery's; the end counts what was there.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import orjson

from app.db.documents import Document
from app.db.errors import DatabaseError
from app.db.names import check_collection, parse_name
from app.db.transfer.collections import is_machinery
from app.db.transfer.dump_format import DATA, END, HEAD, TALLY, VERSION, Damaged

_ORDER: Final = (HEAD, DATA, TALLY, END)
_APART: Final = "its parts do not belong together"


class OtherFormat(Damaged):
    """Another release made it; the text names the format."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a dump says of itself: its head, its end, and for each path [documents, bytes, digest]; and, by collection,
    the numbers of the first and the last block of its documents."""

    head: dict[str, Any]
    end: dict[str, Any]
    tallies: dict[str, list[Any]]
    blocks: dict[str, tuple[int, int]]


class Contents:
    """Gathers the manifest block by block."""

    def __init__(self) -> None:
        self._kinds: list[bytes] = []
        self._head: dict[str, Any] = {}
        self._end: dict[str, Any] = {}
        self._names: set[str] = set()
        self._tallies: dict[str, list[Any]] = {}
        self._blocks: dict[str, tuple[int, int]] = {}
        self._counts: Counter[str] = Counter()

    def add(self, number: int, kind: bytes, lines: bytes) -> int:
        """Take the next block in; how many documents are in it. Damaged if it cannot be, or not here."""
        if kind in (HEAD, END) or self._kinds[-1:] != [kind]:
            self._kinds.append(kind)
        if kind == DATA:
            return self._add_documents(number, lines)
        if kind == TALLY:
            for line in lines.splitlines():
                row = _parsed(line, list)
                if [type(field) for field in row] != [str, int, int, str] or _collection(row[0]) not in self._names:
                    raise Damaged(_APART)
                self._tallies[row[0]] = row[1:]
        elif kind == HEAD:
            self._head = _head(lines)
            self._names = {one["name"] for one in self._head["collections"]}
        else:
            self._end = _parsed(lines, dict)
        return 0

    def manifest(self) -> Manifest:
        """All of it. Damaged if the parts do not belong together."""
        once = [kind for kind in self._kinds if kind in (HEAD, END)]
        in_order = all(_ORDER.index(one) <= _ORDER.index(next) for one, next in pairwise(self._kinds))
        counted = {name: self._counts[name] for name in self._names}
        told = self._end.get("documents"), self._end.get("collections")
        if not in_order or once != [HEAD, END] or told != (self._counts.total(), counted):
            raise Damaged(_APART)
        return Manifest(self._head, self._end, self._tallies, self._blocks)

    def _add_documents(self, number: int, lines: bytes) -> int:
        name, rows = rows_of(lines)
        first, last = self._blocks.get(name, (number, number - 1))
        if name not in self._names or last != number - 1:
            raise Damaged(_APART)
        self._blocks[name] = first, number
        self._counts[name] += len(rows)
        return len(rows)


def rows_of(lines: bytes) -> tuple[str, list[tuple[str, Document]]]:
    """The bare name of the collection that a block's documents belong to, and these with their paths; Damaged if a line
    is no document, or one of another collection."""
    try:  # as one JSON array: a call for each would cost more
        rows = orjson.loads(b"[%b]" % lines[:-1].replace(b"\n", b","))
    except orjson.JSONDecodeError as error:
        raise Damaged("it holds a line that is no document") from error
    for row in rows:
        if type(row) is not list or len(row) != 2 or type(row[0]) is not str or type(row[1]) is not dict:
            raise Damaged("it holds a line that is no document")
    if not rows or len(rows) != lines.count(b"\n"):
        raise Damaged("it holds a line that is no document")
    names = {_collection(path) for path in {row[0] for row in rows}}
    if len(names) > 1:
        raise Damaged("it holds documents of several collections")
    return names.pop(), rows


def _head(lines: bytes) -> dict[str, Any]:
    head: dict[str, Any] = _parsed(lines, dict)
    if head.get("wherry_dump") != VERSION:
        raise OtherFormat(f"{head.get('wherry_dump')}")
    try:
        for key in ("dump", "created", "source"):
            _expect(head[key], str)
        _expect(head["only"], dict)
        names = [check_collection(one["name"]) for one in _expect(head["collections"], list)]
        for one in head["collections"]:
            if one["scope"] not in ("tenant", "installation"):
                raise Damaged("its head is not one of ours")
            for fields in _expect(one["indexes"], list):
                for field in _expect(fields, list):
                    _expect(field, str)
    except (KeyError, TypeError, DatabaseError) as error:
        raise Damaged("its head is not one of ours") from error
    if len(set(names)) < len(names):
        raise Damaged("its head names a collection twice")
    for name in names:
        if is_machinery(name):
            raise Damaged(f"it holds {name}, which belongs to the machinery of migrations and is never dumped")
    return head


def _parsed(lines: bytes, kind: type) -> Any:
    try:
        return _expect(orjson.loads(lines), kind)
    except (orjson.JSONDecodeError, TypeError) as error:
        raise Damaged("it holds a line that is not one of ours") from error


def _expect(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"no {kind.__name__}")
    return value


def _collection(path: str) -> str:
    try:
        return parse_name(path).collection
    except DatabaseError as error:
        raise Damaged("it holds a line that is no document") from error
