"""Finding the very documents of one path that differ between two databases.

Both sides are walked in id order beside each other. What differs is only a candidate: it may have been written while it
was read. So it is read again by its key, on both sides, and once more after a pause; meanwhile the walk goes on. Only
what differs at every look is answered.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import Any, Final, Literal, NamedTuple

from app.db.documents import Document, split_rev
from app.db.errors import InvalidDocument
from app.db.names import can_be_id, check_id, parse_name
from app.db.service import DatabaseService
from app.db.transfer.differences import FieldDifference, field_differences
from app.db.transfer.entries import entry_of
from app.db.transfer.pacing import Patience
from app.db.transfer.paged_reading import by_id

Kind = Literal["missing", "extra", "different", "revision", "unreachable"]
_TOGETHER: Final = 100
_WAITING: Final = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """A document that the target lacks (``missing``), that only the target has (``extra``), that is ``different``, or
    whose ``revision`` is another although its content is the same; or which is ``unreachable``: it is stored, and no id
    leads to it (see strays.py), for the ``reason`` given. With an empty id it is told of the path as a whole.

    ``source`` and ``target`` are the revisions' tokens. ``newer``: the target's was written later. ``moving``: it was
    written while it was looked at. ``document`` is the source's, as long as a repair may need it.
    """

    path: str
    id: str
    kind: Kind
    source: str | None
    target: str | None
    newer: bool
    moving: bool
    fields: tuple[FieldDifference, ...] = ()
    document: Document | None = field(default=None, repr=False)
    target_rev: str | None = field(default=None, repr=False)
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """As it is printed and signed."""
        fields = [{"field": one.field, "source": one.source, "target": one.target} for one in self.fields]
        told = {"path": self.path, "id": self.id, "kind": self.kind, "source": self.source, "target": self.target}
        return {**told, "newer_in_target": self.newer, "moving": self.moving, "reason": self.reason, "fields": fields}


class _Print(NamedTuple):
    """What a document looked like, in few bytes."""

    token: str
    content: bytes


class _Seen(NamedTuple):
    """A candidate: its prints when it was last looked at, and whether they have changed since it was found."""

    id: str
    source: _Print | None
    target: _Print | None
    moved: bool


class Seeker:
    """Finds what differs between two databases. ``settled`` counts candidates that were equal when read again."""

    def __init__(
        self,
        sides: tuple[DatabaseService, DatabaseService],
        patience: tuple[Patience, Patience],
        pause: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sides = sides
        self._patience = patience
        self._pause = pause
        self._sleep = sleep
        self._names: tuple[frozenset[str], ...] | None = None
        self.settled = 0

    def differences(self, path: str, secret: Set[str] = frozenset()) -> Iterator[list[Difference]]:
        """What differs in one path, in id order, some at a time."""
        candidates = self._candidates(path)
        waiting: deque[tuple[float, list[_Seen]]] = deque()
        while found := list(islice(candidates, _TOGETHER)):
            again = self._again(path, found)
            waiting.append((time.monotonic(), [seen for seen, _, _ in again]))
            if len(waiting) > _WAITING:
                yield self._told(path, waiting.popleft(), secret)
        while waiting:
            yield self._told(path, waiting.popleft(), secret)

    def _candidates(self, path: str) -> Iterator[_Seen]:
        ours, theirs = self._walk(0, path), self._walk(1, path)
        mine, other = next(ours, None), next(theirs, None)
        while mine is not None or other is not None:
            if mine is not None and (other is None or mine["_id"] < other["_id"]):
                yield _Seen(mine["_id"], _print(mine), None, False)
                mine = next(ours, None)
            elif other is not None and (mine is None or other["_id"] < mine["_id"]):
                yield _Seen(other["_id"], None, _print(other), False)
                other = next(theirs, None)
            elif mine is not None:
                prints = _print(mine), _print(other)
                if prints[0] != prints[1]:
                    yield _Seen(mine["_id"], *prints, False)
                mine, other = next(ours, None), next(theirs, None)

    def _walk(self, side: int, path: str) -> Iterator[Document]:
        return by_id(self._sides[side], path, self._patience[side]) if self._has(side, path) else iter(())

    def _has(self, side: int, path: str) -> bool:
        if self._names is None:
            self._names = tuple(
                frozenset(one.name for one in self._patience[side].call(service.collections))
                for side, service in enumerate(self._sides)
            )
        return parse_name(path).collection in self._names[side]

    def _again(self, path: str, found: Sequence[_Seen]) -> list[tuple[_Seen, Document | None, Document | None]]:
        """Those that still differ when both sides are read by key; what has no possible id is not read again."""
        ids = [seen.id for seen in found if can_be_id(seen.id)]
        ours, theirs = (
            self._patience[side].call(partial(service.get_many, path, ids)) if self._has(side, path) else {}
            for side, service in enumerate(self._sides)
        )
        differing: list[tuple[_Seen, Document | None, Document | None]] = []
        for seen in found:
            if not can_be_id(seen.id):
                differing.append((seen, None, None))
                continue
            mine, other = ours.get(seen.id), theirs.get(seen.id)
            prints = _print(mine), _print(other)
            if prints[0] == prints[1]:
                self.settled += 1
            else:
                moved = seen.moved or prints != (seen.source, seen.target)
                differing.append((_Seen(seen.id, *prints, moved), mine, other))
        return differing

    def _told(self, path: str, waiting: tuple[float, list[_Seen]], secret: Set[str]) -> list[Difference]:
        since, found = waiting
        left = since + self._pause - time.monotonic()
        if left > 0:
            self._sleep(left)
        return [_difference(path, *one, secret) for one in self._again(path, found)] if found else []


def _print(document: Document | None) -> _Print | None:
    if document is None:
        return None
    return _Print(split_rev(document["_rev"])[0], blake2b(entry_of(document), digest_size=16).digest())


def _difference(
    path: str, seen: _Seen, source: Document | None, target: Document | None, secret: Set[str]
) -> Difference:
    tokens = None if seen.source is None else seen.source.token, None if seen.target is None else seen.target.token
    try:
        check_id(seen.id)
    except InvalidDocument as error:
        return Difference(path, seen.id, "unreachable", *tokens, False, False, reason=str(error))
    fields: list[FieldDifference] = []
    kind: Kind = "missing" if target is None else "extra"
    if source is not None and target is not None:
        fields = field_differences(source, target, secret)
        kind = "revision" if [one.field for one in fields] == ["_rev"] else "different"
    newer = tokens[0] is not None and tokens[1] is not None and tokens[0] < tokens[1]
    rev = None if target is None else target["_rev"]
    return Difference(path, seen.id, kind, *tokens, newer, seen.moved, tuple(fields), source, rev)
