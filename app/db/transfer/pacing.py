"""How fast a transfer goes: when a database does not answer, when it asks to slow down, and when an operator does."""

import random
import time
from collections.abc import Callable
from threading import Event, Lock
from typing import Final, TypeVar

from app.db.errors import NotWritable, Throttled, Unauthorised, Unavailable
from app.db.transfer.progress import Progress, shown_time

T = TypeVar("T")

_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 10.0
_SMALLEST: Final = 25
_GROW_AFTER: Final = 5


class Stopped(Exception):
    """Another part of the transfer has failed: this one ends without a word."""


class Patience:
    """One database's outages: waits that grow, until it has not answered anybody for ``seconds``; then the error is
    raised. A refusal of rights, and a disk without room, are raised at once: waiting mends neither."""

    def __init__(self, name: str, seconds: float, stop: Event, progress: Progress) -> None:
        self._name = name
        self._seconds = seconds
        self._stop = stop
        self._progress = progress
        self._lock = Lock()
        self._since: float | None = None
        self._bound = _FIRST_WAIT

    def call(self, work: Callable[[], T]) -> T:
        """What ``work`` answers, which is called again after each outage."""
        while True:
            if self._stop.is_set():
                raise Stopped
            try:
                answer = work()
            except Unavailable as error:
                self.wait(error)
            else:
                self.answered()
                return answer

    def answered(self) -> None:
        """The database has done something."""
        if self._since is not None:
            with self._lock:
                self._since, self._bound = None, _FIRST_WAIT

    def wait(self, error: Unavailable) -> None:
        """Wait before another try, or raise: the error, when patience is at an end; Stopped, when somebody else did."""
        if isinstance(error, Unauthorised | NotWritable):
            raise error
        with self._lock:
            now = time.monotonic()
            if self._since is None:
                self._since = now
                self._progress.note(f"{self._name}: {error} Trying again for {shown_time(self._seconds)}.")
            left = self._since + self._seconds - now
            # Who is asked to slow down knows for how long; of an outage nobody does, and most are over in a moment.
            asked = error.retry_after if isinstance(error, Throttled) else 0.0
            bound = min(max(self._bound, asked), _LONGEST_WAIT)
            self._bound = min(self._bound * 2, _LONGEST_WAIT)
        if left <= 0:
            raise error
        # Spread, so that several workers do not come back at one moment.
        if self._stop.wait(min(left, random.uniform(bound / 2, bound))):  # noqa: S311 - keeps no secret
            raise Stopped


class BatchSize:
    """How many documents one bulk write has: halved when the database complains, doubled after five that went well."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._lock = Lock()
        self._well = 0
        self.now = largest

    def complained(self) -> None:
        """The database asked to slow down or did not answer in time."""
        with self._lock:
            self.now = max(min(_SMALLEST, self._largest), self.now // 2)
            self._well = 0

    def went_well(self) -> None:
        """A whole bulk write was done."""
        if self.now == self._largest:
            return
        with self._lock:
            self._well += 1
            if self._well >= _GROW_AFTER:
                self.now, self._well = min(self._largest, self.now * 2), 0


class RateLimit:
    """At most so many documents a second, over all workers; None: as many as can be."""

    def __init__(self, rate: float | None, stop: Event) -> None:
        self._rate = rate
        self._stop = stop
        self._lock = Lock()
        self._free_at = time.monotonic()

    def take(self, documents: int) -> None:
        """Wait until it is these documents' turn; Stopped if the transfer ends meanwhile."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            wait = max(0.0, self._free_at - now)
            self._free_at = max(self._free_at, now) + documents / self._rate
        if wait and self._stop.wait(wait):
            raise Stopped
