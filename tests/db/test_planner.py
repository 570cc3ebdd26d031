"""Which index serves which query."""

import pytest

from app.db import Index, where
from app.db.planner import MAX_SPANS, plan_count, plan_query
from app.db.query import Condition

OPEN = where("status").eq("open")
BY_NAME, BY_STATUS, BY_BOTH = Index("name"), Index("status"), Index("status", "name")
THREE = Index("status", "kind", "name")
ALL = (BY_NAME, BY_STATUS, BY_BOTH, THREE)


@pytest.mark.parametrize(
    ("conditions", "order_by", "index", "residual"),
    [
        ((), (), None, 0),
        ((), ("name",), BY_NAME, 0),
        ((OPEN,), ("name",), BY_BOTH, 0),
        ((OPEN,), (), BY_STATUS, 0),
        ((OPEN, where("kind").eq(1)), ("name",), THREE, 0),
        ((OPEN, where("kind").in_([1, 2])), ("name",), THREE, 0),
        ((OPEN, where("kind").gt(1)), ("name",), BY_BOTH, 1),
        ((where("name").prefix("a"),), ("name",), BY_NAME, 0),
        ((where("name").prefix("x" * 300),), ("name",), BY_NAME, 1),
        ((where("name").eq("a"),), ("name",), BY_NAME, 0),
        ((where("name").in_(["a"]),), ("name",), BY_NAME, 1),
        ((where("name").exists(),), ("name",), BY_NAME, 0),
        ((where("name").exists(False),), ("name",), BY_NAME, 1),
        ((where("name").contains("a"),), ("name",), BY_NAME, 1),
        ((OPEN, where("status").eq("closed")), ("name",), BY_BOTH, 1),
        ((OPEN, where("status").in_(["open", "closed"])), ("name",), BY_BOTH, 1),
        ((where("status").eq("x" * 300),), ("name",), BY_BOTH, 1),
        ((where("kind").eq(1),), ("name",), BY_NAME, 1),
        ((), ("status", "name"), BY_BOTH, 0),
        ((where("status").gt("a"),), ("status", "name"), BY_BOTH, 0),
        ((where("name").gt("a"),), ("status", "name"), BY_BOTH, 1),
        ((where("other").contains(1),), (), None, 1),
        ((where("other").exists(),), (), None, 1),
    ],
)
def test_the_best_index_serves_and_leaves_the_rest_to_be_filtered(
    conditions: tuple[Condition, ...], order_by: tuple[str, ...], index: Index | None, residual: int
) -> None:
    plan = plan_query(ALL, conditions, order_by)
    assert (plan.index, plan.served, len(plan.residual)) == (index, True, residual)


@pytest.mark.parametrize(
    ("conditions", "order_by"),
    [
        ((), ("kind",)),
        ((), ("name", "status")),
        ((where("kind").eq(1),), ()),
        ((where("status").gt("a"),), ()),
        ((where("status").gt("a"),), ("kind",)),
        ((OPEN,), ("kind",)),
    ],
)
def test_without_an_index_the_plan_says_so(conditions: tuple[Condition, ...], order_by: tuple[str, ...]) -> None:
    plan = plan_query(ALL, conditions, order_by)
    assert (plan.index, plan.served, plan.spans, plan.residual) == (None, False, (), conditions)


@pytest.mark.parametrize(
    ("conditions", "index", "residual"),
    [
        ((OPEN, where("name").gt("a")), BY_BOTH, 0),
        ((where("name").prefix("a"),), BY_NAME, 0),
        ((where("name").prefix("a"), where("kind").eq(1)), BY_NAME, 1),
        ((OPEN,), BY_STATUS, 0),
        ((), None, 0),
    ],
)
def test_a_count_may_use_an_index_that_ends_with_a_range(
    conditions: tuple[Condition, ...], index: Index | None, residual: int
) -> None:
    plan = plan_count(ALL, conditions)
    assert (plan.index, plan.served, len(plan.residual)) == (index, True, residual)


def test_contradictions_have_no_run() -> None:
    name = where("name")
    for conditions in (
        (name.gt("b"), name.lt("a")),
        (name.gt("a"), name.gt(1)),
        (name.prefix("a"), name.prefix("b")),
        (name.eq(1), name.eq(True)),
    ):
        assert plan_query(ALL, conditions, ("name",)).spans == ()
    assert plan_query(ALL, (where("status").in_([]),), ("name",)).spans == ()


def test_the_same_operand_twice_is_one_run() -> None:
    assert len(plan_query(ALL, (where("status").in_(["a", "a", "b"]),), ("name",)).spans) == 2
    assert len(plan_query(ALL, (where("status").in_(["x" * 300 + "a", "x" * 300 + "b"]),), ("name",)).spans) == 1


def test_more_runs_than_are_merged_are_filtered_instead() -> None:
    many = (where("status").in_(list(range(MAX_SPANS))), where("kind").in_([1, 2]))
    plan = plan_query(ALL, many, ("name",))
    assert (plan.index, len(plan.spans), plan.residual) == (BY_BOTH, MAX_SPANS, (many[1],))


def test_conditions_that_only_python_calls_equal_are_told_apart() -> None:
    conditions = (where("name").eq(1), where("name").eq(True))
    assert len(plan_query(ALL, conditions[:1], ("name",)).spans) == 1
    assert plan_query(ALL, conditions, ("name",)).spans == ()
