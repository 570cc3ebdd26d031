"""What a live migration has left in a database that a command names: whether its data is elsewhere, and where.

The application follows that sign. A command that did not look would read, or repair, a database that nobody uses.
"""

from collections.abc import Callable
from typing import Final

from app.db.errors import NotFound, Unavailable
from app.db.service import DatabaseService
from app.db.transfer.collections import STATE
from app.db.transfer.errors import TransferRefused
from app.db.transfer.live.state import CURRENT, State, points_on
from app.db.transfer.references import Opened, masked

_HOPS: Final = 12


def read_sign(service: DatabaseService) -> State | None:
    """What a database says of a live migration; None if it knows of none. Creates nothing.

    TransferRefused where a newer release has said it.
    """
    # Asked first: a service that must not create anything calls a collection that is not there unavailable.
    if STATE not in {one.name for one in service.collections()}:
        return None
    try:
        found = service.get(STATE, CURRENT)
    except NotFound:
        return None
    try:
        return State.of(found)
    except Unavailable as error:  # a newer release's: waiting does not help
        raise TransferRefused(str(error)) from error


def check_readable(state: State | None, role: str) -> None:
    """TransferRefused, naming the place, if the data is elsewhere."""
    if state is not None and state.phase == "moved":
        raise TransferRefused(f"{_left(role, state)}, or say --left-behind to take {role} as it is nevertheless.")


def check_writable(state: State | None, role: str) -> None:
    """TransferRefused if the data is elsewhere, or if a live migration is under way: it would not learn of a write."""
    if state is None:
        return
    if state.phase == "moved":
        raise TransferRefused(f"{_left(role, state)}.")
    raise TransferRefused(f"{role} is in a live migration: 'wherry db live status' tells how far it is.")


def follow(named: Opened, state: State | None, open_other: Callable[[str], Opened]) -> Opened:
    """The database that serves, found as the application finds it; ``named`` itself, whose sign is ``state``, if that
    does. Closes every other one. TransferRefused if they point at each other."""
    here = named
    try:
        for _ in range(_HOPS):
            if state is None or state.phase != "moved":
                return here
            there = open_other(state.peer)
            try:
                theirs = read_sign(there.service)
                further = points_on(state, theirs)
            except BaseException:
                there.service.close()
                raise
            if not further:  # a switch is being made, away from there
                there.service.close()
                return here
            here.service.close()
            here, state = there, theirs
    except BaseException:
        here.service.close()
        raise
    here.service.close()
    raise TransferRefused("The databases of a migration point at each other: see 'wherry db live status'.")


def _left(role: str, state: State) -> str:
    return f"{role} says that a live migration has its data in {masked(state.peer)}: name that"
