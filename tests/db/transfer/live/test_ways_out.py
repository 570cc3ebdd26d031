"""A migration can be given up at any time: while it copies, and when one of the two databases is gone."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo

from app.config import load_settings
from app.db import Unavailable
from app.db.backends.sqlite import SqliteDatabase
from app.db.cli import db_commands
from app.db.factory import get_database_service
from app.db.flask_ext import SETTINGS_OF, install_database
from app.db.transfer.errors import TransferRefused
from app.db.transfer.live import cli
from app.db.transfer.live.board import Command, read_command, read_run, send_command
from app.db.transfer.live.changes import count_changes
from app.db.transfer.live.ending import end_alone
from app.db.transfer.live.ends import End
from app.db.transfer.live.runner import Runner
from app.db.transfer.live.state import read_state
from app.db.transfer.live.status import read_status
from app.db.transfer.progress import Silent
from tests.db.transfer.kit import SCHEMA, harbour, held
from tests.db.transfer.live.carrying import AT_ONCE, Crossing, make_runner, open_file
from tests.db.transfer.live.routed import QUICK

Step = Callable[[], object]


@pytest.fixture
def crossing(tmp_path: Path) -> Iterator[Crossing]:
    with closing(Crossing(tmp_path)) as made:
        yield made


def followed(crossing: Crossing, runner: Runner) -> None:
    """From the beginning until the tail follows."""
    runner.begin()
    while (run := read_run(crossing.one)) is None or run.stage != "tail":
        runner.step()


def answer_to(crossing: Crossing, command: Command, step: Step) -> dict[str, Any]:
    while (run := read_run(crossing.one)) is None or run.answer.get("id") != command.id:
        step()
    return run.answer


def later(asked: Callable[..., Command | None]) -> Callable[..., Command | None]:
    """As if a command came after the step's first look at the board."""
    looks = iter([True])
    return lambda place: None if next(looks, False) else asked(place)


def go_away(service: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise Unavailable("The database is away.", retry_after=1)

    for name in ("get", "get_many", "read_together", "save", "commit", "collections", "prepare", "scan", "ping"):
        monkeypatch.setattr(service, name, away)


class TestWhileItCopies:
    @pytest.mark.parametrize("armed", [False, True], ids=["before it is armed", "in the backfill"])
    def test_a_rollback_is_obeyed_at_once(
        self, crossing: Crossing, monkeypatch: pytest.MonkeyPatch, armed: bool
    ) -> None:
        command = Command("rollback")
        with closing(make_runner(crossing.one, crossing.two)) as runner:
            runner.begin()
            if armed:
                runner.step()
                send_command([crossing.one, crossing.two], command)
                monkeypatch.setattr(runner, "_asked", later(runner._asked))
            else:
                send_command([crossing.one, crossing.two], command)
            assert answer_to(crossing, command, runner.step)["ok"]
            assert runner.over
        assert read_state(crossing.one) is read_state(crossing.two) is None
        assert len(held(crossing.two)) < len(held(crossing.one))

    def test_a_cut_over_is_refused_and_the_copy_goes_on(self, crossing: Crossing) -> None:
        command = Command("cutover", force=True)
        with closing(make_runner(crossing.one, crossing.two)) as runner:
            runner.begin()
            send_command([crossing.one, crossing.two], command)
            answer = answer_to(crossing, command, runner.step)
            assert (answer["ok"], "Not everything has been copied yet" in answer["said"]) == (False, True)
            while (run := read_run(crossing.one)) is None or run.stage != "tail":
                runner.step()
        assert crossing.serving is crossing.one


@pytest.mark.slow
class TestOneIsAway:
    def test_the_runner_is_seen_to_wait(self, crossing: Crossing, monkeypatch: pytest.MonkeyPatch) -> None:
        with closing(make_runner(crossing.one, crossing.two)) as runner:
            followed(crossing, runner)
            go_away(crossing.two, monkeypatch)
            before = read_run(crossing.one)
            assert before is not None
            with pytest.raises(Unavailable) as caught:
                runner.step()
            runner.wait_out(caught.value)
            while (run := read_run(crossing.one)) is None or run.beat < before.beat + 2:
                runner.wait_out(caught.value)
            status = read_status(crossing.one)
        assert status.alive
        assert dict(status.lines())["Note"] == "A database is away, trying again: The database is away."

    def test_the_runner_ends_when_it_was_given_up(self, crossing: Crossing, monkeypatch: pytest.MonkeyPatch) -> None:
        with closing(make_runner(crossing.one, crossing.two)) as runner:
            followed(crossing, runner)
            go_away(crossing.two, monkeypatch)
            with pytest.raises(Unavailable) as caught:
                runner.step()
            give_up(crossing)
            runner.wait_out(caught.value)
            assert runner.over

    def test_after_the_cut_over_the_new_side_stays_for_good_without_the_old_one(self, crossing: Crossing) -> None:
        with closing(make_runner(crossing.one, crossing.two)) as runner:
            followed(crossing, runner)
            command = Command("cutover", force=True)
            send_command([crossing.one, crossing.two], command)
            assert answer_to(crossing, command, runner.step)["ok"]
        state = read_state(crossing.two)
        assert state is not None
        there = End(crossing.two, "two", "two")
        with pytest.raises(TransferRefused, match="no way back without the other database"):
            end_alone(there, state, "rollback", timing=QUICK)
        assert "two serves" in end_alone(there, state, "finish", timing=QUICK)
        assert (read_state(crossing.two), count_changes(crossing.two, 1)[0]) == (None, 0)
        crossing.two.save("t1/boats", "late", {"name": "late", "n": 1})
        assert crossing.application.get("t1/boats", "late")["n"] == 1, "the old side still says where the data is"


def give_up(crossing: Crossing) -> None:
    state = read_state(crossing.one)
    assert state is not None
    end_alone(End(crossing.one, "one", "one"), state, "rollback", timing=QUICK)


def between(folder: Path, one: SqliteDatabase, two: SqliteDatabase) -> Runner:
    """A runner that calls the two as a command does."""
    first, second = (
        End(service, f"sqlite:///{folder / name}.sqlite", name) for service, name in ((one, "one"), (two, "two"))
    )
    return Runner(first, second, SCHEMA, Silent(), timing=QUICK, dead_after=AT_ONCE)


@pytest.fixture
def migrating(tmp_path: Path) -> Iterator[tuple[SqliteDatabase, SqliteDatabase]]:
    """Two files between which a migration is under way, whose runner is dead."""
    one, two = (open_file(tmp_path, name) for name in ("one", "two"))
    harbour(one, boats=20)
    with closing(one), closing(two):
        with closing(between(tmp_path, one, two)) as runner:
            runner.begin()
            while (run := read_run(one)) is None or run.differences != 0:
                runner.step()
        yield one, two


@pytest.mark.slow
class TestCommands:
    """As an operator types them, whose settings name the first file."""

    @pytest.fixture
    def live(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
        monkeypatch.setattr(cli, "_PATIENCE", 0.5)

        def invoke(*arguments: str, live_migration: bool = True) -> Result:
            environ = {
                "WHERRY_INSTANCE_PATH": str(tmp_path / "instance"),
                "WHERRY_DATABASE_PROVIDER": "sqlite",
                "WHERRY_SQLITE_PATH": str(tmp_path / "one.sqlite"),
                "WHERRY_LIVE_MIGRATION": str(live_migration).lower(),
            }
            app = Flask("boats")
            settings = app.extensions["settings"] = load_settings(env="testing", environ=environ)
            install_database(app, get_database_service(settings, SCHEMA))
            app.extensions[SETTINGS_OF] = lambda name: load_settings(env=name, environ=environ)
            return CliRunner().invoke(db_commands, ["live", *arguments], obj=ScriptInfo(create_app=lambda: app))

        return invoke

    def test_a_lost_target_is_named_with_the_way_out_which_then_works(
        self, live: Callable[..., Result], migrating: tuple[SqliteDatabase, SqliteDatabase], tmp_path: Path
    ) -> None:
        one, two = migrating
        two.close()
        (tmp_path / "two.sqlite").rename(tmp_path / "lost")
        (tmp_path / "two.sqlite").mkdir()
        refused = live("rollback")
        assert (refused.exit_code, "rollback --other-lost" in refused.stderr) == (1, True), refused.output
        assert "give the migration up" in live("finish", "--other-lost").stderr
        assert read_state(one) is not None
        done = live("rollback", "--other-lost")
        assert (done.exit_code, "was not told" in done.stdout) == (0, True), done.output
        assert read_state(one) is None
        assert count_changes(one, 1)[0] == 0

    def test_what_no_runner_answers_is_withdrawn(
        self,
        live: Callable[..., Result],
        migrating: tuple[SqliteDatabase, SqliteDatabase],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(cli, "is_alive", lambda _: True)
        refused = live("cutover", "--force")
        assert (refused.exit_code, "withdrawn" in refused.stderr) == (1, True)
        assert [read_command(service) for service in migrating] == [None, None]

    def test_after_the_end_they_tell_of_the_database_that_the_data_is_in(
        self, live: Callable[..., Result], migrating: tuple[SqliteDatabase, SqliteDatabase], tmp_path: Path
    ) -> None:
        one, two = migrating
        with closing(between(tmp_path, one, two)) as runner:
            runner.begin()
            for action in ("cutover", "finish"):
                command = Command(action, force=True)
                send_command([one, two], command)
                while (run := read_run(two)) is None or run.answer.get("id") != command.id:
                    runner.step()
        status = live("status")
        assert (status.exit_code, "finished" in status.stdout) == (0, True)
        assert "No migration is under way" in live("rollback").stderr

    def test_none_begins_where_processes_do_not_look_where_the_data_is(self, live: Callable[..., Result]) -> None:
        refused = live("start", "sqlite:////elsewhere.sqlite", live_migration=False)
        assert (refused.exit_code, "LIVE_MIGRATION is off" in refused.stderr) == (1, True)
