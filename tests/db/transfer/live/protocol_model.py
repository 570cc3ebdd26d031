"""A model of the live migration's protocol, small enough to try every interleaving. It imports nothing of the code.

Two databases hold one document. Writers and a reader follow the states, each with a view that may be outdated at any
moment; a runner migrates and, where that is asked for, migrates back; a second runner may take the place of the first,
which goes on nevertheless. A value is the number of its write in the order in which the writes were applied anywhere.

The property: a read answers no older value than the last one that was acknowledged before the read began. MUTANTS are
protocols with one defence less; each must break the property.

How time appears: "wait" is the one thing that time does. After it no view that was read before may be used, and every
plain write that was begun before and is not acknowledged counts as late. A process that is held up is one that takes no
step for long.
"""

from collections.abc import Iterator
from typing import NamedTuple

MUTANTS = {
    "no_fence": "captured writes check no fence",
    "drain_first": "the records are drained before the writers are paused",
    "no_settle": "commits that are pending at the pause are left alone, on a database that needs commit records",
    "tail_in_backfill": "records are forgotten while the backfill still has older contents in hand",
    "no_arming_wait": "the backfill begins before every writer is armed",
    "no_switch_wait": "the new side takes writes while somebody may still read the old one",
    "no_runner_fence": "what a runner carries over is written although another has taken its place",
    "blind_resume": "an abandoned pause is ended without looking whether it is still the same",
    "no_look_back": "a late plain write is acknowledged like any other",
    "no_read_check": "an answer is given although the view no longer holds",
    "no_change_record": "captured writes leave no record",
}


class Db(NamedTuple):
    """One database: its word (None: no migration), its fences, its document, change records and pending commits."""

    phase: str = ""
    epoch: int = 0
    armed: bool = False
    filled: bool = False
    fence: int = 0
    runner: int = 0
    value: int = 0
    records: frozenset[int] = frozenset()
    pending: frozenset[str] = frozenset()
    aborted: frozenset[str] = frozenset()


class Process(NamedTuple):
    """A writer or the reader: where it is in its steps, what it has left to do, and its view."""

    name: str
    left: int
    at: str = "idle"
    side: int = 0
    mode: str = "plain"
    fence: int = 0
    rev: int = 0
    fresh: bool = True
    late: bool = False
    seen: int = 0
    since: int = 0
    looked: int = 0
    then: str = ""


class Runner(NamedTuple):
    """A runner: its step, the revisions of its fences, and what it has in hand."""

    at: str = "off"
    side: int = 0
    fences: tuple[int, int] = (0, 0)
    hand: int = 0
    records: frozenset[int] = frozenset()
    epoch: int = 0
    switches: int = 1


class World(NamedTuple):
    """Everything. ``written`` counts writes, ``acked`` is the latest that was acknowledged."""

    dbs: tuple[Db, Db]
    processes: tuple[Process, ...]
    runners: tuple[Runner, ...]
    written: int = 0
    acked: int = 0
    record: int = 0
    resumes: int = 0


class Broken(Exception):
    """The property does not hold."""


class Protocol:
    """The steps that are possible in a world. ``records``: commits need commit records, as on CouchDB."""

    def __init__(self, mutant: str = "", *, records: bool = False) -> None:
        self.mutant, self.with_records = mutant, records

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        """Every step that somebody can take, with the world thereafter. None once all is read that is to be read."""
        if not world.processes[-1].left:
            return
        for place, process in enumerate(world.processes):
            if process.left or process.at != "idle":
                for world_after, process_after in self._process(world, process):
                    if process_after.at == "idle":  # what it remembers means nothing any more
                        process_after = process_after._replace(seen=0, since=0, looked=0, then="", late=False)
                        if not process_after.left:
                            process_after = Process(process.name, 0)
                    processes = (*world_after.processes[:place], process_after, *world_after.processes[place + 1 :])
                    yield f"{process.name}: {process.at}", world_after._replace(processes=processes)
        for place, runner in enumerate(world.runners):
            for what, world_after, runner_after in self._runner(world, runner, place):
                if runner_after.at in ("decide", "done"):
                    runner_after = runner_after._replace(side=0, hand=0, epoch=0, records=frozenset())
                runners = (*world_after.runners[:place], runner_after, *world_after.runners[place + 1 :])
                yield f"runner {place}: {what}", world_after._replace(runners=runners)
        yield from self._resume(world)

    # Processes

    def _process(self, world: World, me: Process) -> Iterator[tuple[World, Process]]:
        match me.at:
            case "idle" if me.name == "reader":  # it reads first and looks afterwards
                yield world, me._replace(at="begin", since=world.acked)
            case "idle":
                since = world.acked
                yield from self._look(world, me._replace(at="look", fresh=True, since=since, then="begin", late=False))
                if me.fresh:
                    yield world, me._replace(at="begin", since=since, late=False)
            case "look" | "look there":
                yield from self._look(world, me)
            case "begin" if me.name == "reader":
                yield world, me._replace(at="check", seen=world.dbs[me.side].value)
            case "check":
                if me.fresh or self.mutant == "no_read_check":
                    yield self._answer(world, me)
                else:
                    yield from self._look(world, me._replace(at="look", fresh=True, then="compare", looked=_key(me)))
            case "compare":
                if me.looked == _key(me):
                    yield self._answer(world, me)
                else:
                    yield world, me._replace(at="begin", looked=0)
            case "begin":
                if me.mode == "plain":
                    # Nothing stops a plain write that was begun.
                    yield self._apply(world, me, None), me._replace(at="written", seen=world.written + 1)
                elif me.mode == "paused":
                    yield from self._look(world, me._replace(at="look", fresh=True, then="begin"))
                elif self.with_records:
                    yield (
                        _put(world, me.side, pending=world.dbs[me.side].pending | {me.name}),
                        me._replace(at="pending"),
                    )
                elif self._fenced(world, me):
                    yield from self._look(world, me._replace(at="look", fresh=True, then="begin"))
                else:
                    yield self._captured(world, me)
            case "pending":
                if self._fenced(world, me):
                    own = _put(world, me.side, pending=world.dbs[me.side].pending - {me.name})
                    own = _put(own, me.side, aborted=own.dbs[me.side].aborted - {me.name})
                    yield from self._look(own, me._replace(at="look", fresh=True, then="begin"))
                else:
                    yield world, me._replace(at="decide")
            case "decide":
                db = world.dbs[me.side]
                if me.name in db.aborted:
                    after = _put(world, me.side, aborted=db.aborted - {me.name})
                    yield from self._look(after, me._replace(at="look", fresh=True, then="begin"))
                else:
                    yield self._captured(_put(world, me.side, pending=db.pending - {me.name}), me)
            case "written":
                if me.late and self.mutant != "no_look_back":
                    looking = me._replace(at="look", fresh=True, then="look back", fence=me.side)
                    yield from self._look(world, looking)
                else:
                    yield world._replace(acked=max(world.acked, me.seen)), me._replace(at="idle", left=me.left - 1)
            case "look back":
                # ``fence`` of a plain view says nothing, so it holds the side that was written to.
                yield from self._look_back(world, me)

    def _look(self, world: World, me: Process) -> Iterator[tuple[World, Process]]:
        """One or two readings: of the side that served last, and if that has moved, of the other."""
        here, there = world.dbs[me.side], world.dbs[1 - me.side]
        written_to = me.fence if me.then == "look back" else None
        if me.at == "look":
            if here.phase == "moved":
                yield world, me._replace(at="look there", rev=here.epoch)
                return
            mode = here.phase or "plain"
            found = me._replace(at=me.then, mode=mode, rev=here.epoch, fence=here.fence)
        elif there.phase != "moved" or there.epoch < me.rev:
            found = me._replace(at="look", side=1 - me.side)
            if there.phase == "moved":
                found = found._replace(at=me.then, mode="paused", rev=there.epoch)
        else:
            found = me._replace(at=me.then, mode="paused")
        if found.mode != "capturing":
            found = found._replace(fence=0)
        if written_to is not None:
            found = found._replace(looked=found.fence, fence=written_to)
        yield world, found

    def _look_back(self, world: World, me: Process) -> Iterator[tuple[World, Process]]:
        if me.side != me.fence or me.mode == "paused":
            yield world, me._replace(at="idle", left=me.left - 1)  # its outcome is unknown, and it is not acknowledged
            return
        acked = world._replace(acked=max(world.acked, me.seen)), me._replace(at="idle", left=me.left - 1)
        if me.mode == "plain":
            yield acked
        elif world.dbs[me.side].fence != me.looked:
            yield from self._look(world, me._replace(at="look", fresh=True))
        else:
            db = world.dbs[me.side]
            marked = _put(acked[0], me.side, records=db.records | {world.record + 1})
            yield marked._replace(record=world.record + 1), acked[1]

    def _fenced(self, world: World, me: Process) -> bool:
        return world.dbs[me.side].fence != me.fence and self.mutant != "no_fence"

    def _captured(self, world: World, me: Process) -> tuple[World, Process]:
        record = None if self.mutant == "no_change_record" else world.record + 1
        applied = self._apply(world, me, record)
        return applied._replace(acked=applied.written), me._replace(at="idle", left=me.left - 1)

    def _apply(self, world: World, me: Process, record: int | None) -> World:
        number = world.written + 1
        records = world.dbs[me.side].records | ({record} if record is not None else set())
        after = _put(world, me.side, value=number, records=frozenset(records))
        return after._replace(written=number, record=world.record if record is None else record)

    def _answer(self, world: World, me: Process) -> tuple[World, Process]:
        if me.seen < me.since:
            raise Broken(f"{me.name} read {me.seen} after {me.since} was acknowledged")
        return world, me._replace(at="idle", left=me.left - 1, looked=0)

    # Runners

    def _runner(self, world: World, me: Runner, place: int) -> Iterator[tuple[str, World, Runner]]:
        if me.at == "off":
            if place == 0 or world.runners[place - 1].at != "off":
                yield self._take_over(world, me)
            return
        if me.at == "done":
            return
        if me.at == "decide":
            me = me._replace(side=_serving(world))
        here, there = me.side, 1 - me.side
        source, target = world.dbs[here], world.dbs[there]
        both_moved = source.phase == "moved"
        match me.at:
            case "decide" if not source.phase:
                after = _put(world, there, phase="moved", epoch=1)
                after = _put(after, here, phase="capturing", epoch=2, fence=source.fence + 1)
                yield "start", after, me
            case "decide" if both_moved:
                # A wait that is part of this step would be too weak: others act in between.
                yield "leases are out", self._wait(world), me._replace(at="serve", epoch=source.epoch)
            case "decide" if source.phase == "paused":
                if not self.with_records or self.mutant == "no_settle":
                    yield "drain", world, me._replace(at="list", epoch=source.epoch)
                else:
                    aborted = source.aborted | source.pending
                    after = _put(world, here, pending=frozenset(), aborted=aborted)
                    yield "settle", after, me._replace(at="list", epoch=source.epoch)
            case "decide" if not source.armed:
                after = world if self.mutant == "no_arming_wait" else self._wait(world)
                yield "arm", after, me._replace(at="armed", epoch=source.epoch)
            case "armed":
                yield "armed", _swap(world, here, me.epoch, armed=True), me._replace(at="decide")
            case "decide" if not source.filled:
                yield "read all", world, me._replace(at="fill", hand=source.value, epoch=source.epoch)
            case "fill":
                if self.mutant == "tail_in_backfill" and source.records:
                    yield "forget early", _put(world, here, records=frozenset()), me
                yield self._carry(world, there, me, "filled")
            case "filled":
                yield "filled", _swap(world, here, me.epoch, filled=True), me._replace(at="decide")
            case "decide":
                if source.records:
                    yield "tail", world, me._replace(at="list", epoch=source.epoch)
                if me.switches and self.mutant == "drain_first":
                    if not source.records:
                        yield "nothing left", world, me._replace(at="pause late", epoch=source.epoch)
                elif me.switches:
                    after = _swap(world, here, source.epoch, phase="paused", fence=source.fence + 1)
                    yield "pause", after, me._replace(switches=me.switches - 1)
                if not source.records and not me.switches:
                    yield "end", world, me._replace(at="done")
            case "pause late":
                after = _swap(world, here, me.epoch, phase="paused", fence=source.fence + 1)
                yield "pause", after, me._replace(at="decide", switches=me.switches - 1)
            case "list":
                if both_moved:
                    yield "decided otherwise", world, me._replace(at="decide")
                elif source.records and not (self.mutant == "drain_first" and source.phase == "paused"):
                    yield "list", world, me._replace(at="read", records=source.records)
                elif source.phase == "paused" and source.epoch == me.epoch:
                    yield "move", _swap(world, here, me.epoch, phase="moved"), me._replace(at="decide")
                else:
                    yield "drained", world, me._replace(at="decide")
            case "read":
                yield "read", world, me._replace(at="carry", hand=source.value)
            case "carry":
                yield self._carry(world, there, me, "forget")
            case "forget":
                left = source.records - me.records
                yield "forget", _put(world, here, records=left), me._replace(at="list", records=frozenset(), hand=0)
            case "serve":
                after = _swap(
                    world,
                    here,
                    me.epoch,
                    phase="capturing",
                    fence=source.fence + 1,
                    runner=source.runner + 1,
                    epoch=target.epoch + 1,
                    armed=True,
                    filled=True,
                )
                yield "serve", after, self._mine(after, me)._replace(at="decide")

    def _take_over(self, world: World, me: Runner) -> tuple[str, World, Runner]:
        one, two = (db._replace(runner=db.runner + 1) for db in world.dbs)
        after = world._replace(dbs=(one, two))
        return "take over", after, self._mine(after, me)._replace(at="decide")

    def _mine(self, world: World, me: Runner) -> Runner:
        return me._replace(fences=(world.dbs[0].runner, world.dbs[1].runner))

    def _carry(self, world: World, there: int, me: Runner, then: str) -> tuple[str, World, Runner]:
        if world.dbs[there].runner != me.fences[there] and self.mutant != "no_runner_fence":
            return "fenced off", world, me._replace(at="done")
        return "carry", _put(world, there, value=me.hand), me._replace(at=then)

    def _wait(self, world: World) -> World:
        processes = tuple(
            one._replace(fresh=False, late=one.late or (one.mode == "plain" and one.at in ("begin", "written")))
            for one in world.processes
        )
        if self.mutant == "no_switch_wait" and _both_moved(world):
            return world
        return world._replace(processes=processes)

    def _resume(self, world: World) -> Iterator[tuple[str, World]]:
        """A process ends a pause that it takes for abandoned; so long after it saw it that no lease is left."""
        here = _serving(world)
        db, other = world.dbs[here], world.dbs[1 - here]
        seen = db.phase == "paused" or db.phase == "moved"
        if world.resumes and seen:
            epoch = max(db.epoch, other.epoch) + 1
            filled = db.filled or db.phase == "moved"
            after = _put(
                self._wait(world)._replace(resumes=world.resumes - 1),
                here,
                phase="capturing",
                epoch=epoch,
                armed=True,
                filled=filled,
                fence=db.fence + 1,
                runner=db.runner + 1,
            )
            yield "a process ends the pause", after
        elif self.mutant == "blind_resume" and other.phase == "moved" and other.epoch > 1 and world.resumes:
            yield "a process ends the pause", _put(world._replace(resumes=0), 1 - here, phase="capturing", epoch=9)


def _key(me: Process) -> int:
    return 1 + me.rev * 2 + me.side


def _put(world: World, side: int, **fields: object) -> World:
    dbs = list(world.dbs)
    dbs[side] = dbs[side]._replace(**fields)  # type: ignore[arg-type]
    return world._replace(dbs=(dbs[0], dbs[1]))


def _swap(world: World, side: int, expected: int, **fields: object) -> World:
    """Compare and swap the state: nothing happens if somebody else changed it."""
    if world.dbs[side].epoch != expected:
        return world
    beyond = max(db.epoch for db in world.dbs) + 1
    return _put(world, side, **{"epoch": beyond, **fields})


def _both_moved(world: World) -> bool:
    return all(db.phase == "moved" for db in world.dbs)


def _serving(world: World) -> int:
    """Which side serves. Between a switch's two steps, the one that the later word points to."""
    one, two = world.dbs
    if _both_moved(world):
        return 0 if two.epoch > one.epoch else 1
    return 1 if one.phase == "moved" else 0


def explore(protocol: Protocol, first: World, limit: int) -> int:
    """Visit every world that can be reached; how many there are. Broken says what went wrong, with the steps."""
    parents: dict[World, tuple[World, str] | None] = {first: None}
    waiting = [first]
    while waiting:
        world = waiting.pop()
        try:
            for what, after in protocol.steps(world):
                if after not in parents:
                    parents[after] = (world, what)
                    waiting.append(after)
        except Broken as error:
            raise Broken(f"{error}: {'; '.join(_steps_to(world, parents))}") from None
        if len(parents) > limit:
            raise AssertionError(f"more than {limit:,} worlds")
    return len(parents)


def _steps_to(world: World, parents: dict[World, tuple[World, str] | None]) -> list[str]:
    steps: list[str] = []
    found = parents[world]
    while found is not None:
        world, what = found
        steps.append(what)
        found = parents[world]
    return steps[::-1]
