"""Where DynamoDB Local comes from, with a Maven that is none."""

import shutil
from pathlib import Path

import pytest

from tests.cache import cache_folder
from tests.dynamodb_installed import VERSION, fetch, home, look

BRINGS = "#!/bin/sh\ngrep -q DynamoDBLocal pom.xml && mkdir lib && touch lib/DynamoDBLocal-0.jar\n"
FAILS = "#!/bin/sh\necho no network\nexit 1\n"


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with Java, and an empty cache; answers the folder of its programs."""
    for name in ("TEST_DYNAMODB_URL", "DYNAMODB_LOCAL_HOME"):
        monkeypatch.delenv(name, raising=False)
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(shutil, "which", lambda name: str(found) if (found := programs / name).exists() else None)
    make_program(programs / "java", "#!/bin/sh\n")
    return programs


def make_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_without_java_or_maven_it_is_missing(nothing_installed: Path) -> None:
    here, detail = look()
    assert (here, "Maven" in detail) == (False, True)
    (nothing_installed / "java").unlink()
    here, detail = look()
    assert (here, "Java" in detail) == (False, True)


def test_maven_brings_it_once(nothing_installed: Path) -> None:
    make_program(nothing_installed / "mvn", BRINGS)
    assert look()[0]
    assert home() is None
    assert fetch() == ""
    assert home() == cache_folder(f"dynamodb-local-{VERSION}")
    make_program(nothing_installed / "mvn", FAILS)
    assert fetch() == ""
    assert [path.name for path in cache_folder("").iterdir()] == [f"dynamodb-local-{VERSION}"]


def test_a_maven_that_fails_is_a_reason_and_leaves_nothing(nothing_installed: Path) -> None:
    make_program(nothing_installed / "mvn", FAILS)
    assert "no network" in fetch()
    assert list(cache_folder("").iterdir()) == []


@pytest.mark.parametrize("place", ["DynamoDBLocal.jar", "lib/DynamoDBLocal-1.jar"])
def test_a_folder_that_is_named_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str) -> None:
    jar = tmp_path / "own" / place
    jar.parent.mkdir(parents=True)
    jar.touch()
    monkeypatch.setenv("DYNAMODB_LOCAL_HOME", str(tmp_path / "own"))
    assert home() == tmp_path / "own"
    assert look()[0]


def test_a_server_that_is_named_comes_first_and_its_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_DYNAMODB_URL", "dynamodb://key:hush@eu-central-1/any?endpoint=http://127.0.0.1:8000")
    here, detail = look()
    assert here
    assert "eu-central-1" in detail
    assert "hush" not in detail
