"""Every setting does something: one example for each, and a list that is checked to be complete."""

import runpy
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app import create_app
from app.auth.context import KEY as AUTH
from app.config import load_settings, setting_names
from app.db.factory import BACKENDS
from app.users.context import KEY as USERS
from app.web.access import access_control
from app.web.application import WherryFlask

ROOT = Path(__file__).resolve().parent.parent
Changed = Callable[..., WherryFlask]


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    """An application with some settings of its own."""

    def make(**settings: Any) -> WherryFlask:
        instance = {"INSTANCE_PATH": str(tmp_path / "instance")}
        return create_app({"ENV": "testing", **instance, **settings})

    return make


def size_of(answer_to: dict[str, str], **settings: int) -> int:
    """The status of a form with these fields, posted to an application with these settings."""
    app = create_app({"ENV": "testing", **settings})
    return app.test_client().post("/sign-in", data=answer_to).status_code


SERVER = {
    "HOST": ("127.0.0.9", lambda found: found["bind"][0].startswith("127.0.0.9:")),
    "PORT": ("9123", lambda found: found["bind"][0].endswith(":9123")),
    "WORKERS": ("3", lambda found: found["workers"] == 3),
    "THREADS": ("5", lambda found: found["threads"] == 5),
    "WORKER_TIMEOUT": ("77", lambda found: found["timeout"] == 77),
    "GRACEFUL_TIMEOUT": ("78", lambda found: found["graceful_timeout"] == 78),
    "KEEP_ALIVE": ("79", lambda found: found["keepalive"] == 79),
    "LOG_LEVEL": ("ERROR", lambda found: found["logconfig_dict"]["root"]["level"] == "ERROR"),
    "PUBLIC_URL": ("https://w.example", lambda found: found["_settings"]["public_url"] == "https://w.example"),
}


def test_the_servers_settings_reach_gunicorn(monkeypatch: pytest.MonkeyPatch, settings_root: Path) -> None:
    for name, (value, _) in SERVER.items():
        monkeypatch.setenv(f"WHERRY_{name}", value)
    monkeypatch.delenv("PORT", raising=False)
    found = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    assert [name for name, (_, holds) in SERVER.items() if not holds(found)] == []


def test_invitations_are_handed_over_with_the_public_address(changed: Changed) -> None:
    from app.tenants.context import base_url

    app = changed(PUBLIC_URL="https://w.example/")
    with app.test_request_context("http://localhost/"):
        assert base_url() == "https://w.example"
    with changed().test_request_context("http://localhost/"):
        assert base_url() == "http://localhost"


def test_debug_shows_where_an_error_came_from_and_nothing_else_does(changed: Changed) -> None:
    for debug in (True, False):
        app = changed(DEBUG=debug)
        app.config["PROPAGATE_EXCEPTIONS"] = False

        @app.get("/broken")
        @access_control(open=True)
        def broken() -> str:
            raise ZeroDivisionError("<b>what only we may read")

        page = app.test_client().get("/broken", headers={"Accept": "text/html"})
        assert page.status_code == 500
        assert ("what only we may read" in page.text) == debug
        assert "<b>" not in page.text


def test_allowed_hosts_are_answered_and_others_refused(changed: Changed) -> None:
    client = changed(ALLOWED_HOSTS=["w.example"]).test_client()
    assert client.get("/sign-in", base_url="http://w.example").status_code == 200
    assert client.get("/sign-in", base_url="http://localhost").status_code == 400


def test_proxy_hops_say_how_much_of_a_forwarded_address_is_believed(changed: Changed) -> None:
    for hops, scheme in ((0, "http"), (1, "https")):
        app = changed(PROXY_HOPS=hops)
        page = app.test_client().get("/sign-in", headers={"X-Forwarded-Proto": "https"})
        assert ("Strict-Transport-Security" in page.headers) == (scheme == "https")


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("MAX_CONTENT_LENGTH", {"email": "x" * 3_000}),
        ("MAX_FORM_MEMORY_SIZE", {"email": "x" * 3_000}),
        ("MAX_FORM_PARTS", {f"f{number}": "" for number in range(3_000)}),
    ],
)
def test_what_is_larger_than_its_limit_is_a_413(name: str, fields: dict[str, str]) -> None:
    assert size_of(fields, **{name: 2_048}) == 413
    assert size_of(fields, **{name: 1_000_000 if name != "MAX_FORM_PARTS" else 5_000}) != 413


def test_secure_cookies_have_their_own_name_and_flag(changed: Changed) -> None:
    for secure, name in ((True, "__Host-wherry"), (False, "wherry")):
        page = changed(COOKIE_SECURE=secure).test_client().get("/sign-in")
        assert page.headers["Set-Cookie"].startswith(f"{name}=")
        assert ("; Secure" in page.headers["Set-Cookie"]) == secure


def test_the_doors_settings_reach_who_keeps_it(changed: Changed) -> None:
    app = changed(
        SESSION_IDLE_TIMEOUT=61,
        SESSION_ABSOLUTE_TIMEOUT=62,
        SETUP_LINK_LIFETIME=63,
        SIGN_IN_ATTEMPTS_PER_ACCOUNT=64,
        SIGN_IN_ATTEMPTS_PER_ADDRESS=65,
        SIGN_IN_WINDOW=66,
        PASSWORD_HASH_MEMORY=67,
        PASSWORD_HASH_PASSES=3,
    )
    door, users = app.extensions[AUTH], app.extensions[USERS]
    assert (door.timeouts.idle.seconds, door.timeouts.absolute.seconds, door.set_up_lifetime) == (61, 62, 63)
    assert (users.limits.account.most, users.limits.network.most, users.limits.account.window) == (64, 65, 66)
    assert "m=67,t=3,p=1" in users.passwords.hash("seven grey herons")


def test_a_readiness_that_takes_too_long_is_given_up(changed: Changed, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.web import health

    asked: list[float] = []
    monkeypatch.setattr(health, "register", lambda app, deadline: asked.append(deadline))
    changed(READY_TIMEOUT=7.5)
    assert asked == [7.5]


def test_the_secret_key_signs_and_its_fallbacks_still_verify(changed: Changed) -> None:
    old, new = "old-" * 10, "new-" * 10

    def cookie(app: WherryFlask) -> str:
        return app.test_client().get("/sign-in").headers["Set-Cookie"].partition("=")[2].partition(";")[0]

    made = cookie(changed(SECRET_KEY=old))
    for settings, good in (
        ({"SECRET_KEY": old}, True),
        ({"SECRET_KEY": new}, False),
        ({"SECRET_KEY": new, "SECRET_KEY_FALLBACKS": [old]}, True),
    ):
        client = changed(**settings).test_client()
        client.set_cookie("wherry", made)
        with client.session_transaction() as session:
            assert ("csrf_token" in session) == good


def test_the_databases_settings_reach_the_service(changed: Changed, tmp_path: Path) -> None:
    file = tmp_path / "own.sqlite3"
    settings = {
        "SQLITE_PATH": str(file), "SQLITE_DURABILITY": "full", "SQLITE_BUSY_TIMEOUT": 1.5, "LIVE_MIGRATION": False,
    }  # fmt: skip
    app = changed(DATABASE_PROVIDER="sqlite", DATABASE_METRICS=True, DATABASE_CREATE_MISSING=True, **settings)
    service = app.extensions["database"]
    service.save("users", "u", {"name": "Ann"})
    assert file.exists()
    pragma = lambda name: service._connection().execute(f"PRAGMA {name}").fetchone()[0]  # noqa: E731
    assert (pragma("synchronous"), pragma("busy_timeout")) == (2, 1500)
    assert service.meter.read()["save", "users"].calls == 1
    service.close()
    lax = changed(DATABASE_PROVIDER="sqlite", DATABASE_METRICS=False, **{**settings, "SQLITE_DURABILITY": "normal"})
    assert lax.extensions["database"].meter is None
    service = lax.extensions["database"]
    assert pragma("synchronous") == 1
    service.close()
    assert type(service).__name__ == "SqliteDatabase"
    moving = changed(DATABASE_PROVIDER="sqlite", **{**settings, "LIVE_MIGRATION": True}).extensions["database"]
    assert type(moving).__name__ == "RoutedDatabase"
    assert changed(DATABASE_CREATE_MISSING=False).extensions["database"].create_missing is False
    assert changed(MODULES=["agents"]).extensions["wherry"].modules == ["agents"]


def test_the_instance_path_holds_what_the_application_writes(settings_root: Path, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    load_settings({"INSTANCE_PATH": str(place)}, env="development", root=settings_root, environ={})
    assert [file.name for file in place.iterdir()] == ["development-secret-key"]
    shutil.rmtree(place)


class Seen:
    """Settings that remember what was read of them."""

    def __init__(self, **values: Any) -> None:
        self.settings = create_app({"ENV": "testing", **values}).extensions["settings"]
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name.upper())
        return getattr(self.settings, name)


REMOTE: dict[str, dict[str, Any]] = {
    "couchdb": {
        "COUCHDB_URL": "http://127.0.0.1:1",
        "COUCHDB_USER": "u",
        "COUCHDB_PASSWORD": "p",
        "COUCHDB_PREFIX": "x",
    },
    "firestore": {
        "FIRESTORE_PROJECT": "p",
        "FIRESTORE_PREFIX": "x",
        "FIRESTORE_DATABASE": "named",
        "FIRESTORE_EMULATOR": "127.0.0.1:1",
        "FIRESTORE_CREDENTIALS": "file.json",
    },
    "dynamodb": {
        "DYNAMODB_REGION": "eu-central-1",
        "DYNAMODB_ENDPOINT": "http://127.0.0.1:1",
        "DYNAMODB_PREFIX": "xyz",
        "DYNAMODB_BILLING_MODE": "provisioned",
        "DYNAMODB_READ_UNITS": 7,
        "DYNAMODB_WRITE_UNITS": 3,
    },
}


@pytest.mark.parametrize("provider", sorted(REMOTE.keys() & BACKENDS.keys()))
def test_a_remote_database_reads_each_of_its_settings(provider: str) -> None:
    seen = Seen(**REMOTE[provider])
    backend = getattr(import_module(BACKENDS[provider].module), BACKENDS[provider].name)
    backend.from_settings(seen, None).close()
    assert REMOTE[provider].keys() <= seen.read


UNNAMED = {"COUCHDB_PASSWORD", "DYNAMODB_BILLING_MODE", "DYNAMODB_READ_UNITS", "DYNAMODB_WRITE_UNITS"}
"""Settings that do not choose the database."""


@pytest.mark.parametrize("provider", sorted(REMOTE.keys() & BACKENDS.keys()))
def test_the_url_of_a_remote_database_names_it_as_the_settings_do(provider: str) -> None:
    seen = Seen(**REMOTE[provider])
    backend = getattr(import_module(BACKENDS[provider].module), BACKENDS[provider].name)
    url = urlsplit(backend.url_of(seen))
    assert REMOTE[provider].keys() - UNNAMED <= seen.read
    assert url.password is None
    from_url = backend.from_url(backend.with_password(url, seen), None)
    place = {"couchdb": "session", "firestore": "_client", "dynamodb": "_client"}[provider]
    one, other = (vars(getattr(found, place)) for found in (from_url, backend.from_settings(seen, None)))
    assert {key: one[key] for key in one if type(one[key]) is str} == {
        key: other[key] for key in other if type(other[key]) is str
    }


def test_no_setting_is_left_out() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    shown = {name for name in setting_names() if f"{name}=" in text or f'"{name}"' in text}
    assert setting_names() - shown == set()
