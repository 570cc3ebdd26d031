"""Indexes beyond the number that DynamoDB allows on a table: answered by reading the documents of the one tenant.

Exact, in constant memory, and slow: every page reads the tenant's whole part of the collection. The doctor reports it.
"""

import heapq
from collections.abc import Callable, Iterator
from itertools import islice

from app.db.documents import Document
from app.db.fields import parse_field
from app.db.paging import Slice, Walk
from app.db.planner import Plan, Span
from app.db.schema import Index
from app.db.sortkeys import encode_fields

_CHUNK = 1_000
ReadById = Callable[[Walk], Slice]
Placed = tuple[bytes, str, Document]


def sorted_walk(read: ReadById, walk: Walk) -> Slice:
    """A stretch of an index that is not there; ``read`` walks the collection by id."""
    after = None if walk.after is None else (walk.after.key, walk.after.id)
    candidates: Iterator[Placed] = (
        (key, id, document)
        for key, id, document in _matching(read, walk.index, walk.spans)
        if after is None or ((key, id) < after if walk.descending else (key, id) > after)
    )
    pick = heapq.nlargest if walk.descending else heapq.nsmallest
    first = pick(walk.limit + 1, candidates, key=lambda placed: placed[:2])
    return Slice([document for _, _, document in first[: walk.limit]], len(first) > walk.limit)


def sorted_count(read: ReadById, plan: Plan, up_to: int) -> int:
    """How many documents the runs of an index hold that is not there, at most ``up_to``."""
    return sum(1 for _ in islice(_matching(read, plan.index, plan.spans), up_to))


def _matching(read: ReadById, index: Index | None, spans: tuple[Span, ...]) -> Iterator[Placed]:
    """The documents within the spans, each with its key behind the span's prefix."""
    paths = tuple(parse_field(field) for field in (index.fields if index is not None else ()))
    walk = Walk.by_id(_CHUNK)
    while True:
        documents, more = read(walk)
        for document in documents:
            key = encode_fields(document, paths)
            if key is not None:
                for span in spans:
                    if span.low <= key < span.high:
                        yield key[len(span.prefix) :], document["_id"], document
        if not more:
            return
        walk = walk.after_id(documents[-1]["_id"])
