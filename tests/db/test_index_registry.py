"""Adding indexes while others write, for databases whose writers compute the keys."""

import threading
from typing import Any

import pytest

from app.db import Collection, Index
from app.db.boot_clock import boot_time
from app.db.index_registry import Entry, IndexRegistry

NAME, STATUS, KIND = Index("name"), Index("status", "name"), Index("kind")


class Store:
    """A registry in a dictionary. ``before_swap`` is called before each swap, as if somebody else were faster."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.backfilled: list[tuple[str, tuple[Index, ...]]] = []
        self.reads = 0
        self.before_swap: Any = lambda: None

    def read_entry(self, name: str) -> str | None:
        self.reads += 1
        return self.texts.get(name)

    def swap_entry(self, name: str, old: str | None, new: str) -> bool:
        self.before_swap()
        if self.texts.get(name) != old:
            return False
        self.texts[name] = new
        return True

    def backfill(self, entry: Entry, added: tuple[Index, ...]) -> None:
        assert set(added) <= set(entry.written)
        assert not set(added) & set(Entry.decode(entry.name, self.texts[entry.name]).ready)
        self.backfilled.append((entry.name, added))


def notes(*indexes: Index) -> Collection:
    return Collection("notes", "tenant", indexes)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long a change waited, instead of waiting."""
    made: list[float] = []
    monkeypatch.setattr("app.db.index_registry.time.sleep", made.append)
    return made


def registry(store: Store, lease: float = 10.0) -> IndexRegistry:
    return IndexRegistry(store, lease=lease, longest_write=5.0)


class TestGrowing:
    def test_a_new_collection_needs_no_wait(self, store: Store, waits: list[float]) -> None:
        registry(store).grow([notes(NAME, STATUS)])
        entry = Entry.decode("notes", store.texts["notes"])
        assert (entry.scope, entry.written, entry.ready) == ("tenant", (NAME, STATUS), (NAME, STATUS))
        assert (waits, store.backfilled) == ([], [])

    def test_an_index_is_written_then_waited_for_then_filled_then_read(self, store: Store, waits: list[float]) -> None:
        registry(store).grow([notes(NAME)])
        registry(store).grow([notes(NAME, STATUS)])
        assert waits == [15.0]
        assert store.backfilled == [("notes", (STATUS,))]
        assert Entry.decode("notes", store.texts["notes"]).ready == (NAME, STATUS)

    def test_several_collections_wait_together(self, store: Store, waits: list[float]) -> None:
        tasks = Collection("tasks", "tenant", (NAME,))
        registry(store).grow([notes(NAME), tasks])
        registry(store).grow([notes(NAME, STATUS), Collection("tasks", "tenant", (NAME, KIND))])
        assert waits == [15.0]
        assert store.backfilled == [("notes", (STATUS,)), ("tasks", (KIND,))]

    def test_what_a_dead_process_left_half_done_is_finished(self, store: Store, waits: list[float]) -> None:
        store.texts["notes"] = Entry("notes", "tenant", (NAME, STATUS), (NAME,)).encode()
        registry(store).grow([notes(NAME, STATUS)])
        assert waits == [15.0]
        assert store.backfilled == [("notes", (STATUS,))]

    def test_two_that_add_different_indexes_both_get_theirs(self, store: Store, waits: list[float]) -> None:
        registry(store).grow([notes(NAME)])
        others: list[IndexRegistry] = [registry(store)]

        def interfere() -> None:
            if others:
                others.pop().grow([notes(NAME, KIND)])

        store.before_swap = interfere
        registry(store).grow([notes(NAME, STATUS)])
        entry = Entry.decode("notes", store.texts["notes"])
        assert set(entry.ready) == set(entry.written) == {NAME, STATUS, KIND}
        assert store.backfilled == [("notes", (KIND,)), ("notes", (STATUS,))]

    def test_many_at_once_agree(self, store: Store, waits: list[float]) -> None:
        indexes = [Index(f"f{n}") for n in range(6)]
        threads = [threading.Thread(target=registry(store).grow, args=([notes(index)],)) for index in indexes]
        lock = threading.Lock()
        swap = store.swap_entry

        def one_at_a_time(name: str, old: str | None, new: str) -> bool:
            with lock:
                return swap(name, old, new)

        store.swap_entry = one_at_a_time  # type: ignore[method-assign]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(Entry.decode("notes", store.texts["notes"]).ready) == set(indexes)


class TestLeases:
    def test_what_is_known_is_used_until_the_lease_ends(self, store: Store) -> None:
        leased = registry(store, lease=60.0)
        assert leased.lease("notes") is None
        leased.grow([notes(NAME)])
        first = leased.lease("notes")
        assert first is not None
        store.reads = 0
        assert leased.lease("notes") is first
        assert leased.scope("notes") == "tenant"
        assert store.reads == 0
        assert boot_time() < first.until <= boot_time() + 60
        assert not leased.late(first)
        leased.forget()
        assert leased.lease("notes") is not first

    def test_a_lease_ends(self, store: Store) -> None:
        leased = registry(store, lease=0.0)
        leased.grow([notes(NAME)])
        assert (one := leased.lease("notes")) is not None
        registry(store, lease=0.0).grow([Collection("notes", "tenant", (NAME,))])
        assert leased.lease("notes") is not one

    def test_the_scope_is_remembered_and_an_absence_is_not(self, store: Store) -> None:
        one, other = registry(store, lease=0.0), registry(store)
        assert one.scope("notes") is None
        other.grow([notes(NAME)])
        assert one.scope("notes") == "tenant"
        store.reads = 0
        assert one.scope("notes") == "tenant"
        assert store.reads == 0

    def test_a_write_is_late_when_a_change_may_not_have_waited_for_it(self, store: Store) -> None:
        leased = registry(store, lease=60.0)
        leased.grow([notes(NAME)])
        one = leased.lease("notes")
        assert one is not None
        assert leased.late(one._replace(until=boot_time() - 5.1))
        assert not leased.late(one._replace(until=boot_time() - 4.0))


def test_an_entry_is_read_as_it_was_written() -> None:
    entry = Entry("notes", "installation", (NAME, STATUS), (NAME,))
    assert Entry.decode("notes", entry.encode()) == entry
    assert entry.has(Collection("notes", "installation", (NAME,)))
    assert not entry.has(Collection("notes", "installation", (STATUS,)))
