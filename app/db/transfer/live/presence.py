"""A process's sign of life while a migration runs: what it knows, and whether it reaches the other database.

A cut-over takes every process there, so one that lacks the password, the driver or the way must be known before. The
sign is given by a thread of its own: that database may hang, and whoever works on the one that serves must not wait.
"""

import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread
from typing import Final
from weakref import WeakMethod

from app.db.backend import Backend
from app.db.boot_clock import boot_time
from app.db.errors import Unauthorised
from app.db.service import DatabaseService
from app.db.transfer.collections import WORKERS
from app.db.transfer.live.state import State, read_state
from app.errors import WherryError

_REFUSED_FOR: Final = 600.0
"""For so long a database that refused the password is not asked again: CouchDB locks a user out after five refusals
within as many minutes, and with the process the runner."""
_CLOSED_WITHIN: Final = 5.0
SEEN_LATELY: Final = 60.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Worker:
    """A process of the application that a migration has seen. ``current``: it knows the present state. ``problem``:
    why it does not reach the other database, "" if it does."""

    name: str
    seconds_ago: float
    current: bool
    problem: str


class Presence:
    """Of this process, ``every`` so many seconds."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._noted = float("-inf")
        self._thread: Thread | None = None
        self._refused: tuple[float, str] | None = None

    def note(self, serving: Backend, state: State, open_peer: Callable[[], Backend]) -> None:
        """Give the sign in ``serving`` if it is time to, in the background. That it fails does no harm."""
        now = boot_time()
        # The thread of a process that this one was forked from is not alive here.
        if now - self._noted < self._every or (self._thread is not None and self._thread.is_alive()):
            return
        self._noted = now
        if self._thread is None:
            # A fork in the midst of it would leave the new process with locks that nobody opens again.
            settle = WeakMethod(self.settle)
            os.register_at_fork(before=lambda: (method := settle()) and method())
        self._thread = Thread(
            target=self._give, args=(serving, state, open_peer), name="live-migration-presence", daemon=True
        )
        self._thread.start()

    def settle(self) -> None:
        """Wait for a sign that is being given."""
        if self._thread is not None:
            self._thread.join(_CLOSED_WITHIN)

    def _give(self, serving: Backend, state: State, open_peer: Callable[[], Backend]) -> None:
        name = f"{socket.gethostname()}-{os.getpid()}"
        about = {
            "process": os.getpid(),
            "host": socket.gethostname(),
            "epoch": state.epoch,
            "problem": self._problem(open_peer),
            "seen": time.time(),
        }
        try:
            serving.save(WORKERS, name, about)
        except WherryError as error:
            _log.debug("This process could not note itself: %s", error)

    def _problem(self, open_peer: Callable[[], Backend]) -> str:
        if self._refused is not None and boot_time() < self._refused[0]:
            return self._refused[1]
        self._refused = None
        try:
            read_state(open_peer())
        except Unauthorised as error:
            self._refused = (boot_time() + _REFUSED_FOR, str(error))
            return str(error)
        except WherryError as error:
            return str(error)
        return ""


def read_workers(service: DatabaseService, state: State) -> tuple[Worker, ...]:
    """The processes that a database has seen in the last minute, by this machine's clock."""
    now = time.time()
    found = [
        Worker(
            document["_id"],
            round(max(0.0, now - document["seen"]), 1),
            document["epoch"] >= state.epoch,
            document.get("problem", ""),
        )
        for document in service.list_all(WORKERS)
    ]
    return tuple(one for one in found if one.seconds_ago < SEEN_LATELY)
