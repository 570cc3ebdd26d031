"""``wherry db copy`` killed at random moments, and begun again: nothing lost, nothing doubled, nothing changed."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.db import DatabaseService, open_database
from tests.db.contract.sizes import sized
from tests.db.couchdb_fixtures import couchdb_url
from tests.db.couchdb_server import CouchBackend, fresh_prefix
from tests.db.transfer.kit import SCHEMA, Held, edges, fill, held, some, sqlite

__all__ = ["couchdb_url"]

Targets = Callable[[], str]
"""The URL of a new database each time."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Held]:
    """A file with documents in four tenants, and all that it holds."""
    path = tmp_path_factory.mktemp("killed") / "source.db"
    with closing(sqlite(path)) as opened:
        opened.prepare(SCHEMA)
        for tenant in range(4):
            fill(opened, f"t{tenant}/boats", some(sized(2_000, 5_000)))
        fill(opened, "t1/notes", edges(2))
        fill(opened, "harbours", some(100))
        return f"sqlite:///{path}", held(opened)


@pytest.fixture
def files(tmp_path: Path) -> Targets:
    return lambda: f"sqlite:///{tmp_path / f'{time.monotonic_ns()}.db'}"


@pytest.fixture
def servers(couchdb_url: str) -> Iterator[Targets]:
    made: list[CouchBackend] = []

    def fresh() -> str:
        made.append(CouchBackend(couchdb_url, fresh_prefix()))
        return f"{couchdb_url}/{made[-1].prefix}?timeout=30"

    yield fresh
    for backend in made:
        backend.remove()


@pytest.mark.crash
def test_files_are_whole_after_kills_at_random_moments(source: tuple[str, Held], files: Targets) -> None:
    kill_and_go_on(source, files, sized(4, 50))


@pytest.mark.crash
def test_a_server_is_whole_after_kills_at_random_moments(source: tuple[str, Held], servers: Targets) -> None:
    kill_and_go_on(source, servers, sized(2, 10))


def kill_and_go_on(source: tuple[str, Held], targets: Targets, kills: int) -> None:
    """Kill copies while they run, each once or several times over, until so many were; each must end whole."""
    url, expected = source
    moments = random.Random(20_260_103)
    whole = targets()
    began = time.monotonic()
    assert finish(url, whole, expected)["copied"] == len(expected)
    longest = time.monotonic() - began
    killed = 0
    for attempt in range(10 * kills):
        target = targets()
        # Mostly one kill, sometimes the copy that goes on is killed too.
        for _ in range(moments.choice((1, 1, 2))):
            # The first half of the time is Python's start: nothing is to be seen there.
            hit = kill_after(url, target, moments.uniform(longest * 0.4, longest))
            killed += hit
            if not hit:  # the machine is quicker now than when it was measured
                longest *= 0.9
        report = finish(url, target, expected)
        assert report["copied"] + report["same"] == len(expected), f"attempt {attempt}"
        if killed >= kills:
            return
    raise AssertionError(f"only {killed} of {kills} copies were still running when they were to be killed")


def kill_after(source: str, target: str, seconds: float) -> bool:
    """Begin a copy and kill it after so long; whether it was still running."""
    process = begin(source, target)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    assert process.returncode in (0, -9)
    return process.returncode == -9


def finish(source: str, target: str, expected: Held) -> dict[str, int]:
    """Copy to the end; the target holds what was expected, each document once."""
    process = begin(source, target)
    answer, complaint = process.communicate(timeout=300)
    assert process.returncode == 0, complaint
    with closing(opened(target)) as service:
        assert held(service) == expected
    found: dict[str, int] = json.loads(answer)
    return found


def opened(url: str) -> DatabaseService:
    return open_database(url, SCHEMA)


def begin(source: str, target: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "app.cli", "db", "copy", source, target, "--json", "--chunk", "200"]
    environ = {**os.environ, "WHERRY_ENV": "testing"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)
