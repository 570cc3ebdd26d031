"""How much the storms, the state machine and the crashes do: a little every day, all of it with CONTRACT_FULL=1."""

import os
from typing import TypeVar

FULL = os.environ.get("CONTRACT_FULL", "") not in ("", "0")
N = TypeVar("N", int, float)


def sized(small: N, full: N) -> N:
    """The size of a run: ``small`` for every day, ``full`` when CONTRACT_FULL is set."""
    return full if FULL else small
