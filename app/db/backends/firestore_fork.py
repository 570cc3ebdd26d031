"""Forking a process that uses gRPC.

gRPC survives a fork only while no call is being made: otherwise the child's first call hangs for ever. So calls pass a
gate, a fork closes it and waits for those inside, and holds up new ones until it is done.
"""

import os
import threading
from typing import Final

LONGEST_WAIT: Final = 30.0
"""Seconds that a fork waits for calls in flight, which their own deadlines end long before."""


class ForkGate:
    """Counts the calls being made in this process (``with gate:``)."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = False
        os.register_at_fork(before=self._close, after_in_parent=self._open, after_in_child=self._begin)

    def __enter__(self) -> None:
        with self._changed:
            while self._closed:
                self._changed.wait()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._inside -= 1
            if self._closed and not self._inside:
                self._changed.notify_all()

    def _close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._inside, LONGEST_WAIT)

    def _open(self) -> None:
        with self._changed:
            self._closed = False
            self._changed.notify_all()

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = False


fork_gate: Final = ForkGate()
"""One for the process, as gRPC is."""
