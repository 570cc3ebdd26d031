"""One id for everything that happens because of a request or command; web/correlation.py gives requests theirs."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from secrets import token_hex

_current: ContextVar[str] = ContextVar("correlation_id", default="")


def correlation_id() -> str:
    """The id of the request or command that this thread works for; empty when there is none."""
    return _current.get()


def new_correlation_id() -> str:
    """128 random bits in 32 hexadecimal digits."""
    return token_hex(16)


def use_correlation_id(value: str) -> None:
    """Work for ``value`` from now on, in this thread."""
    _current.set(value)


@contextmanager
def correlated() -> Iterator[str]:
    """A block that has an id: the one that there is around it, or a new one."""
    token = _current.set(_current.get() or new_correlation_id())
    try:
        yield _current.get()
    finally:
        _current.reset(token)
