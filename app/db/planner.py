"""Which index answers a query, and which runs of it.

An index serves a query if its leading fields have ``eq`` or ``in`` conditions and its other fields are exactly the
query's order. Then the answer is one run of the index for each combination of the ``eq`` and ``in`` operands, narrowed by
ranges on the first order field; conditions that a run does not decide exactly are left to be filtered (``residual``).
Without an order the order is by id: an index whose every field has ``eq`` or ``in`` conditions serves, or else the
collection itself, which is in id order anyway.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from app.db.errors import InvalidQuery
from app.db.fields import parse_field
from app.db.query import RANGES, Condition, type_class
from app.db.schema import Index
from app.db.sortkeys import ABOVE, FALSE, NUMBER, STRING, TRUE, encode_text, encode_value, is_cut

MAX_SPANS = 30


@dataclass(frozen=True, slots=True)
class Span:
    """One run of an index: the keys ``low <= key < high`` of one tenant, all of which begin with ``prefix``."""

    prefix: bytes
    low: bytes
    high: bytes


@dataclass(frozen=True, slots=True)
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


def plan_query(indexes: Iterable[Index], where: Sequence[Condition], order_by: tuple[str, ...]) -> Plan:
    """The plan for an ordered page. Among the indexes that serve, the one with the most ``eq`` and ``in`` fields."""
    order = tuple(parse_field(field) for field in order_by)
    best: Plan | None = None
    best_fields = -1
    for index in indexes:
        leading = len(index.fields) - len(order_by)
        if leading <= best_fields or index.fields[max(leading, 0) :] != order_by:
            continue
        plan = _plan_index(index, leading, where, order)
        if plan is not None:
            best, best_fields = plan, leading
    if best is not None:
        return best
    return Plan(None, (), tuple(where), order, served=not order_by and not any(map(_indexable, where)))


def plan_count(indexes: Iterable[Index], where: Sequence[Condition]) -> Plan:
    """The plan for counting: no order is asked for, so an index may also end with one field that has ranges."""
    known = tuple(indexes)
    plan = plan_query(known, where, ())
    ranged = {condition.field for condition in where if condition.operator in RANGES}
    if plan.index is not None or not ranged:
        return plan
    candidates = [plan_query(known, where, (field,)) for field in sorted(ranged)]
    served = [candidate for candidate in candidates if candidate.served]
    return min(served, key=lambda candidate: len(candidate.residual)) if served else plan


def _plan_index(
    index: Index, leading: int, where: Sequence[Condition], order: tuple[tuple[str, ...], ...]
) -> Plan | None:
    used: list[Condition] = []
    choices: list[tuple[bytes, ...]] = []
    spans_needed = 1
    for field in index.fields[:leading]:
        condition = _equality_on(field, where)
        if condition is None:
            return None
        operands = condition.operand if condition.operator == "in" else (condition.operand,)
        # Two operands may share a key (they are cut, or the same): one run for both.
        keys = tuple(dict.fromkeys(key for key in map(encode_value, operands) if key is not None))
        spans_needed *= max(len(keys), 1)
        if spans_needed > MAX_SPANS:
            return None
        choices.append(keys)
        if not any(map(is_cut, operands)):
            used.append(condition)
    low, high = b"", ABOVE
    if order:
        for condition in where:
            if condition.parts == order[0]:
                bounds, exact = _bounds(condition)
                low, high = max(low, bounds[0]), min(high, bounds[1])
                if exact:
                    used.append(condition)
    spans = []
    if low < high:
        for combination in product(*choices):
            prefix = b"".join(combination)
            spans.append(Span(prefix, prefix + low, prefix + high))
    # By identity: eq(1) and eq(True) are equal to Python.
    residual = tuple(condition for condition in where if not any(condition is other for other in used))
    return Plan(index, tuple(spans), residual, order, served=True)


def _equality_on(field: str, where: Sequence[Condition]) -> Condition | None:
    found = [condition for condition in where if condition.field == field and condition.operator in ("eq", "in")]
    return min(found, key=lambda condition: condition.operator != "eq") if found else None


def _bounds(condition: Condition) -> tuple[tuple[bytes, bytes], bool]:
    """The keys ``low <= key < high`` of the first order field that can match, and whether all of them do."""
    operator, operand = condition.operator, condition.operand
    everything = (b"", ABOVE)
    if operator == "exists":
        return everything, bool(operand)
    if operator == "prefix":
        base = encode_text(operand)
        return (base, base + ABOVE), not is_cut(operand)
    if operator not in ("eq", "lt", "lte", "gt", "gte"):
        return everything, False
    key = encode_value(operand)
    if key is None:
        raise InvalidQuery("compares with a scalar", name=condition.field)
    cut = is_cut(operand)
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
