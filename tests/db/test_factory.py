"""From settings or a URL to a backend."""

import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.db import Query, factory, get_database_service, open_database
from app.db.factory import BACKENDS, Driver
from app.errors import WherryError
from tests.db.contract.given import fill, make_schema

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Settings:
    database_provider: str = "memory"
    database_create_missing: bool = True
    database_metrics: bool = False
    secret_key: str = "s" * 32
    sqlite_path: Path = field(default=Path("unused.sqlite3"))
    sqlite_durability: str = "full"
    sqlite_busy_timeout: float = 5.0


@pytest.mark.parametrize("provider", ["memory", "MEMORY", " Memory "])
def test_the_provider_is_chosen_in_any_case(provider: str) -> None:
    assert type(get_database_service(Settings(provider), make_schema())).__name__ == "MemoryDatabase"


@pytest.mark.parametrize("provider", ["", "mongo", "memory;", "app.db.backends.memory"])
def test_an_unknown_provider_is_named_with_those_that_are_known(provider: str) -> None:
    with pytest.raises(WherryError, match="DATABASE_PROVIDER") as caught:
        get_database_service(Settings(provider))
    assert repr(provider) in str(caught.value)
    assert all(known in str(caught.value) for known in BACKENDS)


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = {"odd": Driver("app.db.backends.no_such_backend", "Odd", "pip install '.[odd]'")}
    monkeypatch.setattr(factory, "BACKENDS", lacking)
    with pytest.raises(WherryError, match=r"pip install '\.\[odd\]'"):
        get_database_service(Settings("odd"))


def test_what_to_install_is_an_extra_of_this_project() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for name, driver in BACKENDS.items():
        assert driver.install.endswith(f"pip install '.[{name}]'") == (name in extras)


def test_choosing_does_no_io(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "wherry.sqlite3"
    service = get_database_service(Settings("sqlite", sqlite_path=path))
    assert list(tmp_path.iterdir()) == []
    service.save("acme/notes", "a", {})
    assert path.exists()
    service.close()


def test_services_with_one_secret_key_accept_each_others_cursors() -> None:
    services = [get_database_service(Settings(secret_key=key * 32), make_schema()) for key in "aab"]
    for service in services:
        fill(service, "acme/notes", {"a": {}, "b": {}})
    cursor = services[0].query("acme/notes", Query(limit=1)).cursor
    assert services[1].query("acme/notes", Query(cursor=cursor)).documents[0]["_id"] == "b"
    with pytest.raises(WherryError):
        services[2].query("acme/notes", Query(cursor=cursor))


def test_metrics_are_on_or_off() -> None:
    assert "get" not in vars(get_database_service(Settings()))
    assert "get" in vars(get_database_service(Settings(database_metrics=True)))


def test_a_url_names_a_file_by_its_relative_or_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url, path in (
        ("sqlite:///relative.db", "relative.db"),
        (f"sqlite:///{tmp_path}/absolute.db", "absolute.db"),
        ("SQLITE:///a%20b.db?durability=normal&busy_timeout=1.5", "a b.db"),
    ):
        service = open_database(url)
        service.save("users", "a", {})
        service.close()
        assert (tmp_path / path).exists()


def test_every_memory_url_is_a_new_database() -> None:
    open_database("memory:").save("users", "a", {})
    assert list(open_database("memory:").list_all("users")) == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nothing",
        "mongo://host/db",
        "sqlite:",
        "sqlite:///",
        "sqlite:file",
        "sqlite:/file",
        "sqlite://host/file",
        "sqlite:///f?mode=ro",
        "sqlite:///f?busy_timeout=x",
    ],
)
def test_a_wrong_url_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(WherryError):
        open_database(url)


def test_a_password_in_a_url_is_in_no_message() -> None:
    for url in ("mongo://user:hunter2@host/db", "sqlite://user:hunter2@host/file"):
        with pytest.raises(WherryError) as caught:
            open_database(url)
        assert "hunter2" not in str(caught.value)


def test_a_driver_is_imported_only_when_its_backend_is_chosen() -> None:
    program = (
        "import sys; import app.db; assert 'sqlite3' not in sys.modules, 'sqlite3';"
        "app.db.open_database('memory:'); assert 'sqlite3' not in sys.modules;"
        "app.db.open_database('sqlite:///unused.db'); assert 'sqlite3' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
