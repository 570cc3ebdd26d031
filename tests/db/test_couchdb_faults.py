"""What the network and the server can do to the CouchDB backend: no double effect, no hang, no mixed-up answer."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, cast

import pytest

from app.db import Conflict, DatabaseService, Delete, NotFound, Put, Query, Unavailable, open_database, where
from app.db.backends.couchdb import CouchDatabase
from app.db.errors import Throttled
from tests.couchdb_installed import installed
from tests.db.contract.given import NOTES, OTHERS, PEOPLE, make_schema
from tests.db.contract.workers import ACCOUNTS, OPENING, in_threads, open_accounts, total, transfer
from tests.db.couchdb_fixtures import backend, couchdb_url
from tests.db.couchdb_proxy import Fate, Proxy
from tests.db.couchdb_server import CouchBackend, Server
from tests.db.fault_proxy import Cut, Delay, Instead

__all__ = ["backend", "couchdb_url"]


@pytest.fixture
def proxy(backend: CouchBackend) -> Iterator[Proxy]:
    opened = Proxy(int(backend.url.rpartition(":")[2]))
    yield opened
    opened.close()


@pytest.fixture
def direct(backend: CouchBackend) -> Iterator[DatabaseService]:
    """A service beside the proxy."""
    with closing(backend.open(make_schema())) as opened:
        opened.prepare()
        opened.save(NOTES, "a", {"n": 0})
        opened.save(PEOPLE, "a", {"n": 0})
        yield opened


@pytest.fixture
def service(backend: CouchBackend, proxy: Proxy, direct: DatabaseService) -> Iterator[CouchDatabase]:
    """A service through the proxy, which has used its collections."""
    url = f"{backend.url.rpartition(':')[0]}:{proxy.port}/{backend.prefix}?timeout=0.5"
    with closing(cast(CouchDatabase, open_database(url, make_schema()))) as opened:
        opened.commit([Put(NOTES, "a", {"n": 0}), Put(PEOPLE, "a", {"n": 0})])
        yield opened


def once(number: int, fate: Fate) -> Callable[[str, str], Fate]:
    """The fate of the request of that number; the others pass."""
    made = [0]

    def decide(method: str, path: str) -> Fate:
        made[0] += 1
        return fate if made[0] == number else "pass"

    return decide


def counter(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "n": document["n"] + 1}


WRITES: dict[str, tuple[int, Callable[[CouchDatabase], object]]] = {
    "save": (1, lambda service: service.save(NOTES, "new", {"n": 1})),
    "create": (1, lambda service: service.create(NOTES, "new", {"n": 1})),
    "replace": (3, lambda service: service.save(NOTES, "a", {"n": 1})),
    "update": (2, lambda service: service.update(NOTES, "a", counter)),
    "delete": (2, lambda service: service.delete(NOTES, "a")),
    "bulk": (1, lambda service: service.write_batch(NOTES, [{"_id": f"new {n}", "n": 1} for n in range(5)])),
    "commit": (8, lambda service: service.commit([Put(NOTES, "a", {"n": 1}), Put(PEOPLE, "a", {"n": 1})])),
    "commit of a delete": (8, lambda service: service.commit([Delete(NOTES, "a"), Put(PEOPLE, "a", {"n": 1})])),
}
GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 5\r\n\r\n<h1/>"
PAGE = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n<h1/>"
FATES: list[Fate] = [
    "drop the reply",
    Instead(GATEWAY),
    GATEWAY,
    Instead(PAGE),
    Cut(-5),
    Cut(20),
    "close",
    "reset",
    "late",
    "blackhole",
    Delay(0.1),
]


def named(fate: Fate) -> str:
    answer = fate.answer if isinstance(fate, Instead) else fate
    return f"{type(fate).__name__} {answer[9:12].decode()}" if isinstance(answer, bytes) else str(fate)


def contents(service: DatabaseService) -> dict[str, int]:
    """The documents of both collections, by a name of their own."""
    found = {f"note {document['_id']}": document["n"] for document in service.list_all(NOTES)}
    return found | {f"person {document['_id']}": document["n"] for document in service.list_all(PEOPLE)}


@pytest.mark.parametrize(
    "fate", [*FATES[:2], *(pytest.param(fate, marks=pytest.mark.slow) for fate in FATES[2:])], ids=named
)
@pytest.mark.parametrize(
    ("kind", "at"), [(kind, at) for kind, (requests, _) in WRITES.items() for at in range(1, requests + 1)]
)
def test_a_lost_request_or_reply_has_its_effect_once_or_is_told_as_unknown(
    service: CouchDatabase, direct: DatabaseService, proxy: Proxy, kind: str, at: int, fate: Fate
) -> None:
    _, write = WRITES[kind]
    before = contents(direct)
    service.save(OTHERS, "warm", {"n": 0})
    proxy.decide = once(at, fate)
    outcome = "done"
    try:
        write(service)
    except Unavailable as error:
        outcome = error.outcome or "nothing"
    proxy.decide = lambda method, path: "pass"
    proxy.release()
    after = contents(direct)
    with closing(cast(CouchDatabase, open_database("memory:"))) as memory:  # what it would have come to
        for name, n in before.items():
            memory.save(NOTES if name.startswith("note ") else PEOPLE, name.partition(" ")[2], {"n": n})
        write(memory)
        applied = contents(memory)
    allowed = {"done": [applied], "nothing": [before], "unknown": [before, applied]}[outcome]
    assert {name: n for name, n in after.items() if name != "note warm"} in allowed, outcome


def test_a_bulk_write_that_cannot_be_looked_into_is_told_as_unknown(service: CouchDatabase, proxy: Proxy) -> None:
    proxy.decide = lambda method, path: Instead(GATEWAY)
    with pytest.raises(Unavailable) as caught:
        service.write_batch(NOTES, [{"_id": "new"}])
    assert caught.value.outcome == "unknown"
    proxy.decide = lambda method, path: "pass"
    assert service.get(NOTES, "new")["_id"] == "new"


def test_a_read_is_repeated_when_the_server_has_closed_the_connection(service: CouchDatabase, proxy: Proxy) -> None:
    assert service.get(NOTES, "a")["n"] == 0
    proxy.cut()
    assert service.get(NOTES, "a")["n"] == 0
    assert service.get_many(NOTES, ["a"])["a"]["n"] == 0


@pytest.mark.parametrize("operation", ["get", "save", "query", "commit"])
def test_a_server_that_hangs_is_unavailable_within_three_seconds(
    service: CouchDatabase, proxy: Proxy, operation: str
) -> None:
    service.save(NOTES, "b", {})
    proxy.decide = lambda method, path: "blackhole"
    calls: dict[str, Callable[[], object]] = {
        "get": lambda: service.get(NOTES, "a"),
        "save": lambda: service.save(NOTES, "a", {"n": 1}),
        "query": lambda: service.query(NOTES, Query(where=(where("status").eq("x"),))),
        "commit": lambda: service.commit([Put(NOTES, "a", {}), Put(PEOPLE, "a", {})]),
    }
    began = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        calls[operation]()
    assert time.monotonic() - began < 3.0
    assert caught.value.retry_after > 0


@pytest.mark.slow
@pytest.mark.parametrize("first", [1, 2, 4, 5, 6, 8])
def test_a_server_that_hangs_within_a_commit_is_unavailable_within_three_seconds(
    backend: CouchBackend, proxy: Proxy, direct: DatabaseService, first: int
) -> None:
    made = [0]

    def decide(method: str, path: str) -> Fate:
        made[0] += 1
        return "blackhole" if made[0] >= first else "pass"

    url = f"{backend.url.rpartition(':')[0]}:{proxy.port}/{backend.prefix}"
    with closing(open_database(url, make_schema())) as service:
        service.commit([Put(NOTES, "a", {"n": 0}), Put(PEOPLE, "a", {"n": 0})])
        proxy.decide = decide
        began = time.monotonic()
        outcomes = []
        try:
            service.commit([Put(NOTES, "a", {"n": 1}), Put(PEOPLE, "a", {"n": 1})])
        except Unavailable as error:
            outcomes.append(error.outcome)
        assert time.monotonic() - began < 3.0
        # Before the record's swap nothing is written, at it nobody knows, after it everything is.
        assert outcomes == ([None] if first < 6 else ["unknown"] if first == 6 else [])
        proxy.decide = lambda method, path: "pass"
        proxy.release()
        together = direct.read_together([(NOTES, "a"), (PEOPLE, "a")])
        assert {one["n"] for one in together if one is not None} in ({0}, {1})


def test_more_clients_than_connections_wait_or_are_told_and_get_their_own_answers(backend: CouchBackend) -> None:
    url = f"{backend.url}/{backend.prefix}?connections=2"
    with closing(open_database(url, make_schema())) as service:
        service.write_batch(NOTES, [{"_id": f"{n}", "n": n} for n in range(8)])

        def work(number: int) -> int:
            answered = 0
            for _ in range(25):
                try:
                    assert service.get(NOTES, f"{number}")["n"] == number
                    answered += 1
                except Throttled:
                    continue
            return answered

        assert sum(in_threads(work, 8)) > 100


def test_requests_that_find_every_connection_hanging_are_told_at_once(
    backend: CouchBackend, proxy: Proxy, direct: DatabaseService
) -> None:
    url = f"{backend.url.rpartition(':')[0]}:{proxy.port}/{backend.prefix}?connections=1&timeout=2.5"
    with closing(open_database(url, make_schema())) as service:
        service.get(NOTES, "a")
        proxy.decide = lambda method, path: "blackhole"
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(service.get, NOTES, "a")
            time.sleep(0.1)
            began = time.monotonic()
            with pytest.raises(Throttled):
                service.get(NOTES, "a")
            assert time.monotonic() - began < 2.0
            proxy.release()
            with pytest.raises(Unavailable):
                first.result()


@pytest.mark.slow
def test_the_server_dies_under_load_and_comes_back(couchdb_url: str) -> None:
    path = installed()
    if path is None:
        pytest.skip("TEST_COUCHDB_URL names a server that is not ours to kill")
    server = Server(path)
    server.start()
    try:
        with closing(CouchBackend(server.url, "load").open(make_schema())) as service:
            open_accounts(service)
            service.save(NOTES, "counter", {"n": 0})
            acknowledged = [0]
            slowest = [0.0]
            stop = threading.Event()
            totals: set[int] = set()

            def save() -> None:
                while not stop.is_set():
                    began = time.monotonic()
                    try:
                        service.save(NOTES, f"saved {acknowledged[0]}", {"n": acknowledged[0]})
                        acknowledged[0] += 1
                    except (Unavailable, Conflict, NotFound):
                        time.sleep(0.02)
                    slowest[0] = max(slowest[0], time.monotonic() - began)

            def move() -> None:
                while not stop.is_set():
                    try:
                        transfer(service, 5, seed=acknowledged[0])
                        totals.add(total(service))
                    except Unavailable:
                        time.sleep(0.02)

            threads = [threading.Thread(target=work) for work in (save, move, move)]
            for thread in threads:
                thread.start()
            try:
                for _ in range(3):
                    time.sleep(1.0)
                    server.kill()
                    time.sleep(0.5)
                    server.start()
                    back = time.monotonic()
                    while True:
                        try:
                            service.save(NOTES, "counter", {"n": 1})
                            break
                        except Unavailable:
                            assert time.monotonic() - back < 5.0
                            time.sleep(0.02)
                time.sleep(1.0)
            finally:
                stop.set()
                for thread in threads:
                    thread.join()
            assert slowest[0] < 4.0
            assert acknowledged[0] > 50
            assert totals == {OPENING * len(ACCOUNTS)}
            assert total(service) == OPENING * len(ACCOUNTS)
            saved = {document["_id"] for document in service.list_all(NOTES)}
            assert {f"saved {n}" for n in range(acknowledged[0])} <= saved
    finally:
        server.remove()
