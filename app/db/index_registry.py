"""Which indexes a collection has, for databases whose writers compute the index keys themselves.

Where nothing in the database refuses a writer that does not know a new index yet, time must: every process may use what
it read of the registry for ``lease`` seconds only. Adding an index to a collection goes

    building     registered: from now on every writer that reads the registry writes the index's keys
    (wait)       until every lease has run out and every write begun under an old one has ended
    (backfill)   documents without the keys get them, under compare-and-swap, with their revision unchanged
    ready        readers may use it

A process that dies on the way leaves "building"; whoever needs the index next goes through the rest. An entry, once
there, is never removed, so its absence is not remembered, and its scope is remembered for good.

A process that was stopped (suspended, paused by its hypervisor) between reading the registry and writing may write too
late: ``late`` tells so afterwards, and the backend then gives the document its keys.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final, NamedTuple, Protocol

import orjson

from app.db.boot_clock import boot_time
from app.db.schema import Collection, CollectionScope, Index
from app.db.time_limit import unhurried

LEASE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered collection. ``written`` are the indexes whose keys writers keep, ``ready`` those to read."""

    name: str
    scope: CollectionScope
    written: tuple[Index, ...]
    ready: tuple[Index, ...]

    def encode(self) -> str:
        """As text, for the database."""
        return orjson.dumps(
            {
                "scope": self.scope,
                "written": [index.fields for index in self.written],
                "ready": [index.fields for index in self.ready],
            }
        ).decode()

    @staticmethod
    def decode(name: str, text: str) -> "Entry":
        """From ``encode``'s text."""
        found = orjson.loads(text)
        return Entry(
            name,
            found["scope"],
            tuple(Index(*fields) for fields in found["written"]),
            tuple(Index(*fields) for fields in found["ready"]),
        )

    def has(self, declared: Collection) -> bool:
        """Whether every declared index can be read."""
        return set(declared.indexes) <= set(self.ready)


class Leased(NamedTuple):
    """An entry, and until when it may be used (``boot_time``)."""

    entry: Entry
    until: float


class RegistryStore(Protocol):
    """Where entries are kept, and what a change of the indexes does to the documents."""

    def read_entry(self, name: str) -> str | None:
        """The entry's text as last written (linearizable), or None."""

    def swap_entry(self, name: str, old: str | None, new: str) -> bool:
        """Write the entry if it still has the text ``old`` (None: if it is absent); whether it did."""

    def backfill(self, entry: Entry, added: tuple[Index, ...]) -> None:
        """Give every document of the collection its keys of the added indexes, where it lacks them; no more."""


class IndexRegistry:
    """A process's view of the registry. ``longest_write`` bounds how long a write that was begun may still happen."""

    def __init__(self, store: RegistryStore, *, lease: float, longest_write: float) -> None:
        self._store = store
        self._lease = lease
        self._longest_write = longest_write
        self._leased: dict[str, Leased] = {}
        self._scopes: dict[str, CollectionScope] = {}
        self._growing = Lock()

    def lease(self, name: str) -> Leased | None:
        """The collection's entry, at most ``lease`` seconds old; None if it is not registered."""
        known = self._leased.get(name)
        now = boot_time()
        if known is not None and now < known.until:
            return known
        text = self._store.read_entry(name)
        if text is None:
            return None
        # Counted from before the read: the lease must end before the time that a change waits for.
        leased = self._leased[name] = Leased(Entry.decode(name, text), now + self._lease)
        self._scopes[name] = leased.entry.scope
        return leased

    def scope(self, name: str) -> CollectionScope | None:
        """Whose the collection is, which never changes; None if it is not registered."""
        known = self._scopes.get(name)
        if known is None and (leased := self.lease(name)) is not None:
            return leased.entry.scope
        return known

    def late(self, leased: Leased) -> bool:
        """Whether a write that is over now may have happened after a change waited for it."""
        return boot_time() >= leased.until + self._longest_write

    def read(self, name: str) -> Entry | None:
        """The entry as it is now."""
        text = self._store.read_entry(name)
        return None if text is None else Entry.decode(name, text)

    def grow(self, declarations: Sequence[Collection]) -> None:
        """Register what is declared and lacking, for several collections in one wait; several processes may do so."""
        with unhurried(), self._growing:
            while lacking := [declared for declared in declarations if not self._complete(declared)]:
                building = [entry for declared in lacking if (entry := self._begin(declared)) is not None]
                if len(building) == len(lacking):
                    time.sleep(self._lease + self._longest_write)
                    for declared, entry in zip(lacking, building, strict=True):
                        self._finish(declared, entry)

    def forget(self) -> None:
        """Read everything anew at its next use."""
        self._leased.clear()

    def _complete(self, declared: Collection) -> bool:
        """Whether there is nothing to build; a collection that is not there is created with all its indexes."""
        entry = self.read(declared.name)
        if entry is None:
            entry = Entry(declared.name, declared.scope, declared.indexes, declared.indexes)
            if not self._store.swap_entry(declared.name, None, entry.encode()):
                return False
        self._leased.pop(declared.name, None)
        return entry.has(declared)

    def _begin(self, declared: Collection) -> Entry | None:
        """Register the indexes as being built; None if somebody else changed the entry meanwhile."""
        entry = self.read(declared.name)
        if entry is None:
            return None
        building = replace(entry, written=_with(entry.written, declared.indexes))
        if building != entry and not self._store.swap_entry(declared.name, entry.encode(), building.encode()):
            return None
        return building

    def _finish(self, declared: Collection, building: Entry) -> None:
        """Fill the indexes and make them ready. If somebody else changed the entry meanwhile, the round is repeated."""
        self._store.backfill(building, tuple(index for index in declared.indexes if index not in building.ready))
        ready = replace(building, ready=_with(building.ready, declared.indexes))
        self._store.swap_entry(declared.name, building.encode(), ready.encode())


def _with(indexes: Sequence[Index], added: Sequence[Index]) -> tuple[Index, ...]:
    return tuple(dict.fromkeys((*indexes, *added)))
