"""What every test has: the report of what runs, the rule for missing servers, and isolation from the outside."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.app_database import databases
from tests.servers import KNOWN, Available, available, browser_path, report, required
from tests.servers import require as require_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent
_FIGURES = pytest.StashKey[list[str]]()


def pytest_report_header() -> list[str]:
    """Says plainly which servers and browsers this run uses."""
    return report()


def pytest_sessionstart() -> None:
    """A required server that is missing ends the run before it starts, even when no selected test would use it."""
    unknown = required() - KNOWN.keys()
    if unknown:
        pytest.exit(f"WHERRY_REQUIRE names {', '.join(sorted(unknown))}; known are {', '.join(KNOWN)}", returncode=2)
    missing = [name for name in sorted(required()) if not available(name).here]
    if missing:
        reasons = "; ".join(f"{name}: {available(name).detail}; {available(name).remedy}" for name in missing)
        pytest.exit(f"WHERRY_REQUIRE names what is not here. {reasons}", returncode=2)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The figures that tests noted, a line each: pages of evidence pick them up."""
    for line in config.stash.get(_FIGURES, []):
        terminalreporter.write_line(f"Figure: {line}")


@pytest.fixture
def note_figure(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Called with a line that is to be read after the run."""
    return pytestconfig.stash.setdefault(_FIGURES, []).append


@pytest.fixture(scope="session")
def require() -> Callable[[str], Available]:
    """`require("wrk")` in a test: goes on, skips, or fails, as tests/servers.py says."""
    return require_server


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser; the test is skipped, or fails where it is required, without one."""
    require_server("browser")
    return browser_path() or ""


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """A running browser for the module's tests; skipped, or failed where it is required, without one."""
    from tests.browsers import launched_browser

    with launched_browser() as launched:
        yield launched


@pytest.fixture(scope="session")
def settings_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the repository's settings and nothing of a developer's own; instance/ is made in it too."""
    root = tmp_path_factory.mktemp("root")
    for name in ("settings.toml", ".secrets.toml"):
        shutil.copyfile(ROOT / name, root / name)
    return root


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, settings_root: Path) -> None:
    """Neither a developer's WHERRY_ variables nor their .env and local files change what the tests see."""
    for name in os.environ:
        if name.startswith("WHERRY_") and name != "WHERRY_REQUIRE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("WHERRY_ROOT", str(settings_root))


@pytest.fixture(autouse=True)
def given_back(no_settings_from_outside: None) -> Iterator[None]:
    """The databases that a test takes of the application's are given back when it ends."""
    with databases().one_test():
        yield


def pytest_sessionfinish() -> None:
    """Servers of somebody else's are left as they were."""
    databases().remove()
