"""Trying again after a Conflict, with growing random waits, so that many writers of one document all get through."""

import time
from collections.abc import Callable
from typing import TypeVar

from app.db.errors import Conflict
from app.db.growing_waits import growing_waits
from app.db.time_limit import bounded

T = TypeVar("T")

_FIRST_WAIT = 0.001
_LONGEST_WAIT = 0.05


def retry_conflicts(attempt: Callable[[], T], deadline: float = 10.0) -> T:
    """Call ``attempt`` until it does not raise Conflict; after ``deadline`` seconds the last Conflict is raised.

    Waits are drawn between zero and a bound that doubles to 50 ms ("full jitter": equal waits would collide again).
    """
    end = bounded(time.monotonic() + deadline)
    waits = growing_waits(_FIRST_WAIT, _LONGEST_WAIT)
    while True:
        try:
            return attempt()
        except Conflict:
            if time.monotonic() >= end:
                raise
        time.sleep(next(waits))
