"""Waits between tries that grow, and are random, because those who wait equally long meet again."""

import random
from collections.abc import Iterator


def growing_waits(first: float, longest: float) -> Iterator[float]:
    """Without end: seconds between zero and a bound, which is ``first`` and then doubles up to ``longest``."""
    bound = first
    while True:
        yield random.uniform(0, bound)  # noqa: S311 - spreads waits, keeps no secret
        bound = min(2 * bound, longest)
