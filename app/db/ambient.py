"""The unit of work of a command, which what is called inside joins instead of opening its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from app.db.unit_of_work import UnitOfWork

_current: ContextVar[UnitOfWork | None] = ContextVar("unit_of_work", default=None)


@contextmanager
def ambient_unit(open_unit: Callable[[], UnitOfWork]) -> Iterator[UnitOfWork]:
    """The unit that is open around this call, or a new one that commits when the block ends without an exception.

    Only the outermost block commits. A unit of another database is not joined; RuntimeError for one of another tenant,
    because a mistake there would mix two tenants' changes in one commit.
    """
    outer = _current.get()
    wanted = open_unit()
    if outer is not None and outer.service is wanted.service:
        if outer.tenant_id != wanted.tenant_id:
            raise RuntimeError("A unit of work of another tenant is open around this one.")
        yield outer
        return
    with wanted:
        token = _current.set(wanted)
        try:
            yield wanted
            wanted.commit()
        finally:
            _current.reset(token)
