"""The time that a web request may spend at the database in all, over however many operations: see turns.py.

Kept beside the thread's work, so that a backend asks for it where it makes a deadline. Without a limit, as in
commands, the operations' own deadlines count alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic


class Limit:
    """``end`` is a time of ``time.monotonic``."""

    __slots__ = ("end",)

    def __init__(self, end: float) -> None:
        self.end = end

    def give_back(self) -> None:
        """Let others have what this work holds of the database, as it only waits."""


_current: ContextVar[Limit | None] = ContextVar("time_limit", default=None)


def current_limit() -> Limit | None:
    """The limit of what this thread works on."""
    return _current.get()


@contextmanager
def limited(limit: Limit) -> Iterator[None]:
    """Whatever is done within the block ends by the limit."""
    token = _current.set(limit)
    try:
        yield
    finally:
        _current.reset(token)


def bounded(end: float) -> float:
    """The deadline of something that is asked of the database: ``end``, or the limit where that comes first."""
    limit = _current.get()
    return end if limit is None or end <= limit.end else limit.end


@contextmanager
def unhurried() -> Iterator[None]:
    """For what happens once and should not be left half done, such as creating a table: the limit's time stands still
    meanwhile, and the operations' own deadlines count alone."""
    limit = _current.get()
    if limit is None:
        yield
        return
    left = limit.end - monotonic()
    limit.end = float("inf")
    try:
        yield
    finally:
        limit.end = monotonic() + left


@contextmanager
def resting() -> Iterator[None]:
    """For a wait in which nothing is asked of the database: the limit's time stands still, and whoever has something to
    ask may take this one's place."""
    limit = _current.get()
    if limit is not None:
        limit.give_back()
    with unhurried():
        yield
