"""Pages and counts, made from stretches of an index that a backend reads.

Backends only read runs in order (``Walk`` in, ``Slice`` out). Everything that has to be the same everywhere, filtering
exactly, ending early, cursors, the slow path without an index, is here, once.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import NamedTuple, Protocol

from app.db.cursors import Position, open_cursor, seal_cursor, sealer
from app.db.documents import Document
from app.db.fields import parse_field, project
from app.db.names import Name
from app.db.planner import Plan, Span, plan_count, plan_query
from app.db.query import Condition, Page, Query
from app.db.schema import Index
from app.db.sortkeys import encode_fields

EXAMINE_AT_MOST = 1_000


@dataclass(slots=True)  # not frozen, like Plan
class Walk:
    """A stretch to read: at most ``limit`` documents of an index's ``spans`` (or, without an index, by id) in order.

    The order is by the key behind each span's prefix, then by id, reversed if ``descending``; runs are merged.
    ``after`` is exclusive. ``fields``, where given, are all that is needed beside ``_id`` and ``_rev``: a backend may
    bring more.
    """

    index: Index | None
    spans: tuple[Span, ...]
    descending: bool
    after: Position | None
    limit: int
    fields: tuple[str, ...] | None = None

    @staticmethod
    def by_id(limit: int) -> "Walk":
        """The whole collection in id order."""
        return Walk(None, (), False, None, limit)

    def after_id(self, id: str) -> "Walk":
        """The same walk by id, going on after ``id``."""
        return replace(self, after=Position(b"", id))


class Slice(NamedTuple):
    """What a walk found, and whether there is more behind it."""

    documents: list[Document]
    more: bool


class Walker(Protocol):
    """What paging needs of a service."""

    cursor_secret: bytes

    def walk(self, name: Name, walk: Walk) -> Slice: ...
    def indexes(self, name: Name) -> tuple[Index, ...]: ...
    def note_unserved(self, name: Name, asked: str) -> None: ...
    def count_run(self, name: Name, plan: Plan, up_to: int) -> int: ...


def query_page(service: Walker, name: Name, query: Query) -> Page:
    """The page that a query asks for."""
    plan = plan_query(service.indexes(name), query.where, query.order_by)
    seal = sealer(service.cursor_secret, name, query)
    after = None if query.cursor is None else open_cursor(seal, query.cursor)
    if not plan.served:
        service.note_unserved(name, _asked(query.where, query.order_by))
        if query.order_by:
            return _sorted_page(service, name, query, plan, after, seal)
    if plan.index is not None and not plan.spans:
        return Page([], None)
    if plan.residual:
        return _filtered_page(service, name, query, plan, after, seal)
    walk = Walk(plan.index, plan.spans, query.descending, after, query.limit, _needed(query))
    documents, more = service.walk(name, walk)
    cursor = seal_cursor(seal, _position(documents[-1], plan)) if more else None
    return Page(_projected(documents, query), cursor)


def count_documents(service: Walker, name: Name, where: tuple[Condition, ...], up_to: int) -> int:
    """How many documents match; counting stops at ``up_to``."""
    plan = plan_count(service.indexes(name), where)
    if plan.index is not None and not plan.spans:
        return 0
    if not plan.residual:
        return service.count_run(name, plan, up_to)
    if not plan.served:
        service.note_unserved(name, _asked(where, ()))
    found = 0
    for document in _examined(service, name, Walk(plan.index, plan.spans, False, None, EXAMINE_AT_MOST), plan):
        found += all(condition.matches(document) for condition in plan.residual)
        if found == up_to:
            break
    return found


def _filtered_page(
    service: Walker, name: Name, query: Query, plan: Plan, after: Position | None, seal: blake2b
) -> Page:
    """Read in chunks and filter, until the page is full, the run ends, or enough was examined."""
    found: list[Document] = []
    examined = 0
    walk = Walk(plan.index, plan.spans, query.descending, after, min(EXAMINE_AT_MOST, 2 * query.limit))
    while True:
        documents, more = service.walk(name, walk)
        for place, document in enumerate(documents, 1):
            if not all(condition.matches(document) for condition in plan.residual):
                continue
            found.append(document)
            if len(found) == query.limit:
                more = more or place < len(documents)
                documents = documents[:place]
                break
        examined += len(documents)
        if not more:
            return Page(_projected(found, query), None)
        position = _position(documents[-1], plan)
        if len(found) == query.limit or examined >= EXAMINE_AT_MOST:
            return Page(_projected(found, query), seal_cursor(seal, position))
        walk = replace(walk, after=position, limit=EXAMINE_AT_MOST - examined)


def _sorted_page(service: Walker, name: Name, query: Query, plan: Plan, after: Position | None, seal: blake2b) -> Page:
    """Without an index: every document of the collection is read and the first ones in order are kept."""

    def candidates() -> Iterator[tuple[bytes, str, Document]]:
        for document in _examined(service, name, Walk.by_id(EXAMINE_AT_MOST), plan):
            key = encode_fields(document, plan.order)
            if key is None or not all(condition.matches(document) for condition in query.where):
                continue
            place = Position(key, document["_id"])
            if after is None or (place < after if query.descending else place > after):
                yield key, document["_id"], document

    pick = heapq.nlargest if query.descending else heapq.nsmallest
    first = pick(query.limit + 1, candidates(), key=lambda item: item[:2])
    documents = [document for _, _, document in first[: query.limit]]
    more = len(first) > query.limit
    cursor = seal_cursor(seal, _position(documents[-1], plan)) if more else None
    return Page(_projected(documents, query), cursor)


def _examined(service: Walker, name: Name, walk: Walk, plan: Plan) -> Iterator[Document]:
    while True:
        documents, more = service.walk(name, walk)
        yield from documents
        if not more:
            return
        after = _position(documents[-1], plan) if walk.index else Position(b"", documents[-1]["_id"])
        walk = replace(walk, after=after)


def _position(document: Document, plan: Plan) -> Position:
    return tuple.__new__(Position, (encode_fields(document, plan.order) or b"", document["_id"]))


def _needed(query: Query) -> tuple[str, ...] | None:
    """The fields to read: those asked for, and those that make the cursor."""
    return None if query.fields is None else tuple(dict.fromkeys(query.fields + query.order_by))


def _projected(documents: list[Document], query: Query) -> list[Document]:
    if query.fields is None:
        return documents
    fields = tuple(parse_field(field) for field in query.fields)
    return [project(document, fields) for document in documents]


def _asked(where: Iterable[Condition], order_by: tuple[str, ...]) -> str:
    """The question without its operands, for messages and logs."""
    conditions = " and ".join(f"{condition.field} {condition.operator}" for condition in where)
    return f"where {conditions or 'anything'} order by {', '.join(order_by) or 'id'}"
