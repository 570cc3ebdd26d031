"""The median of repeated measurements, with an interval that says how far it can be trusted."""

from collections.abc import Sequence
from math import comb
from statistics import median
from typing import NamedTuple


class Estimate(NamedTuple):
    """A median and the interval around it."""

    median: float
    low: float
    high: float


def estimate_median(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """The median of independent measurements, with a confidence interval for the median they are drawn from.

    The interval lies between two of the sorted values, whose ranks follow from the binomial distribution (order
    statistics; Conover, "Practical Nonparametric Statistics", section 3.2; David and Nagaraja, "Order Statistics",
    section 7.1). It assumes no shape of the distribution, so that a few disturbed rounds do not widen it. Its coverage
    is at least ``confidence``: for 50 values and 0.95 the 18th and the 33rd, 96.7 %. With too few values to reach it
    (under six for 0.95) it spans them all.
    """
    ordered = sorted(values)
    rank = interval_rank(len(ordered), confidence)
    return Estimate(median(ordered), ordered[rank - 1], ordered[-rank])


def interval_rank(number: int, confidence: float = 0.95) -> int:
    """The largest rank r, at least 1, for which the r-th smallest and r-th largest of ``number`` values enclose the
    median with the wanted probability: 1 - 2 P(Binomial(number, 1/2) < r)."""
    if number < 1:
        raise ValueError("an interval needs at least one value")
    outside = 0.0
    rank = 0
    while rank < number // 2:
        outside += 2 * comb(number, rank) / 2**number
        if outside > 1 - confidence:
            break
        rank += 1
    return max(rank, 1)
