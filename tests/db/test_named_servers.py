"""TEST_COUCHDB_URL, TEST_FIRESTORE_URL and TEST_DYNAMODB_URL aim the suite at any server; here, at one that runs."""

import os
import re
import subprocess
import sys

import pytest

from tests.db.couchdb_fixtures import couchdb_url
from tests.db.dynamodb_fixtures import dynamodb_url
from tests.db.firestore_fixtures import firestore_url
from tests.servers import ROOT

__all__ = ["couchdb_url", "dynamodb_url", "firestore_url"]
pytestmark = pytest.mark.slow


def run(backend: str, variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """A few of the contract's tests in a run of its own, without an installed server to fall back to."""
    nowhere = {
        "FIRESTORE_EMULATOR_JAR": "/no/such.jar",
        "DYNAMODB_LOCAL_HOME": "/no/such",
        "XDG_CACHE_HOME": "/no/such",
    }
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"tests/db/test_{backend}.py"]
    return subprocess.run(
        [*command, "-k", "TestUpdating"],
        cwd=ROOT,
        env={**os.environ, **nowhere, **variables, "WHERRY_REQUIRE": backend},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("backend", ["couchdb", "firestore", "dynamodb"])
def test_the_suite_runs_on_the_server_that_a_variable_names(backend: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue(f"{backend}_url")
    if backend == "couchdb":
        url += "/any-prefix?timeout=20"
    ended = run(backend, {f"TEST_{backend.upper()}_URL": url})
    assert ended.returncode == 0, ended.stdout[-2_000:]
    assert int((re.search(r"(\d+) passed", ended.stdout) or ["", "0"])[1]) >= 5
    head = next(line for line in ended.stdout.splitlines() if line.startswith("runs with"))
    port = max(map(int, re.findall(r":(\d+)", url)))
    assert f":{port}" in head


def test_a_server_that_is_not_there_fails_the_run_and_skips_nothing() -> None:
    ended = run("couchdb", {"TEST_COUCHDB_URL": "couchdb://127.0.0.1:1/any-prefix"})
    assert ended.returncode == 1
    assert re.search(r"= \d+ (failed|errors?)", ended.stdout)
    assert not re.search(r"\d+ (passed|skipped)", ended.stdout)
    assert "CouchDB cannot be reached: check COUCHDB_URL" in ended.stdout
