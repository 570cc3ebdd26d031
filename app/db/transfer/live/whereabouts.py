"""Where the data is, as a process knows it: which database serves, how to write there, and until when that holds."""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import Final

from app.db.backend import Backend
from app.db.boot_clock import boot_time
from app.db.errors import DatabaseError, Unavailable
from app.db.transfer.live.fences import Fences, read_snapshot, swap_state
from app.db.transfer.live.presence import Presence
from app.db.transfer.live.state import Mode, State, Timing, points_on, read_state
from app.errors import WherryError

Open = Callable[[str], Backend]
"""Opens the database that a state's ``peer`` names."""
_HOPS: Final = 12
_log = logging.getLogger(__name__)


class View:
    """What a process knew at one moment. It holds until ``until`` on the boot clock. A write begun before ``until``
    counts as on time if it has ended before ``late``. Never changed: a new one takes its place."""

    __slots__ = ("fences", "get", "late", "mode", "plain", "save", "service", "state", "until")

    def __init__(
        self,
        service: Backend,
        mode: Mode = "plain",
        until: float = float("-inf"),
        late: float = float("-inf"),
        state: State | None = None,
        fences: Fences | None = None,
    ) -> None:
        self.service, self.mode, self.until, self.late, self.state, self.fences = (
            service, mode, until, late, state, fences
        )  # fmt: skip
        self.plain = mode == "plain"
        self.get, self.save = service.get, service.save  # looked up once, as these two are the most frequent

    def same(self, other: "View") -> bool:
        """Whether nothing has happened between the two."""
        mine, others = (None if view.state is None else view.state.rev for view in (self, other))
        return self.service is other.service and mine == others


class Whereabouts:
    """A process's view, read anew when it is used after its time. An idle process reads nothing.

    ``home`` is the database of the settings, ``reference`` its name where another state points to it.
    """

    def __init__(self, home: Backend, open_peer: Open, *, reference: str = "", timing: Timing | None = None) -> None:
        self.view = View(home)
        self.timing = timing if timing is not None else Timing()
        self._home = home
        self._open = open_peer
        self._peers: dict[str, Backend] = {reference: home} if reference else {}
        self._lock, self._opening, self._process = Lock(), Lock(), os.getpid()
        self._failure: tuple[float, Unavailable] | None = None
        self._read = float("-inf")
        self._paused: tuple[View, float] | None = None
        self._presence = Presence(self.timing.note)

    def fresh(self) -> View:
        """The view, read anew if its time is over."""
        view = self.view
        return view if boot_time() < view.until else self.renew(view)

    def renew(self, known: View | None) -> View:
        """A newer view than ``known``, with None one of now.

        Threads that want one at the same time share one reading, and its failure.
        """
        asked = boot_time()
        if self._process != os.getpid():  # the locks may have been held when this process was forked
            self._lock, self._opening, self._process = Lock(), Lock(), os.getpid()
        with self._lock:
            if self._read > asked or (known is not None and self.view is not known and asked < self.view.until):
                return self.view
            if self._failure is not None and self._failure[0] > asked:
                raise self._failure[1]
            began = boot_time()
            try:
                found = self._find(self.view.service)
            except Unavailable as error:
                self._failure = (boot_time(), error)
                raise
            self._failure = None
            if found.mode == "paused":
                self._end_abandoned(found)
            if (state := found.state) is not None:
                self._presence.note(found.service, state, lambda: self._peer(state.peer))
            self.view, self._read = found, began
            return found

    def look(self) -> View:
        """A view that was read after this call, whatever time the last one has left."""
        return self.renew(None)

    def reference_of(self, service: Backend) -> str:
        """The name under which a database was opened; "" for one that has none."""
        return next((reference for reference, one in list(self._peers.items()) if one is service), "")

    def services(self) -> list[Backend]:
        """Every database that this process has opened."""
        return list({id(one): one for one in (self._home, *list(self._peers.values()))}.values())

    def close(self) -> None:
        """Close every database that this process has opened."""
        self._presence.settle()
        for service in self.services():
            service.close()

    def _find(self, service: Backend) -> View:
        """Follow the states from the database that served last to the one that serves now."""
        timing = self.timing
        for _ in range(_HOPS):
            began = boot_time()
            state = read_state(service)
            if state is None:
                return View(service, "plain", began + timing.plain, began + timing.arming)
            if state.phase == "moved":
                peer = self._peer(state.peer)
                if points_on(state, read_state(peer)):
                    service = peer
                    continue
            elif state.phase == "capturing":
                fences = self._fences(service, state)
                if fences is None:
                    continue  # it changed in between
                return View(service, "capturing", began + timing.lease, began + timing.lease, state, fences)
            return View(service, "paused", began + timing.lease, began + timing.lease, state)
        raise Unavailable("The databases of a migration point at each other: see 'wherry db live status'.")

    def _fences(self, service: Backend, state: State) -> Fences | None:
        """The fences that belong to the state. They change with it alone, so the usual renewal needs no reading."""
        known = self.view
        if known.service is service and known.state is not None and known.state.rev == state.rev and known.fences:
            return known.fences
        found = read_snapshot(service)
        return found.fences if found.state is not None and found.state.rev == state.rev else None

    def _peer(self, reference: str) -> Backend:
        with self._opening:
            if reference not in self._peers:
                try:
                    self._peers[reference] = self._open(reference)
                except DatabaseError:
                    raise
                except WherryError as error:  # a setting or a driver is missing here
                    raise Unavailable(str(error), retry_after=60.0) from error
            return self._peers[reference]

    def _end_abandoned(self, found: View) -> None:
        """End a pause whose runner is gone. That is a compare-and-swap: if the runner lives, one of the two wins."""
        now = boot_time()
        if self._paused is None or not self._paused[0].same(found):
            self._paused = (found, now)
        elif now - self._paused[1] >= self.timing.pause and found.state is not None:
            with_writes = resumed(found.state)
            try:
                swap_state(found.service, found.state, with_writes, fences=True)
            except DatabaseError as error:
                _log.info("A pause was not ended: %s", error)
            else:
                _log.warning("The pause of a migration was abandoned and is over: writes go on.")


def resumed(state: State) -> State:
    """What a paused database, or one that is left behind in the middle of a switch, says when it takes writes again.

    Its epoch is above the one that its runner would say next. After a switch nothing is missing over there.
    """
    filled = state.filled or state.phase == "moved"
    return replace(state, phase="capturing", epoch=state.epoch + 2, armed=True, filled=filled)
