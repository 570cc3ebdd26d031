"""The rule for what is missing: skipped with a reason on a developer's machine, a failure where CI requires it."""

import os
import subprocess
import sys

import pytest

from tests import servers
from tests.servers import ROOT, Available, report, require


@pytest.fixture(autouse=True)
def nothing_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHERRY_REQUIRE", raising=False)
    monkeypatch.setitem(servers.KNOWN, "absent", lambda: Available(False, "not found", "install it"))
    servers.available.cache_clear()


def test_what_is_missing_skips_with_reason_and_remedy() -> None:
    with pytest.raises(pytest.skip.Exception, match="absent: not found; install it"):
        require("absent")


def test_what_is_missing_and_required_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERRY_REQUIRE", "sqlite, absent")
    with pytest.raises(pytest.fail.Exception, match="WHERRY_REQUIRE names it"):
        require("absent")


def test_what_is_there_goes_on() -> None:
    assert require("sqlite").here


def test_the_head_of_the_run_says_what_is_there_and_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "sqlite" in report()[0]
    assert "skipped, absent: not found; install it" in report()
    monkeypatch.setenv("WHERRY_REQUIRE", "absent")
    assert "REQUIRED AND MISSING, absent: not found; install it" in report()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"WHERRY_REQUIRE": "browser", "TEST_BROWSER": "/no/such/browser"}, "WHERRY_REQUIRE names what is not here"),
        ({"WHERRY_REQUIRE": "sqlite,brwoser"}, "WHERRY_REQUIRE names brwoser"),
    ],
)
def test_a_run_without_what_is_required_fails_before_its_first_test(variables: dict[str, str], words: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/test_settings_documented.py"],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert words in ended.stdout + ended.stderr
    assert "passed" not in ended.stdout
