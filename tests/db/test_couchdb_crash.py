"""A commit on CouchDB whose process is killed at each of its requests: never half, soon settled."""

import signal
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

from app.db import Query, where
from app.db.backends.couchdb import CouchDatabase
from tests.db import couchdb_workers as workers
from tests.db.contract.given import NOTES, OTHERS, PEOPLE, make_schema
from tests.db.contract.processes import CONTEXT
from tests.db.couchdb_fixtures import backend, couchdb_url
from tests.db.couchdb_server import CouchBackend

__all__ = ["backend", "couchdb_url"]

MOMENTS = [(at, when) for at in range(1, workers.REQUESTS + 1) for when in ("before", "after")]
SETTLED_WITHIN = 15.0


@pytest.fixture
def service(backend: CouchBackend) -> Iterator[CouchDatabase]:
    opened = cast(CouchDatabase, backend.open(make_schema()))
    opened.prepare()
    opened.save(OTHERS, "made", {})
    workers.before(opened)
    yield opened
    opened.close()


class Killed(BaseException):
    """Stands for the end of the process."""


def assert_whole(service: CouchDatabase) -> str:
    """Every way of reading shows the same side of the commit; answers which."""
    side = workers.state(service.read_together(workers.KEYS))
    many = {**service.get_many(NOTES, ["kept", "gone", "checked"])}
    assert (many["kept"]["status"], "gone" in many) == (side, side == "old")
    assert {document["_id"] for document in service.list_all(OTHERS)} == ({"made"} if side == "new" else set())
    for collection, id in ((NOTES, "kept"), (PEOPLE, "kept")):
        assert service.get(collection, id)["status"] == side
    query = Query(where=(where("status").eq(side),), order_by=("name",))
    notes = [document["_id"] for document in service.query(NOTES, query).documents]
    assert notes == (["kept"] if side == "new" else ["gone", "kept"])
    assert service.count(NOTES, (where("status").in_(["old", "new"]),)) == (len(notes), True)
    assert service.count(NOTES) == (len(notes) + 1, True)
    assert service.count(OTHERS) == (int(side == "new"), True)
    assert [document["_id"] for document in service.query(PEOPLE, query).documents] == ["kept"]
    return side


def stored(backend: CouchBackend) -> list[dict[str, Any]]:
    """Every document of the test as CouchDB keeps it."""
    session = backend.session()
    found = []
    for name in ("notes", "people"):
        rows = session.json("GET", f"/{backend.prefix}-{name}/_all_docs?include_docs=true")["rows"]
        found += [row["doc"] for row in rows if not row["id"].startswith("_design/")]
    session.close()
    return found


def test_the_moments_are_all_there_are(service: CouchDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    send = service.session.request
    workers.commit(service)
    workers.before(service)
    revs = len(workers.KEYS) - 1

    def request(method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        made.append(f"{method} {path}")
        return send(method, path, *args, **kwargs)

    monkeypatch.setattr(service.session, "request", request)
    workers.commit(service)
    assert len(made) - revs == workers.REQUESTS, made


@pytest.mark.parametrize(("at", "when"), MOMENTS)
def test_a_commit_that_stops_at_a_request_is_all_or_nothing_and_settles(
    backend: CouchBackend, service: CouchDatabase, monkeypatch: pytest.MonkeyPatch, at: int, when: str
) -> None:
    dying = cast(CouchDatabase, backend.open(make_schema()))
    dying.read_together(workers.KEYS)
    send = dying.session.request
    made = [-(len(workers.KEYS) - 1)]

    def request(method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        made[0] += 1
        if made[0] == at and when == "before":
            raise Killed
        reply = send(method, path, *args, **kwargs)
        if made[0] == at:
            raise Killed
        return reply

    monkeypatch.setattr(dying.session, "request", request)
    with pytest.raises(Killed):
        workers.commit(dying)
    dying.close()
    assert_settles(backend, service)


@pytest.mark.crash
@pytest.mark.parametrize(("at", "when"), MOMENTS)
def test_a_process_killed_at_a_request_leaves_all_or_nothing_and_it_settles(
    backend: CouchBackend, service: CouchDatabase, at: int, when: str
) -> None:
    process = CONTEXT.Process(target=workers.commit_and_be_killed, args=(backend, at, when))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert_settles(backend, service)


def assert_settles(backend: CouchBackend, service: CouchDatabase) -> None:
    """Whole for every reader at once; a writer goes on within two seconds; nothing is left after a recovery."""
    began = time.monotonic()
    side = assert_whole(service)
    assert time.monotonic() - began < SETTLED_WITHIN
    began = time.monotonic()
    service.update(NOTES, "kept", lambda document: {**document, "touched": True})
    assert time.monotonic() - began < 2.0
    assert service.get(NOTES, "kept")["status"] == side
    service.recover(older=0.0)
    assert_whole(service)
    assert [document for document in stored(backend) if "~i" in document or "~absent" in document] == []
    workers.before(service)
    workers.commit(service)
    assert assert_whole(service) == "new"


def test_records_are_removed_ten_minutes_after_their_decision_and_not_before(
    backend: CouchBackend, service: CouchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers.commit(service)
    kept = service._cells.list_records(100)
    assert {record.state for record in kept} == {"committed"}
    assert service.recover().removed == 0
    clock = time.time
    monkeypatch.setattr(service._records, "_clock", lambda: clock() + 590)
    assert service.recover().removed == 0
    monkeypatch.setattr(service._records, "_clock", lambda: clock() + 610)
    assert service.recover().removed == len(kept)
    assert service._cells.list_records(100) == []
    assert assert_whole(service) == "new"


def test_a_process_that_starts_settles_what_another_left(
    backend: CouchBackend, service: CouchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service._records, "_decide", lambda record: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        workers.commit(service)
    assert any("~i" in document for document in stored(backend))
    fresh = cast(CouchDatabase, backend.open(make_schema()))
    clock = time.time
    monkeypatch.setattr(fresh._records, "_clock", lambda: clock() + 6)
    fresh.save(OTHERS, "unrelated", {})
    assert not any("~i" in document for document in stored(backend))
    assert workers.state(fresh.read_together(workers.KEYS)) == "old"
    fresh.close()
