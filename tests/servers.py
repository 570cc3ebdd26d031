"""Which servers and programs the tests can use here, and the rule for those that are missing.

`require("couchdb")` skips the test with the reason and the remedy; but when WHERRY_REQUIRE names it ("sqlite,browser"),
as CI does, the test fails: nothing that CI promises to run is skipped in silence.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

from tests import couchdb_installed, dynamodb_installed, firestore_installed

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC_BROWSERS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


@dataclass(frozen=True, slots=True)
class Available:
    """Whether something is here; `detail` is its version or path, or what is missing; `remedy` how to get it."""

    here: bool
    detail: str
    remedy: str = ""


def _sqlite() -> Available:
    version = sqlite3.sqlite_version
    here = sqlite3.sqlite_version_info >= (3, 38)
    return Available(here, version if here else f"{version} is too old", "use a Python with SQLite 3.38 or later")


def browser_path() -> str | None:
    """The Chromium that tests drive: the one that TEST_BROWSER names, or the first that is installed."""
    named = os.environ.get("TEST_BROWSER")
    candidates = (named,) if named else (*BROWSERS, *MAC_BROWSERS)
    return next((found for name in candidates if (found := shutil.which(name))), None)


def _browser() -> Available:
    path = browser_path()
    remedy = "install chromium (Debian: apt install chromium), or name one in TEST_BROWSER"
    return Available(path is not None, path or "no Chromium or Chrome found", remedy)


def _program(name: str, remedy: str) -> Callable[[], Available]:
    def look() -> Available:
        path = shutil.which(name)
        return Available(path is not None, path or f"{name} is not installed", remedy)

    return look


def _couchdb() -> Available:
    here, detail = couchdb_installed.look()
    return Available(here, detail, couchdb_installed.REMEDY)


def _firestore() -> Available:
    here, detail = firestore_installed.look()
    return Available(here, detail, firestore_installed.REMEDY)


def _dynamodb() -> Available:
    here, detail = dynamodb_installed.look()
    return Available(here, detail, dynamodb_installed.REMEDY)


# Add a line for each further server; its test module calls require() with the same name.
KNOWN: dict[str, Callable[[], Available]] = {
    "sqlite": _sqlite,
    "couchdb": _couchdb,
    "firestore": _firestore,
    "dynamodb": _dynamodb,
    "browser": _browser,
    "make": _program("make", "install make"),
    "git": _program("git", "install git"),
    "wrk": _program("wrk", "install wrk (Debian: apt install wrk)"),
}


@cache
def available(name: str) -> Available:
    """Looks once a run. KeyError for a name that no entry of KNOWN has."""
    return KNOWN[name]()


def required() -> frozenset[str]:
    """The names in WHERRY_REQUIRE."""
    return frozenset(name.strip() for name in os.environ.get("WHERRY_REQUIRE", "").split(",") if name.strip())


def require(name: str) -> Available:
    """Goes on if `name` is here; else skips the test, or fails it when WHERRY_REQUIRE names it."""
    found = available(name)
    if not found.here:
        missing(name, found.detail, found.remedy)
    return found


def missing(name: str, detail: str, remedy: str) -> NoReturn:
    """Skips the test, or fails it when WHERRY_REQUIRE names what is missing."""
    text = f"{name}: {detail}; {remedy}"
    if name in required():
        pytest.fail(f"{text} (WHERRY_REQUIRE names it)", pytrace=False)
    pytest.skip(text)


def report() -> list[str]:
    """Lines for the head of a test run: what will run, and what will not and why."""
    here = [f"{name} ({available(name).detail})" for name in KNOWN if available(name).here]
    absent = [name for name in KNOWN if not available(name).here]
    missing = [f"{name}: {available(name).detail}; {available(name).remedy}" for name in absent]
    lines = [f"runs with: memory, {', '.join(here)}"]
    lines += [f"skipped, {text}" for text in missing if text.partition(":")[0] not in required()]
    lines += [f"REQUIRED AND MISSING, {text}" for text in missing if text.partition(":")[0] in required()]
    return lines
