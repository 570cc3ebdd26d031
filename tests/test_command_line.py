import json
import re
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from flask.cli import ScriptInfo

from app import create_app
from app.cli import SERVER_SETTINGS, cli
from app.users.entities import User
from app.web.application import WherryFlask
from tests.app_database import databases

Run = Callable[..., Result]


@pytest.fixture
def app() -> WherryFlask:
    made = create_app({"ENV": "testing", **databases().settings("as it is set up")})
    databases().watch(made.extensions["database"])
    return made


@pytest.fixture
def run(app: WherryFlask) -> Run:
    return lambda *arguments: CliRunner().invoke(cli, arguments, obj=ScriptInfo(create_app=lambda: app))


def test_the_server_is_told_its_settings_and_no_secret(run: Run, app: WherryFlask) -> None:
    told = json.loads(run("server-settings").output)
    assert set(told) == set(SERVER_SETTINGS)
    assert app.extensions["settings"].secret_key not in json.dumps(told)


def test_sample_data_makes_one_account_that_can_sign_in(run: Run, app: WherryFlask) -> None:
    shown = re.search(r"Sign in as (\S+) with the password (\S+)", run("demo-data").output)
    assert shown is not None
    database = app.extensions["database"]
    (account,) = database.list_all(User.collection)
    assert account["email"] == shown[1]
    assert shown[2] not in json.dumps(account)
    (tenant,) = database.list_all("tenants")
    assert len(list(database.list_all(f"{tenant['_id']}/agents"))) > 0


def test_sample_data_leaves_an_installation_in_use_alone(run: Run, app: WherryFlask) -> None:
    run("demo-data")
    again = run("demo-data")
    assert again.exit_code != 0
    assert "There are accounts already" in again.output
    assert len(list(app.extensions["database"].list_all(User.collection))) == 1


@pytest.mark.parametrize("command", ["db", "users", "first-link", "sweep", "routes", "shell"])
def test_the_packages_commands_are_there(run: Run, command: str) -> None:
    assert run(command, "--help").exit_code == 0


def test_nothing_is_offered_that_does_not_work_here(run: Run) -> None:
    told = run("--help").output
    assert not {"run", "--env-file", "--app"} & set(re.split(r"[\s,]+", told.partition("Options:")[2]))
    assert run("run").exit_code == 2


def test_db_prepare_makes_every_collection_once(run: Run) -> None:
    assert "created" in run("db", "prepare").output
    assert run("db", "prepare").output.strip() == "Everything is there already."
    assert run("db", "doctor").exit_code == 0
