"""Some documents as they are, laid over what a lagging index says of them (``Query.recent``).

A stretch of an index that lags shows a document as it was, lacks a new one, or holds one that is gone. The documents in
question are read by key, which is consistent, and every stretch is answered as if the index knew them: their entries
are taken out of it, and they are put in where they belong now. What paging makes of stretches, filters, cursors and
bounds, comes out right by itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from app.db.cursors import Position
from app.db.documents import Document
from app.db.fields import parse_field
from app.db.names import Name
from app.db.paging import Slice, Walk, Walker
from app.db.planner import Plan
from app.db.schema import Index
from app.db.sortkeys import encode_fields


class _Placed(NamedTuple):
    position: Position
    document: Document


class Overlay:
    """A Walker for one query, over another. The index is not asked about ``ids``: ``found`` are those of them that
    exist, as they are now. ``order_by`` is the query's."""

    def __init__(
        self, beneath: Walker, ids: Iterable[str], found: Mapping[str, Document], order_by: tuple[str, ...]
    ) -> None:
        self.cursor_secret = beneath.cursor_secret
        self._beneath = beneath
        self._ids = frozenset(ids)
        self._found = found
        self._order = tuple(parse_field(field) for field in order_by)

    def walk(self, name: Name, walk: Walk) -> Slice:
        """The stretch with the documents where they belong; mostly by one walk beneath."""
        if walk.index is None:
            return self._beneath.walk(name, walk)  # the collection in id order is read by key, and does not lag
        listed: list[_Placed] = []
        part = walk
        while True:
            documents, more = self._beneath.walk(name, part)
            placed = [self._place(document) for document in documents]
            listed += [one for one in placed if one.position.id not in self._ids]
            end = placed[-1].position if more else None
            # Further on the index may list something that comes before one of ours: those behind the end wait.
            own = [one for one in self._own(walk.index, walk) if end is None or not _behind(one.position, end, walk)]
            if end is None or len(listed) + len(own) >= walk.limit:
                break
            part = replace(part, after=end)
        both = sorted(listed + own, key=lambda one: one.position, reverse=walk.descending)
        return Slice([one.document for one in both[: walk.limit]], more or len(both) > walk.limit)

    def indexes(self, name: Name) -> tuple[Index, ...]:
        """As beneath."""
        return self._beneath.indexes(name)

    def note_unserved(self, name: Name, asked: str) -> None:
        """As beneath."""
        self._beneath.note_unserved(name, asked)

    def count_run(self, name: Name, plan: Plan, up_to: int) -> int:
        """As beneath: a count of the index alone."""
        return self._beneath.count_run(name, plan, up_to)

    def _own(self, index: Index, walk: Walk) -> list[_Placed]:
        """Our documents that are in the walk's spans of its index, after the place where it begins."""
        fields = tuple(parse_field(field) for field in index.fields)
        keys = ((encode_fields(document, fields), document) for document in self._found.values())
        placed = [
            self._place(document)
            for key, document in keys
            if key is not None and any(span.low <= key < span.high for span in walk.spans)
        ]
        return [one for one in placed if walk.after is None or _behind(one.position, walk.after, walk)]

    def _place(self, document: Document) -> _Placed:
        return _Placed(Position(encode_fields(document, self._order) or b"", document["_id"]), document)


def _behind(position: Position, other: Position, walk: Walk) -> bool:
    """Whether a walk comes to ``position`` after ``other``."""
    return position < other if walk.descending else position > other
