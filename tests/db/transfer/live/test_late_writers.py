"""Processes that were held up across a switch, and those that know nothing of migrations: what they can still do."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.db import Conflict, NotFound, Put, Schema, Unavailable
from app.db.backend import Backend
from app.db.backends.sqlite import SqliteDatabase
from app.db.errors import NotWritable
from app.db.schema import Collection
from app.db.transfer.live import fences
from app.db.transfer.live.changes import read_changes
from app.db.transfer.live.routing import RoutedDatabase
from app.db.transfer.live.state import State, Timing, read_state

SCHEMA = Schema([Collection("notes")])
NOTES = "acme/notes"
SHORT = Timing(plain=60.0, lease=60.0, longest_write=60.0, poll=0.01, patience=0.2, pause=0.3)


class Clock:
    """The clock that a routed database sees: it goes when it is told to, and a little while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def clock_gettime(self, *_: object) -> float:
        return self.now

    def sleep(self, _: float) -> None:
        self.now += 0.1


class Scene:
    """Two files, and a process whose clock stands still."""

    def __init__(self, folder: Path) -> None:
        self.one, self.two = (SqliteDatabase(folder / f"{name}.sqlite", SCHEMA) for name in ("one", "two"))
        self.process = RoutedDatabase(self.one, lambda _: self.two, reference="one", timing=SHORT)

    def start(self) -> None:
        for service in (self.one, self.two):
            fences.prepare(service)
        fences.swap_state(self.two, None, State("moved", 1, "one", "target", "m"), fences=True)
        fences.swap_state(self.one, None, State("capturing", 2, "two", "source", "m", armed=True), fences=True)

    def say(self, service: Backend, phase: Any, epoch: int) -> None:
        state = read_state(service)
        assert state is not None
        fences.swap_state(service, state, replace(state, phase=phase, epoch=epoch), fences=True)

    def switch(self) -> None:
        self.say(self.one, "paused", 3)
        self.say(self.one, "moved", 4)
        self.say(self.two, "capturing", 5)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("routing", "whereabouts"):
        monkeypatch.setattr(f"app.db.transfer.live.{module}.boot_time", clock.clock_gettime)
    monkeypatch.setattr("app.db.transfer.live.routing.time", clock)  # the databases below keep the real one
    return clock


@pytest.fixture
def scene(tmp_path: Path, clock: Clock) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.process.close()
    scene.two.close()


WRITES: list[Callable[[RoutedDatabase], object]] = [
    lambda db: db.save(NOTES, "late", {"n": 1}),
    lambda db: db.create(NOTES, "late", {"n": 1}),
    lambda db: db.commit([Put(NOTES, "late", {"n": 1})]),
    lambda db: db.write_batch(NOTES, [{"_id": "late", "n": 1}]),
]


@pytest.mark.parametrize("write", WRITES, ids=["save", "create", "commit", "write_batch"])
def test_a_captured_write_of_the_past_lands_on_the_new_side_only(scene: Scene, write: Any) -> None:
    scene.start()
    scene.process.get_many(NOTES, ["late"])
    scene.switch()
    write(scene.process)
    assert scene.one.get_many(NOTES, ["late"]) == {}
    assert scene.two.get(NOTES, "late")["n"] == 1
    assert read_changes(scene.two, 10)[1] == [(NOTES, "late")]


@pytest.mark.parametrize("write", WRITES, ids=["save", "create", "commit", "write_batch"])
def test_a_plain_write_that_was_held_up_across_the_switch_is_never_acknowledged(
    scene: Scene, clock: Clock, monkeypatch: pytest.MonkeyPatch, write: Any
) -> None:
    scene.process.get_many(NOTES, ["late"])
    real = {name: getattr(scene.one, name) for name in ("_save", "_commit", "_write_batch")}

    def held_up(name: str) -> Any:
        def wait(*args: Any) -> Any:
            if not args or getattr(args[0], "collection", "notes") == "notes":
                for each, method in real.items():
                    monkeypatch.setattr(scene.one, each, method)
                scene.start()
                scene.switch()
                clock.now += 121
            return real[name](*args)

        return wait

    scene.process._where.view.save = scene.one.save
    for name in real:
        monkeypatch.setattr(scene.one, name, held_up(name))
    with pytest.raises(Unavailable) as caught:
        write(scene.process)
    assert caught.value.outcome == "unknown"
    assert scene.two.get_many(NOTES, ["late"]) == {}


def test_a_plain_write_that_was_held_up_until_changes_are_captured_is_marked(
    scene: Scene, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.process.get_many(NOTES, ["late"])
    real = scene.one._save

    def held_up(*args: Any) -> Any:
        monkeypatch.setattr(scene.one, "_save", real)
        scene.start()
        clock.now += 121
        return real(*args)

    monkeypatch.setattr(scene.one, "_save", held_up)
    scene.process.save(NOTES, "late", {"n": 1})
    assert read_changes(scene.one, 10)[1] == [(NOTES, "late")]


def test_a_plain_write_that_was_held_up_is_in_doubt_where_nobody_tells_whether_a_migration_began(
    scene: Scene, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.process.get_many(NOTES, ["late"])
    real = scene.one._save

    def away(*_: Any) -> Any:
        raise Unavailable("The database is away.", retry_after=1)

    def held_up(*args: Any) -> Any:
        clock.now += 121
        answer = real(*args)
        monkeypatch.setattr(scene.one, "_get", away)
        return answer

    monkeypatch.setattr(scene.one, "_save", held_up)
    with pytest.raises(Unavailable) as caught:
        scene.process.save(NOTES, "late", {"n": 1})
    assert caught.value.outcome == "unknown"


def test_a_read_of_the_past_is_repeated_on_the_new_side(scene: Scene, clock: Clock) -> None:
    scene.start()
    scene.one.save(NOTES, "a", {"n": 1})
    assert scene.process.get(NOTES, "a")["n"] == 1
    scene.switch()
    scene.two.save(NOTES, "a", {"n": 2})
    clock.now += 61
    assert scene.process.get(NOTES, "a")["n"] == 2
    with pytest.raises(NotFound):
        scene.process.get(NOTES, "b")
    assert [one["n"] for one in scene.process.list_all(NOTES)] == [2]


def test_refusals_of_the_side_that_was_left_are_not_believed(scene: Scene, clock: Clock) -> None:
    scene.start()
    scene.one.save(NOTES, "a", {"n": 1})
    scene.process.get(NOTES, "a")
    scene.switch()
    clock.now += 61
    scene.process.create(NOTES, "a", {"n": 2})
    assert scene.two.get(NOTES, "a")["n"] == 2


def test_a_conflict_names_documents_of_the_caller_and_no_fence(scene: Scene) -> None:
    scene.start()
    scene.process.save(NOTES, "a", {"n": 1})
    with pytest.raises(Conflict) as caught:
        scene.process.create(NOTES, "a", {"n": 2})
    assert caught.value.keys == ((NOTES, "a"),)


def test_writers_wait_while_writes_are_paused_and_are_told_to_come_again(scene: Scene) -> None:
    scene.start()
    scene.say(scene.one, "paused", 3)
    scene.one.save(NOTES, "a", {"n": 1})
    with pytest.raises(Unavailable) as caught:
        scene.process.save(NOTES, "b", {"n": 1})
    assert (caught.value.outcome, caught.value.retry_after) == (None, 2.0)
    assert scene.process.get(NOTES, "a")["n"] == 1


def test_a_pause_whose_runner_is_gone_is_ended_by_a_writer(scene: Scene) -> None:
    scene.process._where.timing = replace(SHORT, patience=5.0)
    scene.start()
    scene.say(scene.one, "paused", 3)
    scene.process.save(NOTES, "b", {"n": 1})
    state = read_state(scene.one)
    assert state is not None
    assert (state.phase, state.epoch) == ("capturing", 5)
    assert scene.one.get(NOTES, "b")["n"] == 1


def test_a_switch_whose_runner_is_gone_is_completed_by_a_writer(scene: Scene) -> None:
    scene.process._where.timing = replace(SHORT, patience=5.0)
    scene.start()
    scene.say(scene.one, "paused", 3)
    scene.say(scene.one, "moved", 4)
    scene.process.save(NOTES, "b", {"n": 1})
    assert scene.two.get(NOTES, "b")["n"] == 1
    state = read_state(scene.two)
    assert state is not None
    assert (state.phase, state.filled) == ("capturing", True)
    assert state.epoch > 1 + 1, "not what the runner would have said"


def test_a_moved_file_refuses_strangers_and_lets_the_runner_through(scene: Scene, tmp_path: Path) -> None:
    scene.one.save(NOTES, "a", {"n": 1})
    assert scene.one.refuse_writes(["notes"], on=True)
    stranger = SqliteDatabase(tmp_path / "one.sqlite", SCHEMA)
    for write in (
        lambda: stranger.save(NOTES, "a", {"n": 2}),
        lambda: stranger.delete(NOTES, "a"),
        lambda: stranger.commit([Put(NOTES, "b", {})]),
    ):
        with pytest.raises(NotWritable, match="moved to another database"):
            write()
    with sqlite3.connect(tmp_path / "one.sqlite") as raw, pytest.raises(sqlite3.IntegrityError):
        raw.execute("UPDATE notes SET data = '{}'")
    raw.close()
    scene.one.commit([Put(NOTES, "a", {"n": 3})])
    assert stranger.get(NOTES, "a")["n"] == 3
    scene.one.refuse_writes(["notes"], on=False)
    stranger.save(NOTES, "a", {"n": 4})
    stranger.close()
