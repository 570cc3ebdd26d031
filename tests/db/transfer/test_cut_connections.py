"""The connection of a copy's source or target cut at random, for a moment and for good."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from app.db import DatabaseService, Unavailable, open_database
from tests.db.contract.sizes import sized
from tests.db.couchdb_fixtures import backend, couchdb_url
from tests.db.couchdb_proxy import Proxy
from tests.db.couchdb_server import CouchBackend, fresh_prefix
from tests.db.fault_proxy import Cut, Fate
from tests.db.transfer.kit import SCHEMA, carry, edges, fill, held, some

__all__ = ["backend", "couchdb_url"]

FATES: tuple[Fate, ...] = ("close", "reset", "drop the reply", Cut(40), Cut(-3))


@pytest.fixture
def proxy(backend: CouchBackend) -> Iterator[Proxy]:
    made = Proxy(int(backend.url.rpartition(":")[2]))
    yield made
    made.close()


@pytest.fixture
def near(backend: CouchBackend) -> Iterator[DatabaseService]:
    """The server's database, directly."""
    with closing(backend.open(SCHEMA)) as opened:
        opened.prepare()
        yield opened


@pytest.fixture
def far(backend: CouchBackend, proxy: Proxy, near: DatabaseService) -> Iterator[DatabaseService]:
    """The same, through the proxy."""
    url = f"{backend.url.rpartition(':')[0]}:{proxy.port}/{backend.prefix}?timeout=2"
    with closing(open_database(url, SCHEMA)) as opened:
        yield opened


@pytest.fixture
def here() -> DatabaseService:
    return open_database("memory:", SCHEMA)


def load(service: DatabaseService, each: int = sized(500, 2_000)) -> int:
    """Fill a side, with so many boats for each of two tenants; how many documents."""
    service.prepare(SCHEMA)
    for tenant in ("t1", "t2"):
        fill(service, f"{tenant}/boats", some(each))
    fill(service, "t1/notes", edges())
    return len(held(service))


def carries_documents(path: str) -> bool:
    """Whether a request reads or writes documents that are carried over, or a checkpoint."""
    bulk = path.endswith(("/_bulk_docs", "/_all_docs", "/_bulk_get"))
    return (bulk and "-migration_" not in path) or "-migration_checkpoints/" in path


def sides(
    which: str, near: DatabaseService, far: DatabaseService, here: DatabaseService
) -> tuple[DatabaseService, ...]:
    """(source, target, the same source and target read without the proxy)"""
    return (far, here, near, here) if which == "source" else (here, far, here, near)


@pytest.mark.parametrize("which", ["source", "target"])
@pytest.mark.parametrize("seed", range(sized(2, 25)))
def test_a_cable_that_is_loose_hinders_nothing(
    near: DatabaseService, far: DatabaseService, here: DatabaseService, proxy: Proxy, which: str, seed: int
) -> None:
    source, target, ours, theirs = sides(which, near, far, here)
    number = load(ours)
    chance, lock, cuts = random.Random(seed), threading.Lock(), [0]

    def decide(method: str, path: str) -> Fate:
        with lock:
            # Creating a database takes so many requests that hardly any would be created.
            if carries_documents(path) and chance.random() < 0.25:
                cuts[0] += 1
                return chance.choice(FATES)
        return "pass"

    proxy.decide = decide
    report = carry(source, target, chunk=20, patience=60.0, into_existing=True)
    proxy.decide = lambda method, path: "pass"
    assert cuts[0] > 0
    assert held(theirs) == held(ours)
    assert (report.copied + report.same, report.kept, report.rejected) == (number, 0, 0)


@pytest.mark.parametrize("which", ["source", "target"])
def test_one_that_is_cut_for_good_ends_the_copy_and_the_next_goes_on(
    near: DatabaseService, far: DatabaseService, here: DatabaseService, proxy: Proxy, which: str
) -> None:
    source, target, ours, theirs = sides(which, near, far, here)
    number = load(ours, sized(1_000, 6_000))  # more than all rounds together carry over
    chance = random.Random(7)
    for _ in range(sized(2, 10)):
        after = [chance.randrange(20, 45)]

        def decide(method: str, path: str, after: list[int] = after) -> Fate:
            after[0] -= carries_documents(path)
            return "pass" if after[0] > 0 else "close"

        proxy.decide = decide
        began = time.monotonic()
        with pytest.raises(Unavailable):
            carry(source, target, chunk=20, patience=0.5, rate=600.0)
        assert time.monotonic() - began < 60
    proxy.decide = lambda method, path: "pass"
    report = carry(source, target)
    assert report.resumed
    assert held(theirs) == held(ours)
    assert report.copied + report.same == number


@pytest.mark.slow
def test_a_server_that_never_answers_is_an_error_within_bounds(
    here: DatabaseService, far: DatabaseService, proxy: Proxy, couchdb_url: str
) -> None:
    load(here)
    proxy.decide = lambda method, path: "blackhole" if path.endswith("_bulk_docs") else "pass"
    began = time.monotonic()
    with pytest.raises(Unavailable):
        carry(here, far, patience=1.0)
    assert time.monotonic() - began < 90


def test_two_prefixes_of_one_server_are_two_databases(near: DatabaseService, couchdb_url: str) -> None:
    number = load(near)
    other = CouchBackend(couchdb_url, fresh_prefix())
    with closing(other.open(SCHEMA)) as target:
        assert carry(near, target).copied == number
    other.remove()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_one_server_by_two_names_is_one_database(backend: CouchBackend, near: DatabaseService, name: str) -> None:
    load(near)
    url = f"{backend.url.replace('127.0.0.1', name)}/{backend.prefix}?connect_timeout=5"
    with closing(open_database(url, SCHEMA)) as again, pytest.raises(Exception, match="same database"):
        carry(near, again)
