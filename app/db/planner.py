"""Which index answers a query, and which runs of it.

An index serves a query if its leading fields have ``eq`` or ``in`` conditions and its other fields are exactly the
query's order. Then the answer is one run of the index for each combination of the ``eq`` and ``in`` operands, narrowed
by ranges on the first order field; conditions that a run does not decide exactly are left to be filtered
(``residual``).
Without an order the order is by id: an index whose every field has ``eq`` or ``in`` conditions serves, or else the
collection itself, which is in id order anyway.

What can be said without the operands (``Shape``) is remembered, as an application asks few different questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from app.db.fields import parse_field
from app.db.query import RANGES, Condition, type_class
from app.db.schema import Index
from app.db.sortkeys import ABOVE, FALSE, NUMBER, STRING, TRUE, encode_text, encode_value, is_cut_key

MAX_SPANS = 30


# Tuples made for every query are made by tuple.__new__: it costs half of Span(...).
class Span(NamedTuple):
    """One run of an index: the keys ``low <= key < high`` of one tenant, all of which begin with ``prefix``."""

    prefix: bytes
    low: bytes
    high: bytes


@dataclass(slots=True)  # not frozen: made for every query, and freezing costs as much as planning
class Plan:
    """How to read: the index (None: the collection in id order), its runs, and the conditions left to be filtered.

    ``order`` are the order fields as parsed paths. ``served`` is False where no declared index serves: then the plan
    reads the collection, and the order has to be made by sorting.
    """

    index: Index | None
    spans: tuple[Span, ...]
    residual: tuple[Condition, ...]
    order: tuple[tuple[str, ...], ...]
    served: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """One way to use an index, by the places of the conditions: those that fix its leading fields, those that narrow
    its first order field, and those left over."""

    index: Index
    fixing: tuple[int, ...]
    narrowing: tuple[int, ...]
    left: tuple[int, ...]


def plan_query(indexes: tuple[Index, ...], where: Sequence[Condition], order_by: tuple[str, ...]) -> Plan:
    """The plan for an ordered page. Among the indexes that serve, the one with the most ``eq`` and ``in`` fields, as
    long as the operands make at most 30 runs."""
    order, shapes = _shapes(indexes, tuple([(item.field, item.operator) for item in where]), order_by)
    for shape in shapes:
        plan = _fill(shape, where, order)
        if plan is not None:
            return plan
    return Plan(None, (), tuple(where), order, served=not order_by and not any(map(_indexable, where)))


def plan_count(indexes: tuple[Index, ...], where: Sequence[Condition]) -> Plan:
    """The plan for counting: no order is asked for, so an index may also end with one field that has ranges."""
    plan = plan_query(indexes, where, ())
    ranged = {condition.field for condition in where if condition.operator in RANGES}
    if (plan.index is not None and not plan.residual) or not ranged:
        return plan
    candidates = [plan, *(plan_query(indexes, where, (field,)) for field in sorted(ranged))]
    served = [candidate for candidate in candidates if candidate.served]
    return min(served, key=lambda candidate: len(candidate.residual)) if served else plan


@lru_cache(maxsize=4096)
def _shapes(
    indexes: tuple[Index, ...], asked: tuple[tuple[str, str], ...], order_by: tuple[str, ...]
) -> tuple[tuple[tuple[str, ...], ...], tuple[Shape, ...]]:
    """The order's parsed fields, and every way to use an index, best first."""
    shapes = []
    for index in indexes:
        leading = len(index.fields) - len(order_by)
        if leading < 0 or index.fields[leading:] != order_by:
            continue
        fixing = [_equality_on(field, asked) for field in index.fields[:leading]]
        if None in fixing or (not fixing and not order_by):
            continue
        places = tuple(place for place in fixing if place is not None)
        narrowing = tuple(
            place for place, (field, _) in enumerate(asked) if order_by and field == order_by[0] and place not in places
        )
        left = tuple(place for place in range(len(asked)) if place not in places and place not in narrowing)
        shapes.append(Shape(index, places, narrowing, left))
    shapes.sort(key=lambda shape: -len(shape.fixing))
    return tuple(parse_field(field) for field in order_by), tuple(shapes)


def _equality_on(field: str, asked: tuple[tuple[str, str], ...]) -> int | None:
    for operator in ("eq", "in"):
        if (field, operator) in asked:
            return asked.index((field, operator))
    return None


def _fill(shape: Shape, where: Sequence[Condition], order: tuple[tuple[str, ...], ...]) -> Plan | None:
    """The plan for these operands, or None if they make too many runs."""
    left = [where[place] for place in shape.left]
    prefixes = [b""]
    for place in shape.fixing:
        condition = where[place]
        if condition.operator == "eq":
            key = encode_value(condition.operand) or b""
            prefixes = [prefix + key for prefix in prefixes]
            cut = is_cut_key(key)
        else:
            # Two operands may share a key (they are cut, or the same): one run for both.
            keys = dict.fromkeys([encode_value(operand) or b"" for operand in condition.operand])
            if len(prefixes) * len(keys) > MAX_SPANS:
                return None
            prefixes = [prefix + key for prefix in prefixes for key in keys]
            cut = any(map(is_cut_key, keys))
        if cut:
            left.append(condition)
    low, high = b"", ABOVE
    for place in shape.narrowing:
        (first, last), exact = _bounds(where[place])
        low, high = max(low, first), min(high, last)
        if not exact:
            left.append(where[place])
    spans = [tuple.__new__(Span, (prefix, prefix + low, prefix + high)) for prefix in prefixes] if low < high else []
    return Plan(shape.index, tuple(spans), tuple(left), order, True)


def _bounds(condition: Condition) -> tuple[tuple[bytes, bytes], bool]:
    """The keys ``low <= key < high`` of the first order field that can match, and whether all of them do."""
    operator, operand = condition.operator, condition.operand
    everything = (b"", ABOVE)
    if operator == "exists":
        return everything, bool(operand)
    if operator == "prefix":
        base = encode_text(operand)
        return (base, base + ABOVE), not is_cut_key(base + b"..")
    key = encode_value(operand)
    if operator not in ("eq", "lt", "lte", "gt", "gte") or key is None:
        return everything, False
    cut = is_cut_key(key)
    after = key + ABOVE
    first, last = _CLASS_BOUNDS.get(type_class(operand), everything)
    if operator == "eq":
        return (key, after), not cut
    if operator == "gt":
        return (key if cut else after, last), not cut
    if operator == "gte":
        return (key, last), not cut
    return (first, after if operator == "lte" or cut else key), not cut


def _indexable(condition: Condition) -> bool:
    """Whether an index could have served the condition: ``contains`` and ``exists`` are always filtered."""
    return condition.operator not in ("contains", "exists")


_CLASS_BOUNDS = {
    "boolean": (FALSE, TRUE + ABOVE),
    "number": (NUMBER, NUMBER + ABOVE),
    "string": (STRING, STRING + ABOVE),
}
