"""Turns at the database: how many web requests may wait for it at once, and how long each may do so in all.

A backend bounds each operation. A page makes several, and a worker has few threads, so a database that hangs or is slow
would still make people wait for long, also for pages that need no database. So a request takes its turn with its first
operation and keeps it to its end:

- A turn ends some seconds after the request began, whatever is under way then (time_limit.py).
- There are fewer turns than the process has threads. A request that finds none free may go on as long as the database
  is known to answer at once, each time for a moment only; otherwise it is told to come again, and its thread is free.

What is outside of a request (commands, the rest of an answer that is streamed) has no turn.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Final, TypeVar

from app.db.errors import DatabaseError, Throttled, Unavailable
from app.db.metrics import OPERATIONS
from app.db.service import DatabaseService
from app.db.time_limit import Limit, current_limit, limited

R = TypeVar("R")

_SECONDS: Final = 2.5
"""How long a turn lasts, as people are promised an answer within three seconds. Where one operation may take longer, as
long as that."""
_WRITES: Final = frozenset({"save", "create", "delete", "commit", "write_batch"})
_LEAST: Final = 0.05
_LEAST_FOR_A_WRITE: Final = 0.3
"""Seconds that must be left for an operation to begin: a write that is cut off leaves its outcome unknown."""
_MOMENT: Final = 0.5
"""Seconds that an operation gets without a turn."""
_WAIT_FOR_A_WRITE: Final = 1.0
_LOOK_AGAIN: Final = 0.05
_QUICK: Final = 0.1
_SILENCE: Final = 0.5
_REMEMBERED: Final = 8


class _Turn(Limit):
    """One request's, ``taken`` from the free ones or not."""

    __slots__ = ("taken", "turns")

    def __init__(self, turns: "Turns", end: float) -> None:
        super().__init__(end)
        self.turns, self.taken = turns, False

    def give_back(self) -> None:
        """See Limit. The next operation takes a turn again."""
        if self.taken:
            self.taken = False
            self.turns.give_back()


class Turns:
    """The turns at one service, ``at_once`` of them. There are none while it leads to a database in this process."""

    def __init__(self, service: DatabaseService, at_once: int) -> None:
        self._service = service
        # A queue of permits, and no semaphore: the library's are written in Python.
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(at_once):
            self._free.put(None)
        # Written by many threads without a lock: what gets lost by that does not change what they tell.
        self._lasted = [0.0] * _REMEMBERED
        self._count = 0
        self._failed = 0.0
        self._answered = self._full_since = monotonic()
        for operation in OPERATIONS:
            setattr(service, operation, self._in_turn(getattr(service, operation), write=operation in _WRITES))

    @contextmanager
    def one(self) -> Iterator[None]:
        """Around a request. Operations within it may raise Unavailable, or Throttled where no turn was free."""
        usual = self._service.answers_within
        if not usual:
            yield
            return
        turn = _Turn(self, monotonic() + max(_SECONDS, usual))
        try:
            with limited(turn):
                yield
        finally:
            if turn.taken:
                self._free.put(None)

    def give_back(self) -> None:
        """One turn is free again."""
        self._free.put(None)

    @contextmanager
    def probe(self) -> Iterator[None]:
        """Around a look whether the database answers, which waits for it like a request; Throttled if no turn is
        free."""
        taken = bool(self._service.answers_within) and self._take(wait=False)
        try:
            yield
        finally:
            if taken:
                self._free.put(None)

    def _in_turn(self, method: Callable[..., R], *, write: bool) -> Callable[..., R]:
        least = _LEAST_FOR_A_WRITE if write else _LEAST

        @wraps(method)
        def in_turn(*args: object, **kwargs: object) -> R:
            turn = current_limit()
            if not isinstance(turn, _Turn) or turn.turns is not self:
                return method(*args, **kwargs)
            if not turn.taken:
                turn.taken = self._take(wait=write)
            began, end = monotonic(), turn.end
            if began + least > end:
                raise Unavailable("The request's time at the database is over: nothing was sent.", retry_after=2.0)
            for_a_moment = not turn.taken
            if for_a_moment:
                turn.end = min(end, began + _MOMENT)
            try:
                answer = method(*args, **kwargs)
            except Unavailable:
                self._failed = monotonic()
                raise
            except DatabaseError:
                self._note(began)
                raise
            finally:
                if for_a_moment:
                    turn.end = end
            self._note(began)
            return answer

        return in_turn

    def _take(self, *, wait: bool) -> bool:
        """Take a turn. False where there is none and none is needed; Throttled where there is none. A write is not
        begun without one, as a moment may be too little for it: it waits."""
        until = monotonic() + _WAIT_FOR_A_WRITE
        while True:
            try:
                self._free.get(timeout=_LOOK_AGAIN) if wait else self._free.get_nowait()
            except Empty:
                if not self._is_quick() or (wait and monotonic() > until):
                    raise Throttled("Too many requests wait for the database.", retry_after=1.0) from None
                if not wait:
                    return False
            else:
                break
        if self._free.empty():
            self._full_since = monotonic()
        return True

    def _note(self, began: float) -> None:
        self._answered = monotonic()
        self._count = place = (self._count + 1) % _REMEMBERED
        self._lasted[place] = self._answered - began

    def _is_quick(self) -> bool:
        """Whether the database is known to answer at once.

        The fastest of the last eight answers took at most 0.1 s (a busy machine makes some of them slow), nothing has
        failed since the latest, and that one came, or the turns ran out, no more than 0.5 s ago.
        """
        silent = monotonic() - max(self._answered, self._full_since)
        return self._answered >= self._failed and silent <= _SILENCE and min(self._lasted) <= _QUICK
