"""Waiting for what happens by itself."""

import time
from collections.abc import Callable

_PATIENCE = 20.0


def wait_until(holds: Callable[[], object], seconds: float = _PATIENCE) -> None:
    """Return as soon as it holds; an AssertionError if it does not within so long."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"it does not hold within {seconds:g} s"
        time.sleep(0.005)
