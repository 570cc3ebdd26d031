"""Sides measured beside each other in one process.

A round has pieces: in each piece the sides take turns in a shuffled order, so that what disturbs the machine disturbs
all of them alike. Each side draws its inputs from the same ones at random, but not the same in one piece: whoever came
second would find them in the processor's cache. A side's value of a round is the median of its pieces, as time per
call: a piece in which another program had the processor does not count. A slow side makes fewer calls. Everything is
warm: each side runs, unmeasured, before the first round.
"""

import gc
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import Any

Run = Callable[[Sequence[Any]], object]
"""Does the work once for each input, in its own loop, so that the harness adds no call to what is measured."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to measure: rounds, pieces in a round, and about how long one side works on one piece.

    ``limit`` are seconds for all rounds of one comparison: if a side is too slow for it, there are fewer rounds, at
    least 5. ``clock`` tells seconds.
    """

    rounds: int = 50
    pieces: int = 11
    piece_seconds: float = 0.0015
    limit: float = 60.0
    clock: Callable[[], float] = perf_counter


@dataclass(slots=True)
class Rounds:
    """Seconds per call by side, one value for each round; and how many calls each side made in a round."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    def in_microseconds(self, side: str) -> list[float]:
        """The values of a side."""
        return [value * 1e6 for value in self.seconds[side]]


def measure(
    sides: Mapping[str, Run],
    make_inputs: Callable[[random.Random, int], Sequence[Any]],
    effort: Effort,
    *,
    before: Callable[[], object] = lambda: None,
    alike: bool = False,
    seed: int = 20_260_101,
) -> Rounds:
    """Measure all sides; ``make_inputs(random, number)`` draws one side's inputs of one piece, and
    ``before()`` is called before each, unmeasured. Sides that are ``alike`` in speed make the same number of calls: the
    first calls of a piece are slower than the others."""
    chance, clock = random.Random(seed), effort.clock

    def draw(chance: random.Random, number: int) -> Sequence[Any]:
        before()
        return make_inputs(chance, number)

    single = {name: _time_of_a_call(run, draw, chance, effort, clock) for name, run in sides.items()}
    if alike:
        single = dict.fromkeys(sides, min(single.values()))
    numbers = {name: max(1, round(effort.piece_seconds / seconds)) for name, seconds in single.items()}
    pieces = effort.pieces
    whole_round = sum(single[name] * numbers[name] for name in sides) * pieces
    if whole_round * effort.rounds > effort.limit:  # fewer pieces first, then fewer rounds
        pieces = max(1, int(effort.limit / effort.rounds / (whole_round / pieces)))
        whole_round *= pieces / effort.pieces
    count = min(effort.rounds, max(5, int(effort.limit / whole_round)))
    rounds = Rounds({name: [] for name in sides}, {name: numbers[name] * pieces for name in sides})
    gc.collect()
    gc.freeze()  # what was loaded before is no concern of a collection during the rounds
    try:
        for _ in range(count):
            for name, seconds in _round(sides, draw, chance, numbers, pieces, clock).items():
                rounds.seconds[name].append(seconds)
    finally:
        gc.unfreeze()
    return rounds


def _round(
    sides: Mapping[str, Run],
    make_inputs: Callable[[random.Random, int], Sequence[Any]],
    chance: random.Random,
    numbers: Mapping[str, int],
    pieces: int,
    clock: Callable[[], float],
) -> dict[str, float]:
    spent: dict[str, list[float]] = {name: [] for name in sides}
    order = list(sides)
    for _ in range(pieces):
        chance.shuffle(order)
        for name in order:
            own = make_inputs(chance, numbers[name])
            run = sides[name]
            spent[name].append(_timed(run, own, clock))
    return {name: median(seconds) / numbers[name] for name, seconds in spent.items()}


def _time_of_a_call(
    run: Run,
    make_inputs: Callable[[random.Random, int], Sequence[Any]],
    chance: random.Random,
    effort: Effort,
    clock: Callable[[], float],
) -> float:
    """About how long one call takes, warm: inputs are doubled until, at best, they take as long as a piece."""
    number = 1
    while True:
        best = min(_timed(run, make_inputs(chance, number), clock) for _ in range(1 if number == 1 else 3))
        if best >= effort.limit / 100 or (best >= effort.piece_seconds and number > 1):
            return best / number
        number *= 2


def _timed(run: Run, inputs: Sequence[Any], clock: Callable[[], float]) -> float:
    began = clock()
    run(inputs)
    return clock() - began
