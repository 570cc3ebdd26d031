"""The runner: one process that carries a live migration through, step by step, and obeys what is put on the board.

All that it needs to know stands in the two databases, so that it may be killed at any moment: the next one looks where
the migration stands and goes on. A runner that was held up meanwhile is fenced off by its successor.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from app.db.errors import DatabaseError, Unavailable
from app.db.schema import Schema
from app.db.transfer.collections import is_machinery
from app.db.transfer.copying import CopyOptions
from app.db.transfer.errors import TransferRefused
from app.db.transfer.identity import same_database
from app.db.transfer.live import fences, switch
from app.db.transfer.live.backfilling import backfill
from app.db.transfer.live.beginning import check_beginning, tell_both
from app.db.transfer.live.board import DEAD_AFTER, Command, is_alive, read_command, read_run
from app.db.transfer.live.changes import read_changes
from app.db.transfer.live.checking import Checker
from app.db.transfer.live.ends import End, Place, look
from app.db.transfer.live.presence import read_workers
from app.db.transfer.live.seat import Seat
from app.db.transfer.live.state import State, Timing, read_state
from app.db.transfer.live.tail import Superseded, Tail
from app.db.transfer.progress import Progress

_SMALL_LAG: Final = 1_000
_AT_ONCE: Final = 500
_IDLE: Final = 0.1
_REST: Final = 1.0
_COMMANDS_EVERY: Final = 1.0


class _Asked(Exception):
    """Somebody wants something: the backfill is left for it, and gone on with afterwards."""


class Runner:
    """Between the two ends; ``first`` is the source. ``begin`` claims the place, then ``step`` is called again and
    again until ``over``."""

    def __init__(
        self,
        first: End,
        second: End,
        schema: Schema,
        progress: Progress,
        *,
        timing: Timing | None = None,
        options: CopyOptions | None = None,
        dead_after: float = DEAD_AFTER,
        crash: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``crash`` is called with the name of every point at which a test may want the process to die."""
        self.first, self.second = first, second
        self.over = False
        self._schema = schema
        self._progress = progress
        self._timing = timing if timing is not None else Timing()
        self._options = options if options is not None else CopyOptions()
        self._crash = crash
        self._dead_after = dead_after
        self._seat = Seat(first, second)
        self._tail: Tail | None = None
        self._checker: Checker | None = None
        self._done = ""
        self._looked = 0.0
        self._serving: End | None = None

    # Beginning

    def begin(self) -> None:
        """Claim the place: TransferRefused if another runner is at work, the two are the same database, or TARGET may
        not be filled."""
        if same_database(self.first.service, self.second.service):
            raise TransferRefused("SOURCE and TARGET are the same database: there is nothing to carry over.")
        place = look(self.first, self.second)
        if place.state is not None and (place.state.role == "source") != (place.serving is self.first):
            # Named the other way round: the roles stand in the states.
            self.first, self.second = self.second, self.first
            self._seat = Seat(self.first, self.second)
        known = read_run(place.serving.service)
        if known is not None and place.state is not None and is_alive(place.serving.service, self._dead_after):
            raise TransferRefused(f"Another runner is at work: {known.owner}.")
        if place.state is None:
            check_beginning(self.first, self.second, place, self._options)
        for end in (self.first, self.second):
            fences.prepare(end.service)
        if place.state is None:
            tell_both(self.first, self.second, place, self._crash)
        if known is not None and place.state is not None:
            self._seat.succeed(known)
        last = read_command(place.serving.service)
        self._done = "" if last is None else last.id
        self._claim()
        self._seat.begin_to_beat()

    def _claim(self) -> None:
        """From now on no other runner writes anything."""
        self._seat.claim()
        self._forget_views()

    def close(self) -> None:
        """Stop beating. The migration stays as it is: the next runner goes on."""
        self._seat.leave()

    # Going on

    def step(self) -> None:
        """Whatever is to be done next. Superseded if another runner has taken over."""
        if self._seat.lost.is_set():
            raise Superseded
        place = look(self.first, self.second)
        self._serving = place.serving
        self._seat.note(serving=place.serving.name)
        try:
            self._next(place)
        except Superseded:
            # A process that ended a pause changes the fences too: then the place is still ours.
            self._seat.tell()
            self._claim()

    def wait_out(self, outage: Unavailable) -> None:
        """After a step that failed because a database is away: say so, rest a little; then step again."""
        text = f"A database is away, trying again: {outage}"
        if self._seat.run.note != text:
            self._progress.note(text)
        self._seat.note(note=text)
        self._seat.sleep(_REST)
        with suppress(Unavailable):
            if self._serving is not None and read_state(self._serving.service) is None:
                self.over = True  # given up without the other database

    def _next(self, place: Place) -> None:
        state = place.state
        if state is None:
            self._end(place, "forgotten" if place.serving is self.first else "finished")
        elif place.switching:
            self._stage("switching")
            switch.serve(place, self._timing, self._seat.owner)
            self._forget_views()
        elif state.phase == "paused":
            switch.take_back(place.serving, state)
        elif not state.filled and (command := self._asked(place)) is not None:
            self._obey(place, command)
        elif not state.armed:
            self._stage("arming", "Waiting until every worker leaves change records.")
            self._seat.sleep(self._timing.arming)
            fences.swap_state(place.serving.service, state, replace(state, armed=True))
            self._crash("armed")
        elif not state.filled:
            self._backfill(place, state)
        else:
            self._follow(place)

    def _backfill(self, place: Place, state: State) -> None:
        """Copy everything, once. What is written meanwhile leaves records, for afterwards."""
        self._stage("backfill")
        self._guard(place.other, on=False)  # it may be one that was left for good, and is gone back to

        def told(documents: int, total: int | None) -> None:
            self._seat.note(copied=self._seat.run.copied + documents, total=total or self._seat.run.total)
            if time.monotonic() - self._looked >= _COMMANDS_EVERY:
                self._looked = time.monotonic()
                if self._asked(place) is not None:
                    raise _Asked

        ends = (place.serving.service, place.other.service)
        seat = self._seat
        try:
            report = backfill(
                *ends, state.migration, self._options, self._progress, told, seat.owner, seat.lost, self._schema
            )
        except _Asked:
            return
        self._crash("copied")
        first = tuple(f"{one.collection}/{one.id}: {one.reason}" for one in report.rejections)
        self._seat.note(rejected=report.rejected, first=first)
        fences.swap_state(place.serving.service, state, replace(state, filled=True))
        self._crash("filled")

    def _asked(self, place: Place) -> Command | None:
        """What is wanted and not done yet."""
        command = read_command(place.serving.service)
        return None if command is None or command.id == self._done else command

    def _follow(self, place: Place) -> None:
        """Tail, verify, and do what is asked for."""
        tail, checker = self._views(place)
        self._stage("tail" if place.serving is self.first else "reverse")
        began = time.monotonic()
        carried = tail.round(_AT_ONCE)
        self._crash("carried")
        if carried:
            rate = carried / max(time.monotonic() - began, 1e-6)
            self._seat.note(carried=self._seat.run.carried + carried, rate=round(rate, 1))
        if tail.rejected or checker.clean:
            first = tuple(f"{one.collection}/{one.id}: {one.reason}" for one in tail.rejected.values())[:20]
            self._seat.note(rejected=len(tail.rejected), first=first)
        if (command := self._asked(place)) is not None:
            self._obey(place, command)
            return
        if carried < _AT_ONCE:  # else the tail is behind, and goes first
            busy = checker.step() or carried > 0
            last = checker.last
            self._seat.note(
                checked=checker.now.documents,
                differences=None if last is None else last.differences,
                note="" if last is None or not last.first else f"Differs: {last.first[0][0]}/{last.first[0][1]}",
            )
            if not busy:
                self._seat.sleep(_IDLE)

    def _obey(self, place: Place, command: Command) -> None:
        """Do it, and say on the board what became of it."""
        self._done = command.id
        try:
            said = self._do(place, command)
        except (TransferRefused, DatabaseError) as error:
            self._seat.note(answer={"id": command.id, "ok": False, "said": str(error)})
            if not isinstance(error, TransferRefused) or isinstance(error, switch.TooSlow):
                self._forget_views()  # the fences may be others by now
        else:
            self._seat.note(answer={"id": command.id, "ok": True, "said": said})
        self._seat.tell()

    def _do(self, place: Place, command: Command) -> str:
        serving_target = place.serving is self.second
        if command.action == "cutover" and serving_target:
            return f"{self.second.name} serves already."
        if command.action == "finish" and not serving_target:
            raise TransferRefused("There is nothing to finish yet: cut over first, or roll back.")
        if command.action == "finish" and not command.keep_rollback:
            switch.forget(place, self._timing)
            self._end(look(self.first, self.second), "finished")
            return f"Finished. {self.second.name} holds the data; {self.first.name} tells whoever asks that it moved."
        if command.action == "finish":
            return f"{self.second.name} serves, and {self.first.name} goes on following it."
        if command.action == "rollback" and not serving_target:
            switch.forget(place, self._timing)
            if place.others is not None and place.others.left:
                self._guard(place.other, on=True)  # as it was
            self._end(look(self.first, self.second), "forgotten")
            return f"Rolled back. {self.first.name} serves as before, and {self.second.name} is not followed any more."
        if place.state is None or not place.state.filled:
            raise TransferRefused("Not everything has been copied yet: 'wherry db live status' tells how far it is.")
        self._move(place, command)
        return f"{self._seat.run.serving} serves now. Writes paused for {self._seat.run.pause:.1f} s."

    def _move(self, place: Place, command: Command) -> None:
        tail, checker = self._views(place)
        ids, keys = read_changes(place.serving.service, _SMALL_LAG + 1, _SMALL_LAG + 1)
        if max(len(ids), len(keys)) > _SMALL_LAG:  # the record of a bulk write names many documents
            raise TransferRefused(
                f"More than {_SMALL_LAG:,} changes wait to be carried over: try again a little later."
            )
        if not command.force:
            self._check_fits()
            if command.action == "cutover":  # a way back must be open at once: the tail alone has to do
                self._check_equal(checker)
                self._check_reached(place)
        self._stage("switching")
        self._guard(place.other, on=False)  # before anybody has to wait
        began = time.monotonic()
        switch.pause_and_move(place, tail, self._seat.owner)
        self._crash("moved")
        switch.serve(look(self.first, self.second), self._timing, self._seat.owner)
        self._crash("served")
        now = look(self.first, self.second)
        self._seat.note(pause=round(time.monotonic() - began, 3), serving=now.serving.name)
        self._forget_views()

    def _check_fits(self) -> None:
        run = self._seat.run
        if run.rejected:
            raise TransferRefused(
                f"{run.rejected} documents do not fit the other database, the first {run.first[0]}."
                " With --force they are left behind."
            )

    def _check_reached(self, place: Place) -> None:
        """Every process of the application goes there with the data, or answers nobody any more."""
        state = place.state
        workers = () if state is None else read_workers(place.serving.service, state)
        if barred := [one for one in workers if one.problem]:
            first = barred[0]
            raise TransferRefused(
                f"{len(barred)} of {len(workers)} processes of the application do not reach {place.other.name}."
                f" {first.name} said {first.seconds_ago:.0f} s ago: {first.problem} Mend that, start them anew, wait a"
                " minute, or say --force."
            )

    def _check_equal(self, checker: Checker) -> None:
        if checker.last is None:
            raise TransferRefused("Not everything has been verified yet: try again a little later, or say --force.")
        if not checker.clean:
            raise TransferRefused(
                f"{checker.last.differences} documents differed and are being repaired: try again after the next"
                " verification, or say --force."
            )

    def _end(self, place: Place, stage: str) -> None:
        self._seat.note(stage=stage, serving=place.serving.name)
        self.over = True

    # What is known of a direction

    def _views(self, place: Place) -> tuple[Tail, Checker]:
        if self._tail is None or self._checker is None:
            check = fences.runner_check(place.other.service, self._seat.owner)
            if check is None:
                raise Superseded
            self._guard(place.other, on=place.serving is self.second)
            self._tail = Tail(place.serving.service, place.other.service, check)
            self._checker = Checker(place.serving.service, place.other.service)
        return self._tail, self._checker

    def _guard(self, end: End, *, on: bool) -> None:
        """Let the side that was left refuse the writes of strangers, where it can."""
        names = [one.name for one in end.service.collections() if not is_machinery(one.name)]
        try:
            able = end.service.refuse_writes(names, on=on)
        except DatabaseError as error:
            self._seat.note(note=f"{end.name} could not be {'guarded' if on else 'opened'}: {error}")
            return
        if on and not able:
            self._seat.note(note=f"{end.name} cannot refuse writes by itself: revoke old credentials.")

    def _forget_views(self) -> None:
        self._tail = self._checker = None

    def _stage(self, stage: Any, note: str = "") -> None:
        changed = self._seat.run.stage != stage
        self._seat.note(stage=stage, note=note or self._seat.run.note)
        if changed:
            self._progress.note(f"{stage}: {self._seat.run.serving} serves")
            self._seat.tell()
