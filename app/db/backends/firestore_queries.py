"""Firestore's query messages for runs of an index, counts and scans."""

from typing import Any, Final

from app.db.backends.firestore_codec import BY_ID, KEYS, REV, field_path, stored_path
from app.db.backends.firestore_messages import Query, RunAggregationQueryRequest, RunQueryRequest
from app.db.paging import Walk
from app.db.planner import Plan, Span
from app.db.sortkeys import ABOVE

_Operator: Final[Any] = Query.FieldFilter.Operator
_AND: Final[Any] = Query.CompositeFilter.Operator.AND
_Direction: Final[Any] = Query.Direction
_EVERYTHING: Final = Span(b"", b"", ABOVE)


def key_name(walk: Walk) -> str | None:
    """The name of the key whose order a walk follows; None for the order of the documents' names."""
    if walk.index is not None:
        return walk.index.name
    return BY_ID if walk.descending else None


def spans_of(walk: Walk) -> tuple[Span, ...]:
    """The runs to read."""
    return walk.spans if walk.index is not None else (_EVERYTHING,)


def walk_request(parent: str, collection: str, walk: Walk, span: Span, after: str | None) -> Any:
    """One run, one document more than the limit; ``after`` is the path of the document to go on behind."""
    query = _of(collection)
    query.limit.value = walk.limit + 1
    name = key_name(walk)
    if name is not None:
        _within(query, field_path(KEYS, name), span)
        _order(query, field_path(KEYS, name), walk.descending)
    _order(query, "__name__", walk.descending)
    if walk.after is not None:
        if name is not None:
            query.start_at.values.add(bytes_value=span.prefix + walk.after.key)
        query.start_at.values.add(reference_value=after)
    if walk.fields is not None:
        keys = [] if name is None else [field_path(KEYS, name)]
        for path in dict.fromkeys((field_path(REV), *keys, *map(stored_path, walk.fields))):
            query.select.fields.add(field_path=path)
    return RunQueryRequest(parent=parent, structured_query=query)


def count_requests(parent: str, collection: str, plan: Plan, up_to: int) -> list[Any]:
    """A count for each run; the answers are in ``n``."""
    requests = []
    for span in plan.spans if plan.index is not None else (_EVERYTHING,):
        query = _of(collection)
        if plan.index is not None:
            _within(query, field_path(KEYS, plan.index.name), span)
        request = RunAggregationQueryRequest(parent=parent)
        request.structured_aggregation_query.structured_query.CopyFrom(query)
        request.structured_aggregation_query.aggregations.add(alias="n").count.up_to.value = up_to
        requests.append(request)
    return requests


def count_all_request(root: str, collection: str) -> Any:
    """A count of every tenant's documents of a collection; the answer is in ``n``."""
    query = _of(collection)
    query.from_[0].all_descendants = True
    request = RunAggregationQueryRequest(parent=root)
    request.structured_aggregation_query.structured_query.CopyFrom(query)
    request.structured_aggregation_query.aggregations.add(alias="n").count.SetInParent()
    return request


def scan_request(root: str, collection: str, after: str | None, limit: int) -> Any:
    """Every tenant's documents of a collection in the order of their paths."""
    query = _of(collection)
    query.from_[0].all_descendants = True
    _order(query, "__name__", descending=False)
    query.limit.value = limit
    if after is not None:
        query.start_at.values.add(reference_value=after)
    return RunQueryRequest(parent=root, structured_query=query)


def list_request(parent: str, collection: str) -> Any:
    """All documents of a small collection."""
    return RunQueryRequest(parent=parent, structured_query=_of(collection))


def _of(collection: str) -> Any:
    query = Query()
    query.from_.add(collection_id=collection)
    return query


def _within(query: Any, path: str, span: Span) -> None:
    query.where.composite_filter.op = _AND
    for operator, bound in ((_Operator.GREATER_THAN_OR_EQUAL, span.low), (_Operator.LESS_THAN, span.high)):
        condition = query.where.composite_filter.filters.add().field_filter
        condition.field.field_path = path
        condition.op = operator
        condition.value.bytes_value = bound


def _order(query: Any, path: str, descending: bool) -> None:
    query.order_by.add(
        field={"field_path": path}, direction=_Direction.DESCENDING if descending else _Direction.ASCENDING
    )
