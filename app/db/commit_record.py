"""Atomic commits for a database that has none: single-document compare-and-swap and a commit record.

The protocol, for a commit of several documents:

1. Read them. An intent of another commit is waited for, up to a second, then that commit is aborted. Expectations that
   do not hold are a Conflict.
2. Create a record, pending, with the keys.
3. Put an intent (the new value beside the old) into each document, by compare-and-swap.
4. Read again what was only checked: still the same, and no intent in it.
5. Compare-and-swap the record from pending to committed. That is the commit.
6. Fold the intents in, by compare-and-swap. The record stays for ten minutes after its decision, and until no
   document bears its intent.

A reader that meets an intent reads its record: committed, the new value; pending or aborted, the old; missing, it reads
the document again. Whoever finds a record pending for long aborts it, so a coordinator never assumes that its own is
still pending: only the swap in step 5 tells. An abort may come at any time and is always safe.

Anything that fails before step 5 leaves nothing written: an intent whose record is never committed changes nothing.
A time-out in step 5 is settled by reading the record or by aborting it; if neither can be done, the outcome is unknown.

Nothing here knows CouchDB: ``Store`` is what a database has to bring.
"""

import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, Protocol

from app.db.documents import Document, new_token, split_rev
from app.db.errors import Conflict, Unavailable
from app.db.growing_waits import growing_waits
from app.db.names import Name
from app.db.writes import ABSENT, ANY, Expected, Prepared

Key = tuple[Name, str]
State = Literal["pending", "committed", "aborted"]

WAIT: Final = 1.0
"""Seconds that a writer waits for another's commit before it aborts it."""
STALE: Final = 5.0
"""Seconds after which a reader aborts a pending record: its coordinator is gone."""
KEEP: Final = 600.0
"""Seconds that a decided record is kept: far longer than any message of its coordinator can be on its way."""
_GIVE_UP: Final = 10.0
_PAGE: Final = 200
_PAGES: Final = 5
_LATE: Final = 10.0
"""Seconds for which a record may still appear before another: clocks differ, and a request may be on its way."""


class Intent(NamedTuple):
    """What a document becomes if the record ``tx`` is committed; ``value`` None means that it is deleted."""

    tx: str
    token: str
    value: Document | None


class Cell(NamedTuple):
    """A document as it is stored. ``value`` None: there is no document yet, only an intent. ``hint`` is the store's own
    revision, which every change of the cell changes."""

    hint: str
    token: str
    value: Document | None
    intent: Intent | None


class Record(NamedTuple):
    """A commit record as it is stored; ``since`` is when it was created or, once decided, decided."""

    tx: str
    hint: str
    state: State
    keys: tuple[Key, ...]
    since: float


class Swap(NamedTuple):
    """A change of one cell, to be made only if its hint is still ``hint`` ("": there is none). None removes it."""

    key: Key
    hint: str
    cell: Cell | None


class Store(Protocol):
    """Linearizable compare-and-swap on single cells and records. Any method may raise Unavailable, without an outcome:
    what a lost write means for a commit is known here alone."""

    def read_cells(self, keys: Collection[Key]) -> dict[Key, Cell]:
        """The cells that exist; consistent one by one, no snapshot."""
        ...

    def read_hints(self, keys: Collection[Key]) -> dict[Key, str]:
        """The hints of the cells that exist."""
        ...

    def bearing(self, keys: Collection[Key]) -> dict[Key, Cell]:
        """Those cells, at least, of the given that bear an intent."""
        ...

    def swap_cells(self, swaps: Sequence[Swap]) -> list[str | None]:
        """For each, on its own: the new hint ("" after a removal), or None where the hint was another.

        Unavailable if it is not known of one of them: it may have been applied, or be applied later.
        """
        ...

    def create_record(self, tx: str, keys: Sequence[Key], now: float) -> str:
        """A new pending record; its hint."""
        ...

    def read_record(self, tx: str) -> Record | None:
        """The record, or None."""
        ...

    def decide_record(self, record: Record, state: State, now: float) -> bool:
        """Swap the record's state if its hint is still the same; False if it was another."""
        ...

    def list_records(self, limit: int, after: str = "") -> list[Record]:
        """The first records behind ``after``, by ``tx``, which is by time; fewer than ``limit`` if these are all."""
        ...

    def remove_records(self, records: Sequence[Record]) -> None:
        """Remove those whose hint is still the same."""
        ...


class Recovered(NamedTuple):
    """What a recovery did: commits aborted, documents whose intent was folded, records removed."""

    aborted: int
    folded: int
    removed: int


class CommitRecords:
    """The protocol on a store. Times are in seconds: ``clock`` is the wall clock, which records carry as they outlive a
    process; ``ticks`` measures waits and never jumps."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ticks = ticks
        self._sleep = sleep
        self._settled_to = ""  # up to this record, sweeps found every commit decided and folded

    # Reading

    def visible(self, cells: Mapping[Key, Cell]) -> dict[Key, Cell]:
        """The cells as a reader has to see them: without intents, and without those that hold no document.

        A cell that was resolved has no hint: its stored form still bears the intent, which nobody may overwrite.
        """
        seen: dict[Key, Cell] = {}
        pending = dict(cells)
        missing: set[tuple[Key, str]] = set()
        states: dict[str, State] = {}
        while pending:
            again: list[Key] = []
            for key, cell in pending.items():
                shown: Cell | None = cell
                if cell.intent is not None:
                    state = states.get(cell.intent.tx) or self._state(cell.intent.tx)
                    if state is None and (key, cell.hint) not in missing:
                        missing.add((key, cell.hint))
                        again.append(key)
                        continue
                    # A record that is missing while the intent stays was aborted and removed; the intent came late.
                    states[cell.intent.tx] = state = state or "aborted"
                    shown = _outcome(cell, state)
                if shown is not None and shown.value is not None:
                    seen[key] = shown
            pending = self._store.read_cells(again) if again else {}
        return seen

    def together(self, keys: Sequence[Key]) -> dict[Key, Cell]:
        """One snapshot: read twice, until both times every revision is the same and no cell bears an intent."""
        end = self._ticks() + _GIVE_UP
        for wait in growing_waits(0.002, 0.05):
            first = self.settled(keys)
            if {key: cell.hint for key, cell in first.items()} == self._store.read_hints(keys):
                return {key: cell for key, cell in first.items() if cell.value is not None}
            if self._ticks() >= end:
                break
            self._sleep(wait)
        raise Unavailable("These documents change too often to be read together.", retry_after=1.0)

    def settled(self, keys: Collection[Key]) -> dict[Key, Cell]:
        """The cells, none of which bears an intent: decided ones are folded, a pending one is waited for up to a second
        and then aborted."""
        wanted = list(keys)
        cells: dict[Key, Cell] = {}
        missing: set[tuple[Key, str]] = set()
        met: dict[str, float] = {}
        pause = 0.002
        end = self._ticks() + _GIVE_UP
        while wanted:
            read = self._store.read_cells(wanted)
            bearing = {key: cell for key, cell in read.items() if cell.intent is not None}
            cells.update((key, cell) for key, cell in read.items() if cell.intent is None)
            wanted = list(bearing)
            if not bearing:
                break
            if self._ticks() >= end:
                raise Unavailable("Too many commits wait for these documents.", retry_after=1.0)
            if self._unblock(bearing, met, missing):
                continue
            self._sleep(pause)
            pause = min(pause * 2, 0.05)
        return {key: cells[key] for key in keys if key in cells}

    def _unblock(self, bearing: Mapping[Key, Cell], met: dict[str, float], missing: set[tuple[Key, str]]) -> bool:
        """Fold what is decided and abort what was waited for long enough; False if all there is to do is to wait."""
        folds: list[Swap] = []
        states: dict[str, State | None] = {}
        progress = False
        for key, cell in bearing.items():
            intent = _intent(cell)
            if intent.tx not in states:
                began = met.setdefault(intent.tx, self._ticks())
                states[intent.tx] = self._state(intent.tx, abort=self._ticks() - began >= WAIT)
            state = states[intent.tx]
            if state is None and (key, cell.hint) not in missing:
                missing.add((key, cell.hint))
                progress = True
            elif state != "pending":
                folds.append(fold(key, cell, state or "aborted"))
                progress = True
        if folds:
            self._store.swap_cells(folds)
        return progress

    def _state(self, tx: str, *, abort: bool = False) -> State | None:
        """What became of a commit, None where its record is missing. A pending one is aborted if that is asked for, or
        if it is stale: then the answer is what it was decided to be."""
        record = self._store.read_record(tx)
        while record is not None and record.state == "pending":
            now = self._clock()
            if not abort and now - record.since < STALE:
                return "pending"
            if self._store.decide_record(record, "aborted", now):
                return "aborted"
            record = self._store.read_record(tx)
        return None if record is None else record.state

    # Committing

    def commit(self, writes: Sequence[Prepared]) -> list[tuple[str, str] | None]:
        """All or nothing. Token and hint of each put, None for the others; the hint is "" where it is not known.

        Conflict where an expectation does not hold, or after ten seconds of losing to others. Unavailable without an
        outcome: nothing was written.
        """
        end = self._ticks() + _GIVE_UP
        for wait in growing_waits(0.004, 0.1):
            done = self._attempt(writes)
            if done is not None:
                return done
            if self._ticks() >= end:
                break
            self._sleep(wait)
        raise Conflict([(write.name.path, write.id) for write in writes])

    def _attempt(self, writes: Sequence[Prepared]) -> list[tuple[str, str] | None] | None:
        """One try; None if another commit came in between, so that it is worth another."""
        keys = [(write.name, write.id) for write in writes]
        cells = self.settled(keys)
        _check(writes, cells)
        changes = {
            (write.name, write.id): _change(write)
            for write in writes
            if write.portable is not None or (write.delete and (write.name, write.id) in cells)
        }
        checked = [key for key in keys if key not in changes]
        if not changes:
            return [None] * len(writes) if self._unchanged(checked, cells) else None
        tx = new_tx(self._clock())
        intents = {key: Intent(tx, token, value) for key, (token, value) in changes.items()}
        hint = self._store.create_record(tx, list(changes), self._clock())
        record = Record(tx, hint, "pending", tuple(changes), self._clock())
        placed: dict[Key, Cell] = {}
        try:
            complete = self._place(intents, cells, placed) and self._unchanged(checked, cells)
        except Unavailable:
            self._withdraw(record, placed)
            raise
        if not complete:
            self._withdraw(record, placed)
            return None
        if not self._decide(record):
            self._fold(placed, "aborted")
            return None
        hints = self._fold(placed, "committed")
        return [
            (changes[key][0], hints.get(key, "")) if write.portable is not None else None
            for key, write in zip(keys, writes, strict=True)
        ]

    def _place(self, intents: Mapping[Key, Intent], cells: Mapping[Key, Cell], placed: dict[Key, Cell]) -> bool:
        """Put the intents in; ``placed`` gets the cells that now bear one. False if a cell was changed meanwhile."""
        swaps = []
        for key, intent in intents.items():
            cell = cells.get(key, Cell("", "", None, None))
            swaps.append(Swap(key, cell.hint, cell._replace(intent=intent)))
        hints = self._store.swap_cells(swaps)
        for swap, hint in zip(swaps, hints, strict=True):
            if hint is not None and swap.cell is not None:
                placed[swap.key] = swap.cell._replace(hint=hint)
        return len(placed) == len(swaps)

    def _unchanged(self, keys: Sequence[Key], before: Mapping[Key, Cell]) -> bool:
        """Whether what was only read is still as it was, and bears no intent."""
        if not keys:
            return True
        now = self._store.read_cells(keys)
        for key in keys:
            old, cell = before.get(key), now.get(key)
            if cell is None or old is None:
                if cell is not old:
                    return False
            elif cell.intent is not None or cell.token != old.token:
                return False
        return True

    def _decide(self, record: Record) -> bool:
        """The commit point: True if committed, False if somebody aborted it first."""
        outage: Unavailable | None = None
        for pause in (0.0, 0.05, 0.2):
            if pause:
                self._sleep(pause)
            try:
                if self._store.decide_record(record, "committed", self._clock()):
                    return True
                # Refused: another decided. Or it was ourselves, with a message whose answer was lost.
                state = self._state(record.tx)
                if state is not None and state != "pending":
                    return state == "committed"
            except Unavailable as error:
                outage = error
                try:
                    state = self._state(record.tx, abort=True)
                except Unavailable:
                    continue
                if state is not None:
                    return state == "committed"
        raise Unavailable(
            "It is not known whether the changes were saved: look before saving them again.",
            retry_after=2.0,
            outcome="unknown",
        ) from outage

    def _withdraw(self, record: Record, placed: Mapping[Key, Cell]) -> None:
        """Abort our own record and take its intents back, as far as that is possible; others do what is left."""
        try:
            swapped = self._store.decide_record(record, "aborted", self._clock())
            if swapped or self._state(record.tx, abort=True) == "aborted":
                self._fold(placed, "aborted")
        except Unavailable:
            return

    def _fold(self, placed: Mapping[Key, Cell], state: State) -> dict[Key, str]:
        """Fold the intents of a decided commit; the new hints. A failure here changes nothing: readers and recovery
        do what is left undone."""
        swaps = [fold(key, cell, state) for key, cell in placed.items()]
        if not swaps:
            return {}
        try:
            hints = self._store.swap_cells(swaps)
            lost = [swap.key for swap, hint in zip(swaps, hints, strict=True) if hint is None]
            done = {swap.key: hint for swap, hint in zip(swaps, hints, strict=True) if hint is not None}
            if lost and state == "committed":
                # Somebody helped: the same value is there under a hint that we do not know yet.
                for key, cell in self._store.read_cells(lost).items():
                    if cell.intent is None and cell.token == _intent(placed[key]).token:
                        done[key] = cell.hint
        except Unavailable:
            return {}
        return done

    # Recovery

    def settle(self, record: Record) -> None:
        """Abort the commit unless it is decided. From then on it is."""
        if record.state == "pending":
            self._state(record.tx, abort=True)

    def recover(self, *, older: float = STALE) -> Recovered:
        """Settle all records: abort what is pending for longer than ``older`` seconds, fold what is decided, and
        remove what was decided ten minutes ago and left no intent behind. May run anywhere, at any time."""
        done, after = Recovered(0, 0, 0), ""
        while True:
            page = self._store.list_records(_PAGE, after)
            done = _sum(done, self._recover(page, older)[0])
            if len(page) < _PAGE:
                return done
            after = page[-1].tx

    def sweep(self) -> Recovered:
        """``recover`` in parts, for now and then: the oldest records, which are the next to go, and up to a thousand
        from the first on that no sweep before found settled. What was settled is not read again until it is old."""
        page = self._store.list_records(_PAGE)
        done = self._recover(page, STALE)[0]
        recent = _tx_prefix(self._clock() - _LATE)
        unbroken = True
        for _ in range(_PAGES):
            if len(page) < _PAGE:
                break
            page = self._store.list_records(_PAGE, max(page[-1].tx, self._settled_to))
            part, unsettled = self._recover(page, STALE)
            done = _sum(done, part)
            for record in page:
                unbroken = unbroken and record.tx not in unsettled and record.tx < recent
                if unbroken:
                    self._settled_to = record.tx
        return done

    def _recover(self, records: Sequence[Record], older: float) -> tuple[Recovered, set[str]]:
        """Settle these; and those of them that are not decided, or whose intents are not all folded."""
        now = self._clock()
        aborted = folded = 0
        decided: list[Record] = []
        for record in records:
            if record.state != "pending":
                decided.append(record)
            elif now - record.since >= older:
                state = self._state(record.tx, abort=True)
                aborted += state == "aborted"
                again = self._store.read_record(record.tx)
                decided += [again] if again is not None else []
        states = {record.tx: record.state for record in decided}
        keys = {key for record in decided for key in record.keys}
        bearing = self._borne(keys, states)
        if bearing:
            swaps = [fold(key, cell, states[_intent(cell).tx]) for key, cell in bearing.items()]
            folded = sum(hint is not None for hint in self._store.swap_cells(swaps))
            bearing = self._borne(keys, states)
        left = {_intent(cell).tx for cell in bearing.values()}
        old = [record for record in decided if record.tx not in left and self._old(record, now)]
        if old:
            self._store.remove_records(old)
        unsettled = {record.tx for record in records} - (states.keys() - left)
        return Recovered(aborted, folded, len(old)), unsettled

    def _borne(self, keys: Collection[Key], states: Mapping[str, State]) -> dict[Key, Cell]:
        cells = self._store.bearing(keys) if keys else {}
        return {key: cell for key, cell in cells.items() if cell.intent is not None and cell.intent.tx in states}

    def _old(self, record: Record, now: float) -> bool:
        return now - record.since >= KEEP


def new_tx(now: float) -> str:
    """A record's id: in the order of time, and random."""
    return f"{_tx_prefix(now)}-{os.urandom(10).hex()}"


def _tx_prefix(now: float) -> str:
    return f"{int(now * 1000):012x}"


def _sum(one: Recovered, other: Recovered) -> Recovered:
    return Recovered(one.aborted + other.aborted, one.folded + other.folded, one.removed + other.removed)


def fold(key: Key, cell: Cell, state: State) -> Swap:
    """The swap that takes a decided intent out of a cell."""
    return Swap(key, cell.hint, _outcome(cell, state))


def refused(writes: Iterable[Prepared], tokens: Mapping[Key, str]) -> list[tuple[str, str]]:
    """The keys whose expectation does not hold, given the token of each document that exists."""
    return [
        (write.name.path, write.id) for write in writes if not holds(write.expect, tokens.get((write.name, write.id)))
    ]


def holds(expect: Expected, token: str | None) -> bool:
    """Whether an expectation holds for a document with this token, None for an absent one."""
    if expect is ANY:
        return True
    if expect is ABSENT:
        return token is None
    return token is not None and token == split_rev(str(expect))[0]


def _check(writes: Sequence[Prepared], cells: Mapping[Key, Cell]) -> None:
    conflicts = refused(writes, {key: cell.token for key, cell in cells.items()})
    if conflicts:
        raise Conflict(conflicts)


def _change(write: Prepared) -> tuple[str, Document | None]:
    return (write.token or new_token(), write.portable.body) if write.portable is not None else ("", None)


def _outcome(cell: Cell, state: State) -> Cell | None:
    """What a cell is once its intent's record is in this state; None: no document."""
    intent = _intent(cell)
    if state == "committed":
        return None if intent.value is None else Cell("", intent.token, intent.value, None)
    return None if cell.value is None else Cell("", cell.token, cell.value, None)


def _intent(cell: Cell) -> Intent:
    if cell.intent is None:
        raise ValueError("the cell bears no intent")
    return cell.intent
