"""How much the storms, the state machine and the crashes do: a little every day, all of it with CONTRACT_FULL=1."""

import os

FULL = os.environ.get("CONTRACT_FULL", "") not in ("", "0")


def sized(small: int, full: int) -> int:
    """The size of a run: ``small`` for every day, ``full`` when CONTRACT_FULL is set."""
    return full if FULL else small
