"""Moving the application from one side to the other, and what follows: the steps that decide who serves.

    pause        the state says paused and every fence changes, in one commit: no writer of before can come through
    settle       commits that have begun and are not decided are aborted, where the database needs commit records
    drain        the tail carries over the last changes
    move         the state says moved, by compare-and-swap. That is the switch.
    wait         until nobody may still read the old side without looking
    serve        the new side captures; whoever waited writes there

Writers wait from "pause" to "serve". Up to "move" everything can be taken back, and is if it takes too long. A process
that finds a pause abandoned takes it back as well; whoever comes second learns it from the compare-and-swap.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from app.db.boot_clock import boot_time
from app.db.errors import Conflict, Unavailable
from app.db.time_limit import Limit, limited
from app.db.transfer.collections import STATE
from app.db.transfer.errors import TransferRefused
from app.db.transfer.live.changes import forget_changes, read_changes
from app.db.transfer.live.ends import End, Place
from app.db.transfer.live.fences import swap_state
from app.db.transfer.live.state import CURRENT, State, Timing
from app.db.transfer.live.tail import Tail
from app.db.writes import Delete

LONGEST_DRAIN: Final = 3.0
"""Seconds within which writes must be paused and everything carried over; else the pause is taken back."""
_MARGIN: Final = 0.1
_TOO_SLOW: Final = "The last changes took too long to carry over: writes go on where they were. Try again."


class TooSlow(TransferRefused):
    """The switch was taken back: writers would have had to wait for too long."""


def pause_and_move(place: Place, tail: Tail, owner: str) -> State:
    """From "pause" to "move"; the old side's state. TooSlow if it was taken back."""
    old, state = place.serving, place.state
    if state is None:
        raise AssertionError("without a migration there is nothing to move")
    mark = old.service.abort_pending()  # what is old is looked at before anybody has to wait
    end = boot_time() + LONGEST_DRAIN

    def go_on() -> None:
        if boot_time() >= end:
            raise TooSlow(_TOO_SLOW)

    paused = swap_state(old.service, state, replace(state, phase="paused", epoch=place.epoch), fences=True, owner=owner)
    try:
        with limited(Limit(time.monotonic() + end - boot_time())):  # nor may one call take longer
            old.service.abort_pending(mark)
            while tail.round(go_on=go_on):
                pass
        go_on()
        return swap_state(old.service, paused, replace(paused, phase="moved", epoch=paused.epoch + 1))
    except Conflict as error:
        raise TooSlow("A process took the pause for abandoned: writes go on where they were. Try again.") from error
    except BaseException as error:
        take_back(old, paused)
        if isinstance(error, Unavailable) and boot_time() >= end:
            raise TooSlow(_TOO_SLOW) from error
        raise


def take_back(old: End, paused: State) -> None:
    """End a pause: writes go on where they were."""
    try:
        swap_state(old.service, paused, replace(paused, phase="capturing", epoch=paused.epoch + 1))
    except Conflict:
        return  # a process has done so


def serve(place: Place, timing: Timing, owner: str, *, wait: Callable[[float], None] = time.sleep) -> None:
    """From "wait" to "serve", after a switch; also if whoever decided it is gone."""
    state = place.state
    if state is None or place.others is None:
        raise AssertionError("there is no switch to complete")
    wait(timing.lease + _MARGIN)
    serving = replace(state, phase="capturing", epoch=place.epoch, armed=True, filled=True)
    try:
        swap_state(place.serving.service, state, serving, fences=True, owner=owner)
    except Conflict:
        return  # a process has done so


def forget(place: Place, timing: Timing, *, wait: Callable[[float], None] = time.sleep) -> None:
    """End a migration where the data is now: the states go, and the last records with them.

    The side that serves knows of no migration any more. The other one's word is taken away too unless it holds for
    good: that the data has moved from there, now or before this migration.
    """
    if place.state is None:
        raise AssertionError("there is no migration to forget")
    others = place.others
    forget_alone(place.serving, place.state, timing, wait=wait)
    if others is None or place.state.role == "target":
        return
    if others.left:
        sign = replace(others, peer=others.left, epoch=others.epoch + 1, role="source", left="")
        swap_state(place.other.service, others, sign)
    else:
        place.other.service.commit([Delete(STATE, CURRENT, others.rev)])


def forget_alone(serving: End, state: State, timing: Timing, *, wait: Callable[[float], None] = time.sleep) -> None:
    """The same without a word to the other side. Should that one be asked again, it still says where the data is."""
    serving.service.commit([Delete(STATE, CURRENT, state.rev)])
    # Whoever captured under a lease may write records for that long.
    wait(timing.lease + _MARGIN)
    while ids := read_changes(serving.service, 500)[0]:
        forget_changes(serving.service, ids)
