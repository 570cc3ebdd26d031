"""``wherry db plan`` and ``wherry db copy`` as an operator types them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo

from app.config import load_settings
from app.db import open_database
from app.db.cli import db_commands
from app.db.flask_ext import SETTINGS_OF, install_database
from tests.db.transfer.kit import SCHEMA, harbour, held, sqlite

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``db ...`` in an empty folder; the settings' databases are beside it."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    environ = {"WHERRY_INSTANCE_PATH": str(tmp_path / "instance")}
    app = Flask("boats")
    install_database(app, open_database("memory:", SCHEMA))
    app.extensions[SETTINGS_OF] = lambda name: load_settings(env=name, environ=environ)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(db_commands, arguments, obj=ScriptInfo(create_app=lambda: app))

    return invoke


@pytest.fixture
def source(tmp_path: Path) -> str:
    opened = sqlite(tmp_path / "source.db")
    harbour(opened)
    opened.close()
    return f"sqlite:///{tmp_path / 'source.db'}"


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'target.db'}"


def documents(url: str) -> Any:
    return held(open_database(url, SCHEMA))


def refusal(result: Result) -> str:
    assert result.exit_code == 1, result.output
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_a_plan_and_a_copy(run: Run, source: str, target: str) -> None:
    planned = run("plan", source, target)
    assert planned.exit_code == 0, planned.output
    assert "Nothing stands in the way." in planned.stdout
    copied = run("copy", source, target)
    assert copied.exit_code == 0, copied.output
    assert "55 documents copied" in copied.stdout
    assert documents(target) == documents(source)


def test_in_json_standard_output_holds_one_document_and_nothing_else_is_said(
    run: Run, source: str, target: str
) -> None:
    planned = run("plan", source, target, "--json")
    assert (json.loads(planned.stdout)["documents"], planned.stderr) == (55, "")
    copied = run("copy", source, target, "--json")
    assert (json.loads(copied.stdout)["copied"], copied.stderr) == (55, "")


def test_names_of_environments(run: Run, source: str, tmp_path: Path) -> None:
    assert run("copy", source, "development").exit_code == 0
    assert documents(f"sqlite:///{tmp_path / 'instance' / 'wherry.sqlite3'}") == documents(source)
    assert "SOURCE is 'staging', which is neither" in refusal(run("copy", "staging", source))
    assert "memory of another process" in refusal(run("copy", "testing", source))


def test_a_variable_that_holds_a_url(run: Run, source: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_TARGET", target)
    result = run("copy", source, "env:THE_TARGET")
    assert (result.exit_code, documents(target)) == (0, documents(source))
    assert "env:THE_TARGET" in result.stdout
    assert "'NOTHING' is not set" in refusal(run("copy", source, "env:NOTHING"))


def test_passwords_are_never_shown(run: Run, source: str) -> None:
    for command in ("plan", "copy"):
        result = run(command, source, "couchdb://ann:hunter2@127.0.0.1:1/boats")
        assert result.exit_code == 1
        assert "hunter2" not in result.output


@pytest.mark.parametrize("command", ["plan", "copy"])
def test_the_same_file_by_another_path_is_refused(run: Run, source: str, tmp_path: Path, command: str) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "source.db")
    assert "same database" in refusal(run(command, source, f"sqlite:///{tmp_path / 'link.db'}"))
    assert "same database" in refusal(run(command, source, "sqlite:///../source.db"))


@pytest.mark.parametrize("url", ["memory:", "postgres://x/y", "sqlite://", "couchdb://host", "sqlite:////nowhere/x.db"])
def test_a_wrong_source_is_one_sentence(run: Run, target: str, tmp_path: Path, url: str) -> None:
    refusal(run("copy", url, target))
    assert not (tmp_path / "target.db").exists()


def test_the_memory_of_this_command_is_no_target(run: Run, source: str) -> None:
    assert "ends with it" in refusal(run("copy", source, "memory:"))


def test_lists_may_be_given_with_commas_or_several_times(run: Run, source: str, target: str) -> None:
    assert run("copy", source, target, "--collections", "notes, harbours", "--collections", "boats").exit_code == 0
    assert len(documents(target)) == 55
    assert "--tenants" in refusal(run("copy", source, target, "--tenants", ","))


def test_documents_that_do_not_fit_make_the_exit_status_two(run: Run, source: str, target: str, tmp_path: Path) -> None:
    opened = sqlite(tmp_path / "source.db")
    opened._connection().execute("UPDATE notes SET data = '{\"_x\": 1}' WHERE id = 'b00001'")  # type: ignore[attr-defined]
    opened.close()
    planned = run("plan", source, target)
    assert planned.exit_code == 1
    assert "t1/notes 'b00001': _x" in planned.stderr
    copied = run("copy", source, target)
    assert copied.exit_code == 2
    (rejects,) = Path.cwd().glob("wherry-rejected-*.jsonl")
    assert json.loads(rejects.read_text())["id"] == "b00001"
    assert rejects.name in copied.stdout
    again = run("copy", source, target, "--json", "--rejects", str(tmp_path / "own.jsonl"))
    assert again.exit_code == 2
    assert json.loads(again.stdout)["rejections"][0]["id"] == "b00001"
    assert (tmp_path / "own.jsonl").exists()


def test_what_was_deleted_in_the_target_is_told_and_makes_the_exit_status_two(
    run: Run, source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.db.transfer.brought._LATE", 0)
    assert run("copy", source, target).exit_code == 0
    opened = open_database(target, SCHEMA)
    opened.delete("t1/boats", "b00001")
    opened.close()
    again = run("copy", source, target)
    assert (again.exit_code, len(documents(target))) == (2, 54)
    (rejects,) = Path.cwd().glob("wherry-rejected-*.jsonl")
    assert json.loads(rejects.read_text())["id"] == "b00001"
    assert "1 were brought earlier and deleted in the target" in again.stdout
    assert "0 left out" in again.stdout
    assert rejects.name in again.stdout
    assert run("copy", source, target, "--into-existing").exit_code == 0
    assert documents(target) == documents(source)


def test_overwrite_and_into_existing(run: Run, source: str, target: str) -> None:
    opened = open_database(target, SCHEMA)
    opened.save("t1/boats", "b00001", {"newer": True})
    opened.close()
    assert "--into-existing" in refusal(run("copy", source, target))
    result = run("copy", source, target, "--into-existing")
    assert "1 are newer in the target and stand" in result.stdout
    assert "0 documents copied" in run("copy", source, target, "--into-existing", "--dry-run").stdout.replace(
        " would be", ""
    )
    assert run("copy", source, target, "--overwrite").exit_code == 0
    assert documents(target) == documents(source)


def test_without_a_terminal_progress_is_plain_lines(run: Run, source: str, target: str) -> None:
    told = run("copy", source, target).stderr
    assert "\r" not in told
    assert "copy" in told
    assert "55 documents" in told
    assert "/s" in told
