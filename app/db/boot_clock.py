"""A clock that no adjustment moves and that goes on while the machine sleeps: for leases between processes."""

import time
from typing import Final

BOOT_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""For ``time.clock_gettime``, where a call of ``boot_time`` would cost too much."""


def boot_time() -> float:
    """Seconds on that clock."""
    return time.clock_gettime(BOOT_CLOCK)
