"""A small world in which the real commit protocol runs under every kind of interleaving that a seed chooses.

The store keeps everything in memory and hands the turn back before each access to one cell or record, so that other
actors come in between, also within what is one bulk request. Time is virtual. With ``faults``, an actor may stop for
good at any step, and a write of a coordinator may be lost on its way back (applied, but its answer is an outage) or be
late (the same, and applied at some later step).
"""

import random
import threading
from collections.abc import Callable, Collection, Iterator, Sequence

from app.db.commit_record import Cell, Key, Record, State, Swap
from app.db.errors import Unavailable
from app.db.names import Name

A: Key = (Name("acme", "notes"), "a")
B: Key = (Name("acme", "notes"), "b")
TICK = 0.03
"""Seconds that an access takes."""


class Stopped(BaseException):
    """The actor is never scheduled again: its process was killed."""


class World:
    """Runs actors, one at a time, in an order that the seed chooses."""

    def __init__(self, seed: int, *, faults: bool) -> None:
        self.random = random.Random(seed)
        random.seed(seed)  # the waits of the protocol
        self.faults = faults
        self.now = 1_000.0
        self.late: list[Callable[[], object]] = []
        self._turns: dict[str, threading.Semaphore] = {}
        self._back = threading.Semaphore(0)
        self._local = threading.local()
        self._switching = self.random.choice((0.1, 0.3, 0.7))
        self.errors: list[BaseException] = []

    def run(self, actors: dict[str, Callable[[], None]]) -> None:
        """Run all actors to their end; raises what one of them raised."""
        threads = {}
        for name, act in actors.items():
            self._turns[name] = threading.Semaphore(0)
            threads[name] = threading.Thread(target=self._live, args=(name, act), daemon=True)
            threads[name].start()
        chosen = ""
        while self._turns:
            if chosen not in self._turns or self.random.random() < self._switching:
                chosen = self.random.choice(sorted(self._turns))
            if self.late and self.random.random() < 0.1:
                self.late.pop(self.random.randrange(len(self.late)))()
            self._turns[chosen].release()
            self._back.acquire()
        for thread in threads.values():
            thread.join()
        while self.late:
            self.late.pop()()
        if self.errors:
            raise self.errors[0]

    def step(self) -> None:
        """Hand the turn back; called by actors before each access. Outside of ``run`` it only lets time pass."""
        self.now += TICK
        name = getattr(self._local, "name", None)
        if name is None:
            return
        self._back.release()
        self._turns[name].acquire()
        if self.faults and name.startswith("coordinator") and self.random.random() < 0.01:
            raise Stopped

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.step()

    def fate(self) -> str:
        """What becomes of a coordinator's write: "", "lost" or "late"."""
        name = getattr(self._local, "name", "")
        if not self.faults or not name.startswith("coordinator") or self.random.random() > 0.08:
            return ""
        return self.random.choice(("lost", "late"))

    def _live(self, name: str, act: Callable[[], None]) -> None:
        self._turns[name].acquire()
        self._local.name = name
        try:
            act()
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001 -- raised again by ``run``
            self.errors.append(error)
        finally:
            del self._turns[name]
            self._back.release()


class MemoryStore:
    """``commit_record.Store`` in memory, with the world's turns and faults."""

    def __init__(self, world: World, documents: dict[Key, dict[str, int]]) -> None:
        self._world = world
        self._numbers: Iterator[int] = iter(range(1, 1_000_000))
        self.cells = {key: Cell(self._hint(), f"t{key[1]}", value, None) for key, value in documents.items()}
        self.records: dict[str, Record] = {}

    def _hint(self) -> str:
        return f"h{next(self._numbers)}"

    def read_cells(self, keys: Collection[Key]) -> dict[Key, Cell]:
        """See Store."""
        found = {}
        for key in keys:
            self._world.step()
            if key in self.cells:
                found[key] = self.cells[key]
        return found

    def read_hints(self, keys: Collection[Key]) -> dict[Key, str]:
        """See Store."""
        return {key: cell.hint for key, cell in self.read_cells(keys).items()}

    def bearing(self, keys: Collection[Key]) -> dict[Key, Cell]:
        """See Store."""
        return {key: cell for key, cell in self.read_cells(keys).items() if cell.intent is not None}

    def swap_cells(self, swaps: Sequence[Swap]) -> list[str | None]:
        """See Store."""
        hints = []
        lost = False
        for swap in swaps:
            self._world.step()
            fate = self._world.fate()
            if fate == "late":
                self._world.late.append(lambda swap=swap: self._swap(swap))  # type: ignore[misc]
            else:
                hints.append(self._swap(swap))
            lost = lost or fate != ""
        if lost:
            raise Unavailable("lost")
        return hints

    def _swap(self, swap: Swap) -> str | None:
        current = self.cells.get(swap.key)
        if (current.hint if current is not None else "") != swap.hint:
            return None
        if swap.cell is None:
            self.cells.pop(swap.key, None)
            return ""
        self.cells[swap.key] = swap.cell._replace(hint=self._hint())
        return self.cells[swap.key].hint

    def create_record(self, tx: str, keys: Sequence[Key], now: float) -> str:
        """See Store."""
        self._world.step()
        record = Record(tx, self._hint(), "pending", tuple(keys), now)
        fate = self._world.fate()
        if fate == "late":
            self._world.late.append(lambda: self.records.setdefault(tx, record))
        else:
            self.records[tx] = record
        if fate:
            raise Unavailable("lost")
        return record.hint

    def read_record(self, tx: str) -> Record | None:
        """See Store."""
        self._world.step()
        return self.records.get(tx)

    def decide_record(self, record: Record, state: State, now: float) -> bool:
        """See Store."""
        self._world.step()
        fate = self._world.fate()
        if fate == "late":
            self._world.late.append(lambda: self._decide(record, state, now))
        done = fate != "late" and self._decide(record, state, now)
        if fate:
            raise Unavailable("lost")
        return done

    def _decide(self, record: Record, state: State, now: float) -> bool:
        current = self.records.get(record.tx)
        if current is None or current.hint != record.hint:
            return False
        self.records[record.tx] = current._replace(hint=self._hint(), state=state, since=now)
        return True

    def list_records(self, limit: int, after: str = "") -> list[Record]:
        """See Store."""
        self._world.step()
        return [self.records[tx] for tx in sorted(self.records) if tx > after][:limit]

    def remove_records(self, records: Sequence[Record]) -> None:
        """See Store."""
        for record in records:
            self._world.step()
            current = self.records.get(record.tx)
            if current is not None and current.hint == record.hint:
                del self.records[record.tx]
