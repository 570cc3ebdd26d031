"""Verification beside the tail: what is only on its way is no difference, and what differs is found and repaired."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.db.backends.sqlite import SqliteDatabase
from app.db.transfer.live import checking, fences
from app.db.transfer.live.captured import Captured
from app.db.transfer.live.changes import read_changes
from app.db.transfer.live.checking import Checker
from app.db.transfer.live.state import State
from tests.db.transfer.kit import carry, harbour
from tests.db.transfer.live.carrying import BOATS, open_file


class Pair:
    """A database that captures, and one that holds the same."""

    def __init__(self, folder: Path) -> None:
        self.one, self.two = (open_file(folder, name) for name in ("one", "two"))
        harbour(self.one, boats=450)
        carry(self.one, self.two)
        fences.prepare(self.one)
        state = State("capturing", 1, "two", "source", "m", armed=True, filled=True)
        fences.swap_state(self.one, None, state, fences=True)
        found = fences.read_snapshot(self.one).fences
        assert found is not None
        self.captured = Captured(self.one, found)
        self.checker = Checker(self.one, self.two)

    def verify(self) -> checking.Pass:
        """Everything once."""
        self.checker.step()
        while self.checker._pages is not None:
            self.checker.step()
        assert self.checker.last is not None
        return self.checker.last

    def close(self) -> None:
        for service in (self.one, self.two):
            service.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with closing(Pair(tmp_path)) as made:
        yield made


def spoil(service: SqliteDatabase, id: str) -> None:
    service.save(BOATS, id, {"name": "another"})


def test_two_that_are_equal_are_found_to_be(pair: Pair) -> None:
    found = pair.verify()
    assert (found.differences, pair.checker.clean) == (0, True)
    assert found.documents >= 2 * (2 * 450 + 3 + 2)  # from either side


def test_what_has_a_record_is_on_its_way_and_no_difference(pair: Pair) -> None:
    for id in ("b00003", "b00440", "new"):
        pair.captured.save(BOATS, id, {"name": "changed"})
    pair.captured.delete(BOATS, "b00100")
    assert pair.verify().differences == 0


def test_what_differs_without_a_record_is_counted_and_left_to_the_tail(pair: Pair) -> None:
    pair.captured.save(BOATS, "b00003", {"name": "changed"})
    spoil(pair.two, "b00007")
    pair.two.delete(BOATS, "b00440")
    spoil(pair.two, "only there")
    found = pair.verify()
    marked = {(BOATS, id) for id in ("b00007", "b00440", "only there")}
    assert set(found.first) == marked
    assert not pair.checker.clean
    assert set(read_changes(pair.one, 100)[1]) == marked | {(BOATS, "b00003")}


def test_too_many_records_to_read_put_the_answer_off(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_WAITING", 2)
    for id in ("b00003", "b00004"):
        pair.captured.save(BOATS, id, {"name": "changed"})
    spoil(pair.two, "b00007")
    for _ in range(20):
        pair.checker.step()
    assert (pair.checker.last, pair.checker.now.differences) == (None, 0)
    monkeypatch.setattr(checking, "_WAITING", 20)
    found = pair.verify()
    assert found.first == [(BOATS, "b00007")]
