"""The harness' statistics."""

import random
from math import log

import pytest

from bench.intervals import estimate_median, interval_rank


@pytest.mark.parametrize(("number", "rank"), [(6, 1), (9, 2), (10, 2), (20, 6), (50, 18), (100, 40)])
def test_ranks_are_those_of_the_published_tables(number: int, rank: int) -> None:
    """Conover, "Practical Nonparametric Statistics", and any table of the sign test."""
    assert interval_rank(number) == rank


def test_fifty_values_give_the_eighteenth_and_the_thirty_third() -> None:
    values = [float(place) for place in range(1, 51)]
    random.Random(1).shuffle(values)
    assert estimate_median(values) == (25.5, 18, 33)


def test_too_few_values_are_spanned_wholly() -> None:
    assert estimate_median([3.0, 1.0, 2.0]) == (2, 1, 3)
    assert estimate_median([5.0]) == (5, 5, 5)


def test_no_values_have_no_median() -> None:
    with pytest.raises(ValueError, match="at least one"):
        estimate_median([])


def test_a_few_disturbed_rounds_do_not_move_the_interval() -> None:
    chance = random.Random(2)
    calm = [chance.gauss(1.0, 0.02) for _ in range(50)]
    disturbed = [*calm[:44], *[value * 50 for value in calm[44:]]]
    assert estimate_median(disturbed).high < 1.05


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    chance = random.Random(3)
    held = 0
    for _ in range(1_000):
        found = estimate_median([chance.expovariate(1.0) for _ in range(50)])
        held += found.low <= log(2) <= found.high
    assert held >= 950
