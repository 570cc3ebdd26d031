"""The commit protocol itself, under thousands of interleavings, and the mutants of it that must not get through.

The worlds are those of the model that the protocol was designed with. ``transfer``: two commits move money from A to B
while readers look and a recoverer tidies up; the total must hold, what was acknowledged must be there, what was refused
must not. ``skew``: one reads A and writes B, the other reads B and writes A; they must not both commit.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from app.db import commit_record
from app.db.commit_record import Cell, CommitRecords, Intent, Key, Record, State, fold
from app.db.documents import Portable
from app.db.errors import Conflict, Unavailable
from app.db.writes import Prepared
from tests.db.commit_world import A, B, MemoryStore, World

AMOUNTS = (1, 2)
PROTOCOL_SEEDS = 1_000
MUTANT_SEEDS = 8_000
Make = Callable[[MemoryStore, World], CommitRecords]


@pytest.fixture(autouse=True)
def _records_go_as_soon_as_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes are a margin; the protocol has to hold without it."""
    monkeypatch.setattr(commit_record, "KEEP", 0.0)


def make(kind: type[CommitRecords]) -> Make:
    return lambda store, world: kind(store, clock=lambda: world.now, ticks=lambda: world.now, sleep=world.sleep)


def put(key: Key, value: Any, expect: str) -> Prepared:
    return Prepared(key[0], key[1], expect, Portable(value, b"", None), False)


def check(key: Key, expect: str) -> Prepared:
    return Prepared(key[0], key[1], expect, None, False)


class Transfers:
    """Two coordinators, readers, a plain writer and a recoverer on two accounts of ten each."""

    def __init__(self, seed: int, kind: type[CommitRecords]) -> None:
        self.world = World(seed, faults=seed % 2 == 1)
        self.store = MemoryStore(self.world, {A: {"n": 10}, B: {"n": 10}})
        self.records = make(kind)(self.store, self.world)
        self.acknowledged: list[int] = []
        self.possible: list[int] = []
        self.added = 0
        self.wrong: list[str] = []

    def move(self, amount: int) -> None:
        self.possible.append(amount)
        try:
            cells = self.records.visible(self.store.read_cells([A, B]))
            writes = [
                put(A, {"n": cells[A].value["n"] - amount}, cells[A].token),  # type: ignore[index]
                put(B, {"n": cells[B].value["n"] + amount}, cells[B].token),  # type: ignore[index]
            ]
            self.records.commit(writes)
        except Conflict:
            self.possible.remove(amount)
        except Unavailable as error:
            if error.outcome is None:
                self.possible.remove(amount)
        else:
            self.acknowledged.append(amount)

    def add(self) -> None:
        """A plain write, as the backend does it: resolve, then compare and swap."""
        for _ in range(3):
            cell = self.records.settled([A])[A]
            value = {"n": cell.value["n"] + 100}  # type: ignore[index]
            if self.store.swap_cells([commit_record.Swap(A, cell.hint, Cell("", f"p{self.added}", value, None))])[0]:
                self.added += 100
                return

    def truth(self) -> int:
        """What A holds at this moment, less what was added: a committed intent counts."""
        cell = self.store.cells[A]
        if cell.intent is not None:
            record = self.store.records.get(cell.intent.tx)
            if record is not None and record.state == "committed":
                cell = cell._replace(value=cell.intent.value)
        return int(cell.value["n"]) % 100 if cell.value is not None else -1

    def read_one(self) -> None:
        for _ in range(3):
            newest = self.truth()
            cell = self.records.visible(self.store.read_cells([A]))[A]
            if cell.value is None or cell.value["n"] % 100 > newest:
                self.wrong.append(f"A is {cell.value}, older than {newest}")

    def read_both(self) -> None:
        for _ in range(2):
            try:
                cells = self.records.together([A, B])
            except Unavailable:
                return
            total = sum(cell.value["n"] for cell in cells.values() if cell.value is not None)
            if total % 100 != 20:
                self.wrong.append(f"the total is {total}")

    def recover(self) -> None:
        for _ in range(4):
            self.records.recover(older=0.2)
            self.world.sleep(0.3)

    def run(self) -> list[str]:
        self.world.run(
            {
                "coordinator 0": lambda: self.move(AMOUNTS[0]),
                "coordinator 1": lambda: self.move(AMOUNTS[1]),
                "reader of one": self.read_one,
                "reader of both": self.read_both,
                "writer": self.add,
                "recoverer": self.recover,
            }
        )
        self.world.sleep(100.0)
        cells = self.records.settled([A, B])
        a, b = (cells[key].value["n"] for key in (A, B))  # type: ignore[index]
        moved = 10 + self.added - a
        unsure = [amount for amount in self.possible if amount not in self.acknowledged]
        allowed = {sum(self.acknowledged) + extra for extra in (0, *unsure, sum(unsure))}
        if b - 10 != moved or moved not in allowed:
            self.wrong.append(f"A is {a}, B is {b}, acknowledged {self.acknowledged}, added {self.added}")
        return self.wrong


class Skew:
    """Each switches its own off after reading that the other is on."""

    def __init__(self, seed: int, kind: type[CommitRecords]) -> None:
        self.world = World(seed, faults=seed % 2 == 1)
        self.store = MemoryStore(self.world, {A: {"on": True}, B: {"on": True}})
        self.records = make(kind)(self.store, self.world)

    def switch_off(self, mine: Key, other: Key) -> None:
        try:
            cells = self.records.visible(self.store.read_cells([mine, other]))
            if not all(cell.value and cell.value["on"] for cell in cells.values()):
                return
            self.records.commit([put(mine, {"on": False}, cells[mine].token), check(other, cells[other].token)])
        except (Conflict, Unavailable):
            return

    def recover(self) -> None:
        for _ in range(3):
            self.records.recover(older=0.2)

    def run(self) -> list[str]:
        self.world.run(
            {
                "coordinator 0": lambda: self.switch_off(A, B),
                "coordinator 1": lambda: self.switch_off(B, A),
                "recoverer": self.recover,
            }
        )
        self.world.sleep(100.0)
        cells = self.records.settled([A, B])
        return [] if any(cell.value and cell.value["on"] for cell in cells.values()) else ["both are off"]


@pytest.mark.parametrize("world", [Transfers, Skew])
def test_the_protocol_holds(world: type[Transfers] | type[Skew]) -> None:
    for seed in range(PROTOCOL_SEEDS):
        assert world(seed, CommitRecords).run() == [], f"seed {seed}"


def crashed(store: MemoryStore, records: CommitRecords) -> None:
    """A commit whose process ended before its decision: a pending record and an intent in A."""

    class Ended(BaseException):
        pass

    def end(record: Record) -> bool:
        raise Ended

    dying: Any = CommitRecords(store, clock=records._clock, ticks=records._ticks, sleep=records._sleep)
    dying._decide = end
    with pytest.raises(Ended):
        dying.commit([put(A, {"n": 1}, "ta"), put(B, {"n": 1}, "tb")])


@pytest.mark.parametrize("call", ["recover", "sweep"])
def test_a_commit_that_was_cut_off_is_settled_however_many_records_are_before_it(
    monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(commit_record, "KEEP", 600.0)
    world = World(0, faults=False)
    store = MemoryStore(world, {A: {"n": 10}, B: {"n": 10}})
    records = make(CommitRecords)(store, world)
    for number in range(250):
        store.records[f"{number:012x}-decided"] = Record(
            f"{number:012x}-decided", f"d{number}", "committed", (A,), world.now
        )
    world.sleep(60.0)
    crashed(store, records)
    assert any(cell.intent is not None for cell in store.cells.values())
    world.sleep(6.0)
    assert getattr(records, call)() == commit_record.Recovered(1, 2, 0)
    assert not any(cell.intent is not None for cell in store.cells.values())


def test_a_sweep_reads_what_the_last_one_found_settled_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_record, "KEEP", 600.0)
    world = World(0, faults=False)
    store = MemoryStore(world, {A: {"n": 10}, B: {"n": 10}})
    records = make(CommitRecords)(store, world)
    world.sleep(60.0)
    for number in range(1_000):
        tx = f"{number:012x}-decided"
        store.records[tx] = Record(tx, f"d{number}", "committed", (A,), world.now)
    read: list[int] = []
    ask = store.list_records

    def list_records(limit: int, after: str = "") -> list[Record]:
        found = ask(limit, after)
        read.append(len(found))
        return found

    monkeypatch.setattr(store, "list_records", list_records)
    records.sweep()
    assert sum(read) >= 1_000
    crashed(store, records)
    world.sleep(6.0)
    read.clear()
    assert records.sweep().aborted == 1
    assert sum(read) == commit_record._PAGE + 1


# The mutants: each breaks one rule of the protocol in the real code.


class RecordCreatedAtCommit(CommitRecords):
    """No record until the commit, which creates it where none is; whoever meets an intent creates it as aborted."""

    def _create_record(self, tx: str, state: State, keys: tuple[Key, ...] = ()) -> State:
        store: Any = self._store
        store._world.step()
        if tx not in store.records:
            store.records[tx] = Record(tx, store._hint(), state, keys, self._clock())
        decided: State = store.records[tx].state
        return decided

    def _attempt(self, writes: Sequence[Prepared]) -> Any:
        store: Any = self._store
        create, store.create_record = store.create_record, lambda tx, keys, now: ""
        try:
            return super()._attempt(writes)
        finally:
            store.create_record = create

    def _state(self, tx: str, *, abort: bool = False) -> State | None:
        return super()._state(tx, abort=abort) or self._create_record(tx, "aborted", (A, B))

    def _decide(self, record: Record) -> bool:
        return self._create_record(record.tx, "committed", record.keys) == "committed"


class NoReadValidation(CommitRecords):
    def _unchanged(self, keys: Sequence[Key], before: Mapping[Key, Cell]) -> bool:
        return True


class EarlyCleanUp(CommitRecords):
    def _borne(self, keys: Any, states: Any) -> dict[Key, Cell]:
        return {}


class BlindOverwrite(CommitRecords):
    def settled(self, keys: Any) -> dict[Key, Cell]:
        return {key: cell._replace(intent=None) for key, cell in self._store.read_cells(keys).items()}


class FoldBeforeCommit(CommitRecords):
    def _decide(self, record: Record) -> bool:
        bearing = self._store.bearing(record.keys)
        self._store.swap_cells([fold(key, cell, "committed") for key, cell in bearing.items()])
        return super()._decide(record)


class MissingIsOld(CommitRecords):
    def _state(self, tx: str, *, abort: bool = False) -> State | None:
        return super()._state(tx, abort=abort) or "aborted"


class OneAfterTheOther(CommitRecords):
    def together(self, keys: Sequence[Key]) -> dict[Key, Cell]:
        return {key: self.visible(self._store.read_cells([key]))[key] for key in keys}


class PendingIsNew(CommitRecords):
    def _state(self, tx: str, *, abort: bool = False) -> State | None:
        state = super()._state(tx, abort=abort)
        return "committed" if state == "pending" else state


class CommitWithoutComparing(CommitRecords):
    def _decide(self, record: Record) -> bool:
        store: Any = self._store
        store._world.step()
        store.records[record.tx] = record._replace(hint=store._hint(), state="committed")
        return True


class IntentWithoutComparing(CommitRecords):
    def _place(self, intents: Mapping[Key, Intent], cells: Mapping[Key, Cell], placed: dict[Key, Cell]) -> bool:
        return super()._place(intents, {**cells, **self._store.read_cells(list(intents))}, placed)


MUTANTS: list[tuple[type[CommitRecords], type[Transfers] | type[Skew]]] = [
    (RecordCreatedAtCommit, Transfers),
    (NoReadValidation, Skew),
    (EarlyCleanUp, Transfers),
    (BlindOverwrite, Transfers),
    (FoldBeforeCommit, Transfers),
    (MissingIsOld, Transfers),
    (OneAfterTheOther, Transfers),
    (PendingIsNew, Transfers),
    (CommitWithoutComparing, Transfers),
    (IntentWithoutComparing, Transfers),
]


@pytest.mark.parametrize(("mutant", "world"), MUTANTS, ids=[mutant.__name__ for mutant, _ in MUTANTS])
def test_a_mutant_is_caught(mutant: type[CommitRecords], world: type[Transfers] | type[Skew]) -> None:
    for seed in range(MUTANT_SEEDS):
        if world(seed, mutant).run():
            return
    pytest.fail(f"{mutant.__name__} was not noticed in {MUTANT_SEEDS} interleavings")
