"""The runner's seat at the board: what it says of itself there, the beat that shows that it lives, and whether another
has taken the seat."""

import os
import socket
import time
from dataclasses import replace
from secrets import token_hex
from threading import Event, RLock, Thread
from typing import Any, Final

from app.db.errors import DatabaseError, Unavailable
from app.db.transfer.errors import TransferRefused
from app.db.transfer.live import fences
from app.db.transfer.live.board import BEAT, Displaced, Run, write_run
from app.db.transfer.live.changes import count_changes
from app.db.transfer.live.ends import End, look
from app.db.transfer.live.tail import Superseded

_LAG_SHOWN: Final = 10_000
_LOOK_AGAIN: Final = 5.0
"""Seconds after an outage was met in which the beat goes on without the database that may be away."""


class Seat:
    """For one runner between ``first``, the source, and ``second``. ``run`` is what stands on the board, or soon will;
    ``lost`` is set once another runner has taken over."""

    def __init__(self, first: End, second: End) -> None:
        self.owner = f"{socket.gethostname()}-{os.getpid()}-{token_hex(4)}"
        self.run = Run(self.owner, "arming", first.name, second.name, first.name, since=time.time())
        self.lost = Event()
        self._ends = (first, second)
        self._lock = RLock()
        self._serving = first
        self._away_until = float("-inf")
        self._stop = Event()
        self._beating: Thread | None = None

    def succeed(self, known: Run) -> None:
        """Go on from what the runner before said. What that one had compared is not known to this one."""
        with self._lock:
            self.run = replace(known, owner=self.owner, note="", answer={}, checked=0, differences=None)

    def claim(self) -> None:
        """From now on no other runner writes anything."""
        self.tell(claim=True)
        fences.raise_runner_fences([end.service for end in self._ends], self.owner)

    def begin_to_beat(self) -> None:
        """Show in the background that we live, also while a step takes long; and see if another has taken over."""
        self._beating = Thread(target=self._beat, name="live-migration-beat", daemon=True)
        self._beating.start()

    def leave(self) -> None:
        """Stop beating."""
        self._stop.set()
        if self._beating is not None:
            self._beating.join()

    def note(self, **fields: Any) -> None:
        """Change what will be on the board next."""
        with self._lock:
            self.run = replace(self.run, **fields)

    def tell(self, *, claim: bool = False) -> None:
        """Put it there; while one of the two is away, only where the data is. Superseded if another runner has taken
        over."""
        ends = self._look(claim)
        with self._lock:
            try:
                self.run = write_run([end.service for end in ends], self.run, claim=claim)
            except Displaced as error:
                self.lost.set()
                raise Superseded from error

    def _look(self, claim: bool) -> tuple[End, ...]:
        """See how it stands; where to write it."""
        if claim or time.monotonic() >= self._away_until:
            try:
                place = look(*self._ends)
                lag = 0 if place.state is None else count_changes(place.serving.service, _LAG_SHOWN)[0]
            except Unavailable:
                if claim:
                    raise
                self._away_until = time.monotonic() + _LOOK_AGAIN
            else:
                self._serving = place.serving
                self.note(lag=lag)
                return self._ends
        return (self._serving,)

    def sleep(self, seconds: float) -> None:
        """Superseded as soon as another runner has taken over."""
        if self.lost.wait(seconds):
            raise Superseded

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            try:
                self.tell()
            except Superseded:
                return
            except (DatabaseError, TransferRefused) as error:
                self.note(note=f"The board cannot be written: {error}")
