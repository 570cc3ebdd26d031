import sys
import textwrap
from pathlib import Path

import pytest
from flask import request

import app.modules
from app import create_app
from app.config import SettingsError
from app.db import open_database
from app.db.backends.memory import MemoryDatabase
from app.web.access import access_control

MODULE = """
from flask import Blueprint

from app.web.access import access_control

blueprint = Blueprint("{name}", __name__)


@blueprint.get("/{name}-page")
@access_control(open=True)
def index():
    return "here"


def register(app, registry):
    app.register_blueprint(blueprint)
"""


@pytest.fixture
def sample_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A feature module `sample_one` that lies in a folder of its own."""
    folder = tmp_path / "sample_one"
    folder.mkdir()
    (folder / "__init__.py").write_text(textwrap.dedent(MODULE.format(name="sample_one")))
    monkeypatch.setattr(app.modules, "__path__", [*app.modules.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "app.modules.sample_one", raising=False)
    return "sample_one"


def test_the_application_starts_and_answers() -> None:
    client = create_app({"ENV": "testing"}).test_client()
    assert client.get("/healthz").json == {"ok": True, "status": "ok"}
    assert client.get("/no-such-page").status_code == 404


def test_creating_the_application_connects_to_nothing(tmp_path: Path) -> None:
    file = tmp_path / "data" / "wherry.sqlite3"
    create_app({"ENV": "testing", "DATABASE_PROVIDER": "sqlite", "SQLITE_PATH": str(file)})
    assert not file.parent.exists()


def test_two_applications_in_one_process_use_two_databases(tmp_path: Path) -> None:
    one = create_app({"ENV": "testing"})
    two = create_app({"ENV": "testing", "DATABASE_PROVIDER": "SQLite", "SQLITE_PATH": str(tmp_path / "w.sqlite3")})
    assert one.extensions["database"] is not two.extensions["database"]
    assert one.extensions["wherry"] is not two.extensions["wherry"]
    assert two.test_client().get("/readyz").status_code == 200
    two.extensions["database"].close()


def test_a_test_swaps_the_database_in_one_line() -> None:
    app = create_app({"ENV": "testing"})
    app.extensions["database"] = open_database("memory:")
    assert isinstance(app.extensions["database"], MemoryDatabase)
    assert app.test_client().get("/readyz").status_code == 200


def test_a_module_that_is_switched_on_has_its_pages(sample_module: str) -> None:
    app = create_app({"ENV": "testing", "MODULES": [sample_module]})
    assert app.test_client().get("/sample_one-page").data == b"here"
    assert app.extensions["wherry"].modules == [sample_module]


def test_a_module_that_is_switched_off_does_not_exist(sample_module: str) -> None:
    app = create_app({"ENV": "testing", "MODULES": []})
    assert app.test_client().get("/sample_one-page").status_code == 404
    assert "app.modules.sample_one" not in sys.modules


def test_switching_agents_off_takes_its_pages_links_and_rights_away() -> None:
    for modules in ([], ["agents"]):
        app = create_app({"ENV": "testing", "MODULES": modules})
        registry = app.extensions["wherry"]
        links = [item.endpoint.partition(".")[0] for item in registry.navigation(frozenset(registry.permissions))]
        assert ("agents" in links) == bool(modules)
        assert ("agents.view" in registry.permissions) == bool(modules)
        assert any(rule.endpoint.startswith("agents.") for rule in app.url_map.iter_rules()) == bool(modules)


@pytest.mark.parametrize("name", ["no_such_module", "../web", "a.b", "", "os"])
def test_a_module_that_is_not_there_stops_the_start(name: str) -> None:
    with pytest.raises(SettingsError, match="MODULES names"):
        create_app({"ENV": "testing", "MODULES": ("agents_twin", name)[1:]})


def test_settings_reach_flask_but_the_databases_passwords_do_not() -> None:
    app = create_app({"ENV": "testing", "COUCHDB_PASSWORD": "hush", "MAX_CONTENT_LENGTH": 2048})
    assert app.config["MAX_CONTENT_LENGTH"] == 2048
    assert app.config["SESSION_IDLE_TIMEOUT"] == app.extensions["settings"].session_idle_timeout
    assert "hush" not in str(dict(app.config))


def test_a_body_that_is_too_large_is_refused() -> None:
    app = create_app({"ENV": "testing", "MAX_CONTENT_LENGTH": 1024})

    @app.post("/post")
    @access_control(open=True)
    def post() -> str:
        return request.get_data(as_text=True)

    assert app.test_client().post("/post", data=b"x" * 5_000).status_code == 413
