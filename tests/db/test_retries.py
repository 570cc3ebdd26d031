"""Trying again after a conflict; no time passes in these tests."""

import pytest

from app.db import Conflict, retries
from app.db.retries import retry_conflicts


class Clock:
    """Stands for the module ``time``: sleeping moves it on."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += max(seconds, 0.001)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(retries, "time", clock)
    return clock


def test_the_answer_of_the_first_success_is_the_answer(clock: Clock) -> None:
    calls = []

    def attempt() -> str:
        calls.append(clock.now)
        if len(calls) < 3:
            raise Conflict([("c", "a")])
        return "done"

    assert retry_conflicts(attempt) == "done"
    assert len(clock.slept) == 2


def test_after_the_deadline_the_last_conflict_is_raised(clock: Clock) -> None:
    def attempt() -> None:
        raise Conflict([("c", "a")])

    with pytest.raises(Conflict):
        retry_conflicts(attempt, deadline=2)
    assert 102 <= clock.now <= 102.1


def test_waits_grow_to_a_bound_and_differ(clock: Clock) -> None:
    def attempt() -> None:
        raise Conflict([("c", "a")])

    with pytest.raises(Conflict):
        retry_conflicts(attempt, deadline=5)
    assert clock.slept[0] <= 0.001
    assert 0.025 < max(clock.slept) <= 0.05
    assert len(set(clock.slept)) > len(clock.slept) // 2


def test_other_errors_are_not_tried_again(clock: Clock) -> None:
    def attempt() -> None:
        raise ValueError

    with pytest.raises(ValueError):
        retry_conflicts(attempt)
    assert clock.slept == []
