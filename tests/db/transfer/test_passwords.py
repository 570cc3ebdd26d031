"""A CouchDB URL may leave its password to COUCHDB_PASSWORD, in every command: so that it stands nowhere else."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo

from app.config import load_settings
from app.db import open_database
from app.db.cli import db_commands
from app.db.flask_ext import SETTINGS_OF, install_database
from tests.db.couchdb_fixtures import backend, couchdb_url
from tests.db.couchdb_server import CouchBackend
from tests.db.transfer.kit import SCHEMA, harbour, held, sqlite

__all__ = ["backend", "couchdb_url"]
pytestmark = pytest.mark.server

Run = Callable[..., Result]


@dataclass(frozen=True, slots=True)
class Away:
    """A CouchDB: its URL without the password, and the password."""

    url: str
    password: str


@pytest.fixture
def away(backend: CouchBackend) -> Away:
    parts = urlsplit(backend.url)
    assert parts.username
    host = parts.netloc.rpartition("@")[2]
    url = parts._replace(netloc=f"{parts.username}@{host}", path=f"/{backend.prefix}").geturl()
    return Away(url, unquote(parts.password or ""))


@pytest.fixture
def source(tmp_path: Path) -> str:
    opened = sqlite(tmp_path / "source.db")
    harbour(opened)
    opened.close()
    return f"sqlite:///{tmp_path / 'source.db'}"


def command(tmp_path: Path, password: str) -> Run:
    """``db ...`` of an application that is set up with that password."""
    environ = {"WHERRY_INSTANCE_PATH": str(tmp_path / "instance"), "WHERRY_COUCHDB_PASSWORD": password}
    app = Flask("boats")
    install_database(app, open_database("memory:", SCHEMA))
    app.extensions[SETTINGS_OF] = lambda name: load_settings(env=name, environ=environ)
    app.extensions["settings"] = load_settings(env="testing", environ=environ)
    return lambda *arguments: CliRunner().invoke(db_commands, arguments, obj=ScriptInfo(create_app=lambda: app))


def test_a_copy_is_made_and_verified_with_it(
    tmp_path: Path, away: Away, source: str, backend: CouchBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = command(tmp_path, away.password)
    monkeypatch.setenv("THERE", away.url)
    for arguments in (("plan", source, away.url), ("copy", source, away.url), ("verify", source, "env:THERE")):
        result = run(*arguments)
        assert result.exit_code == 0, result.stderr
        assert away.password not in result.output
    with closing(backend.open(SCHEMA)) as there, closing(open_database(source, SCHEMA)) as here:
        assert held(there) == held(here)


@pytest.mark.parametrize("password", ["", "another"])
def test_without_it_or_with_another_the_setting_is_named(
    tmp_path: Path, away: Away, source: str, password: str
) -> None:
    result = command(tmp_path, password)("copy", source, away.url)
    assert result.exit_code == 1
    assert "COUCHDB_PASSWORD" in result.stderr.splitlines()[-1]


def test_a_password_in_the_url_goes_before(tmp_path: Path, away: Away, source: str, backend: CouchBackend) -> None:
    result = command(tmp_path, "another")("copy", source, f"{backend.url}/{backend.prefix}")
    assert result.exit_code == 0, result.stderr
    assert "another" not in result.output
