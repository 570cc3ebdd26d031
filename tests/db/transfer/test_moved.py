"""Commands that name a database which a live migration has left, or in which one is under way."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo

from app.config import load_settings
from app.db import open_database
from app.db.backend import Backend
from app.db.cli import db_commands
from app.db.flask_ext import SETTINGS_OF, install_database
from app.db.transfer.live import fences
from app.db.transfer.live.state import State, read_state
from app.db.transfer.live.whereabouts import Whereabouts
from tests.db.transfer.kit import SCHEMA, harbour, held

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``db ...`` of an application whose development database is ``old.db``."""
    monkeypatch.chdir(tmp_path)
    environ = {"WHERRY_INSTANCE_PATH": str(tmp_path), "WHERRY_SQLITE_PATH": "old.db"}
    app = Flask("boats")
    app.config["SECRET_KEY"] = "a key for the tests of commands, 0123"
    install_database(app, open_database("memory:", SCHEMA))
    app.extensions[SETTINGS_OF] = lambda name: load_settings(env=name, environ=environ)
    return lambda *arguments: CliRunner().invoke(db_commands, arguments, obj=ScriptInfo(create_app=lambda: app))


def url(tmp_path: Path, name: str) -> str:
    return f"sqlite:///{tmp_path / name}"


def backend(place: str) -> Backend:
    found = open_database(place, SCHEMA)
    assert isinstance(found, Backend)
    return found


def say(service: Backend, state: State) -> None:
    """Let a database say this of a migration, as its runner does."""
    fences.prepare(service)
    fences.swap_state(service, read_state(service), state, fences=True)


@pytest.fixture
def moved(tmp_path: Path) -> State:
    """The application's 25 boats a tenant were in old.db, and are 30 in new.db: a migration between them is over."""
    old, new = (backend(url(tmp_path, name)) for name in ("old.db", "new.db"))
    harbour(old)
    harbour(new, boats=30)
    state = State("moved", 3, url(tmp_path, "new.db"), "source", "m")
    say(old, state)
    old.close()
    new.close()
    return state


@pytest.fixture
def capturing(tmp_path: Path) -> None:
    """A migration from old.db has begun, and spare.db is a database besides."""
    old, spare = (backend(url(tmp_path, name)) for name in ("old.db", "spare.db"))
    harbour(old)
    harbour(spare, boats=30)
    say(old, State("capturing", 1, url(tmp_path, "new.db"), "source", "m", armed=True))
    old.close()
    spare.close()


def refusal(result: Result) -> str:
    assert result.exit_code == 1, result.output
    return result.stderr.splitlines()[-1]


@pytest.mark.usefixtures("moved")
class TestLeft:
    def test_a_settings_name_means_the_database_that_serves(self, run: Run, tmp_path: Path) -> None:
        dumped = run("dump", "development", "a.dump")
        assert dumped.exit_code == 0, dumped.output
        assert f"has moved to {url(tmp_path, 'new.db')}" in dumped.stderr
        assert "65 documents of development (sqlite), moved to sqlite:" in dumped.stdout
        copied = run("copy", "development", url(tmp_path, "third.db"), "--json")
        assert json.loads(copied.stdout)["copied"] == 65
        assert "65" in run("plan", "development", url(tmp_path, "fourth.db")).stdout

    def test_nobody_copies_the_database_that_serves_into_itself(self, run: Run, tmp_path: Path) -> None:
        assert "same database" in refusal(run("copy", "development", url(tmp_path, "new.db"), "--into-existing"))

    @pytest.mark.parametrize("command", ["dump", "copy", "plan"])
    def test_a_url_is_refused_and_the_place_named(self, run: Run, tmp_path: Path, command: str) -> None:
        said = refusal(run(command, url(tmp_path, "old.db"), url(tmp_path, "third.db") if command != "dump" else "a"))
        assert url(tmp_path, "new.db") in said
        assert "--left-behind" in said
        assert not (tmp_path / "a").exists()

    def test_what_was_left_behind_is_taken_if_that_is_said(self, run: Run, tmp_path: Path) -> None:
        for name in ("development", url(tmp_path, "old.db")):
            assert "55 documents of" in run("dump", name, "a.dump", "--left-behind", "--force").stdout
        copied = run("copy", "development", url(tmp_path, "third.db"), "--left-behind")
        assert "55 documents copied" in copied.stdout
        assert "Equal" in run("verify", "development", url(tmp_path, "third.db"), "--left-behind").stdout

    @pytest.mark.parametrize("more", [(), ("--repair",)])
    def test_it_is_not_verified_on_either_side(self, run: Run, tmp_path: Path, more: tuple[str, ...]) -> None:
        new = url(tmp_path, "new.db")
        for name in ("development", url(tmp_path, "old.db")):
            assert f"SOURCE says that a live migration has its data in {new}" in refusal(
                run("verify", name, new, *more)
            )
            assert f"TARGET says that a live migration has its data in {new}" in refusal(
                run("verify", new, name, *more)
            )

    def test_nothing_is_written_there_whatever_is_said(self, run: Run, tmp_path: Path) -> None:
        new = url(tmp_path, "new.db")
        assert new in refusal(run("verify", new, "development", "--repair", "--left-behind"))
        assert "its data in" in refusal(run("copy", new, "development", "--into-existing"))
        assert run("dump", new, "a.dump").exit_code == 0
        assert "its data in" in refusal(run("restore", "a.dump", "development", "--into-existing"))

    @pytest.mark.parametrize("epoch", [2, 4, 9])
    def test_a_name_is_followed_through_a_second_migration(
        self, run: Run, tmp_path: Path, moved: State, epoch: int
    ) -> None:
        third, new, old = (backend(url(tmp_path, name)) for name in ("third.db", "new.db", "old.db"))
        harbour(third, boats=5)
        say(new, replace(moved, migration="n", peer=url(tmp_path, "third.db"), epoch=epoch))
        assert "15 documents of" in run("dump", "development", "a.dump").stdout
        view = Whereabouts(old, backend).look()  # as the application finds it
        assert (view.mode, held(view.service)) == ("plain", held(third))

    def test_in_the_middle_of_the_way_back_the_name_means_what_it_says(
        self, run: Run, tmp_path: Path, moved: State
    ) -> None:
        new = backend(url(tmp_path, "new.db"))
        say(new, replace(moved, peer=url(tmp_path, "old.db"), epoch=9))
        assert "55 documents of development (sqlite), " in run("dump", "development", "b.dump").stdout


@pytest.mark.usefixtures("capturing")
class TestUnderWay:
    def test_what_serves_is_read(self, run: Run, tmp_path: Path) -> None:
        assert "55 documents of" in run("dump", "development", "a.dump").stdout
        assert "NOT equal" in run("verify", "development", url(tmp_path, "spare.db"), "--same-origin").stdout
        assert "NOT equal" in run("verify", url(tmp_path, "spare.db"), url(tmp_path, "old.db"), "--same-origin").stdout

    @pytest.mark.parametrize("target", ["development", "old.db"])
    def test_a_write_that_leaves_no_change_record_is_refused(self, run: Run, tmp_path: Path, target: str) -> None:
        named = target if target == "development" else url(tmp_path, target)
        assert "'wherry db live status'" in refusal(run("verify", url(tmp_path, "spare.db"), named, "--repair"))
