"""Rounds, with a clock that only the sides turn."""

import random
from collections.abc import Sequence
from typing import Any

from bench.harness import Effort, measure


class Clock:
    """Seconds that pass only while something works."""

    def __init__(self) -> None:
        self.now = 0.0
        self.worked: list[str] = []

    def __call__(self) -> float:
        return self.now

    def side(self, name: str, seconds: float) -> Any:
        """A side whose every call takes this long."""

        def run(inputs: Sequence[int]) -> None:
            self.worked.append(name)
            self.now += seconds * len(inputs)

        return run


def numbers(chance: random.Random, number: int) -> list[int]:
    return [chance.randrange(10) for _ in range(number)]


def effort(clock: Clock, **changed: Any) -> Effort:
    return Effort(**{"rounds": 8, "pieces": 4, "piece_seconds": 1.0, "limit": 1e6, "clock": clock, **changed})


def test_each_side_has_its_seconds_per_call_in_every_round() -> None:
    clock = Clock()
    rounds = measure({"ours": clock.side("ours", 0.5), "theirs": clock.side("theirs", 0.25)}, numbers, effort(clock))
    assert rounds.seconds == {"ours": [0.5] * 8, "theirs": [0.25] * 8}


def test_a_slow_side_makes_fewer_calls() -> None:
    clock = Clock()
    rounds = measure({"fast": clock.side("fast", 0.125), "slow": clock.side("slow", 4.0)}, numbers, effort(clock))
    assert rounds.calls == {"fast": 32, "slow": 4}


def test_the_sides_take_turns_in_a_changing_order() -> None:
    clock = Clock()
    sides = {name: clock.side(name, 1.0) for name in "abc"}
    measure(sides, numbers, effort(clock))
    turns = clock.worked[-8 * 4 * 3 :]
    orders = {tuple(turns[start : start + 3]) for start in range(0, len(turns), 3)}
    assert all(sorted(order) == ["a", "b", "c"] for order in orders)
    assert len(orders) > 2


def test_the_sides_draw_different_inputs() -> None:
    clock = Clock()
    drawn: list[list[int]] = []

    def draw(chance: random.Random, number: int) -> list[int]:
        drawn.append([chance.randrange(10**9) for _ in range(number)])
        return drawn[-1]

    measure({name: clock.side(name, 0.1) for name in "ab"}, draw, effort(clock))
    assert len({tuple(inputs) for inputs in drawn}) == len(drawn)


def test_what_comes_before_a_piece_is_not_measured() -> None:
    clock = Clock()

    def before() -> None:
        clock.now += 100.0

    rounds = measure({"a": clock.side("a", 0.5)}, numbers, effort(clock), before=before)
    assert rounds.seconds["a"] == [0.5] * 8


def test_too_slow_a_side_gets_fewer_rounds_but_five_at_least() -> None:
    clock = Clock()
    rounds = measure({"a": clock.side("a", 10.0)}, numbers, effort(clock, limit=60.0, pieces=1))
    assert len(rounds.seconds["a"]) == 6
    rounds = measure({"a": clock.side("a", 100.0)}, numbers, effort(clock, limit=60.0))
    assert len(rounds.seconds["a"]) == 5


def test_sides_that_are_alike_make_as_many_calls_as_the_fastest() -> None:
    clock = Clock()
    sides = {"fast": clock.side("fast", 0.125), "disturbed": clock.side("disturbed", 1.0)}
    assert measure(sides, numbers, effort(clock), alike=True).calls == {"fast": 32, "disturbed": 32}
