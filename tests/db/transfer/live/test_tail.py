"""A round of the tail, and so the pause of a switch, has bounds, however many documents a record names."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.db import Unavailable
from app.db.backends.sqlite import SqliteDatabase
from app.db.time_limit import current_limit
from app.db.transfer.errors import TransferRefused
from app.db.transfer.live import fences, runner, switch, tail
from app.db.transfer.live.board import Command
from app.db.transfer.live.captured import Captured
from app.db.transfer.live.changes import count_changes, read_changes
from app.db.transfer.live.ends import End, look
from app.db.transfer.live.state import State, read_state
from app.db.transfer.live.switch import TooSlow, pause_and_move
from app.db.transfer.live.tail import Tail
from app.db.writes import Write
from tests.db.transfer.kit import held
from tests.db.transfer.live.carrying import BOATS, make_runner, open_file

OWNER = "the runner"


class Course:
    """A database that captures, one that follows, and a clock that tests move on."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.one, self.two = (open_file(folder, name) for name in ("one", "two"))
        for service in (self.one, self.two):
            fences.prepare(service)
        there = State("moved", 1, "one", "target", "m")
        here = State("capturing", 2, "two", "source", "m", armed=True, filled=True)
        fences.swap_state(self.two, None, there, fences=True)
        fences.swap_state(self.one, None, here, fences=True)
        fences.raise_runner_fences([self.one, self.two], OWNER)
        check = fences.runner_check(self.two, OWNER)
        assert check is not None
        self.tail = Tail(self.one, self.two, check)
        self.now = 1_000.0
        monkeypatch.setattr(switch, "boot_time", lambda: self.now)

    def write(self, number: int, start: int = 0, size: int = 10) -> None:
        """So many documents with one record."""
        found = fences.read_snapshot(self.one).fences
        assert found is not None
        documents = [{"_id": f"b{place:05}", "text": "x" * size} for place in range(start, start + number)]
        Captured(self.one, found).write_batch(BOATS, documents)

    def switch(self) -> State:
        return pause_and_move(look(End(self.one, "one", "one"), End(self.two, "two", "two")), self.tail, OWNER)

    def close(self) -> None:
        for service in (self.one, self.two):
            service.close()


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Course]:
    with closing(Course(tmp_path, monkeypatch)) as made:
        yield made


def reads_of(service: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many documents each reading asks for, from now on."""
    real, asked = service.get_many, []

    def counted(collection: str, ids: Iterable[str]) -> Any:
        wanted = list(ids)
        asked.append(len(wanted))
        return real(collection, wanted)

    monkeypatch.setattr(service, "get_many", counted)
    return asked


def before_commits(service: SqliteDatabase, monkeypatch: pytest.MonkeyPatch, call: Callable[[], None]) -> None:
    real = service.commit

    def commit(writes: Sequence[Write]) -> Any:
        call()
        return real(writes)

    monkeypatch.setattr(service, "commit", commit)


def test_a_record_of_many_documents_is_read_a_few_at_a_time(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_AT_ONCE", 7)
    course.write(60)
    asked = reads_of(course.one, monkeypatch)
    assert course.tail.round() == 60
    assert (sum(asked), max(asked[1:])) == (60, 7)
    assert held(course.one) == held(course.two)


def test_large_documents_are_read_in_smaller_numbers(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_BYTES_AT_ONCE", 1_000)
    course.write(60, size=300)
    asked = reads_of(course.one, monkeypatch)
    course.tail.round()
    assert (sum(asked), max(asked[1:])) == (60, 2)
    assert held(course.one) == held(course.two)


def test_a_round_ends_behind_the_record_with_which_there_are_enough_documents(course: Course) -> None:
    for start in (0, 20, 40):
        course.write(20, start)
    assert course.tail.round(30) == 40
    assert count_changes(course.one, 10) == (1, True)


def test_a_pause_is_taken_back_in_the_middle_of_a_round(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_AT_ONCE", 5)
    course.tail._next = 5
    course.write(60)

    def slow() -> None:
        course.now += 1

    before_commits(course.two, monkeypatch, slow)
    with pytest.raises(TooSlow):
        course.switch()
    assert len(held(course.two)) == 5 * switch.LONGEST_DRAIN
    state = read_state(course.one)
    assert state is not None
    assert (state.phase, count_changes(course.one, 10)[0]) == ("capturing", 1)


def test_a_pause_is_taken_back_if_only_its_last_part_took_too_long(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*args: Any) -> Any:
        found = read_changes(*args)
        if not found[0]:
            course.now += switch.LONGEST_DRAIN
        return found

    monkeypatch.setattr(tail, "read_changes", slow)
    course.write(1)
    with pytest.raises(TooSlow):
        course.switch()
    state = read_state(course.one)
    assert state is not None
    assert state.phase == "capturing"


def test_one_call_of_a_database_may_not_outlast_the_pause(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang() -> None:
        limit = current_limit()
        assert limit is not None
        course.now += limit.end - time.monotonic() + 0.1
        raise Unavailable("It does not answer.", retry_after=1)

    before_commits(course.two, monkeypatch, hang)
    course.write(1)
    with pytest.raises(TooSlow):
        course.switch()
    assert course.now < 1_000 + switch.LONGEST_DRAIN + 0.5
    state = read_state(course.one)
    assert state is not None
    assert state.phase == "capturing"


def test_documents_count_and_not_records_where_too_many_changes_wait(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_SMALL_LAG", 10)
    course.write(11)
    place = look(End(course.one, "one", "one"), End(course.two, "two", "two"))
    moving: Any = make_runner(course.one, course.two)
    moving._views = lambda _: (course.tail, None)
    with pytest.raises(TransferRefused, match="More than 10 changes wait"):
        moving._move(place, Command("cutover", force=True))
