"""Pages of CouchDB while commits are in flight and documents move."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import pytest

from app.db import Delete, Put, Query, Unavailable, where
from app.db.backends import couchdb_reading
from app.db.backends.couchdb import CouchDatabase
from app.db.backends.couchdb_errors import ReplyLost
from app.db.backends.http_pool import Reply
from app.db.documents import split_rev
from tests.db.contract.given import NOTES, PEOPLE, fill, ids_of, make_schema
from tests.db.couchdb_commits import stop_a_commit
from tests.db.couchdb_fixtures import backend, couchdb_url
from tests.db.couchdb_server import CouchBackend

__all__ = ["backend", "couchdb_url"]

OPEN = Query(where=(where("status").eq("open"),), order_by=("name",))


@pytest.fixture
def service(backend: CouchBackend) -> Iterator[CouchDatabase]:
    with closing(cast(CouchDatabase, backend.open(make_schema()))) as opened:
        opened.prepare()
        fill(opened, NOTES, {f"{n:02}": {"status": "open", "name": f"{n:02}"} for n in range(20)})
        opened.save(PEOPLE, "a", {"name": "a"})
        yield opened


MOVES = [
    Put(NOTES, "03", {"status": "open", "name": "15b"}),
    Put(NOTES, "04", {"status": "closed", "name": "04"}),
    Put(NOTES, "new", {"status": "open", "name": "00b"}),
    Delete(NOTES, "05"),
    Put(PEOPLE, "a", {"name": "b"}),
]


@pytest.mark.parametrize("committed", [False, True])
def test_large_floats_of_a_commit_that_was_not_folded_stay_floats(
    backend: CouchBackend, service: CouchDatabase, committed: bool
) -> None:
    service.save(NOTES, "03", {"status": "open", "name": "03", "size": [2.0**60]})
    put = Put(NOTES, "03", {"status": "open", "name": "03", "size": [-(2.0**61)]})
    stop_a_commit(backend, [put, Put(PEOPLE, "a", {"name": "b"})], committed=committed)
    found = next(one for one in service.query(NOTES, OPEN).documents if one["_id"] == "03")
    assert repr(found["size"]) == ("[-2.305843009213694e+18]" if committed else "[1.152921504606847e+18]")


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("committed", [False, True])
def test_pages_counts_and_lists_show_one_side_of_a_commit_that_was_not_folded(
    backend: CouchBackend, service: CouchDatabase, limit: int, descending: bool, committed: bool
) -> None:
    expected = [f"{n:02}" for n in range(20)]
    if committed:
        for gone in ("03", "04", "05"):
            expected.remove(gone)
        expected.insert(1, "new")
        expected.insert(expected.index("15") + 1, "03")
    stop_a_commit(backend, MOVES, committed=committed)
    query = Query(where=OPEN.where, order_by=OPEN.order_by, limit=limit, descending=descending)
    assert ids_of(service, NOTES, query) == (expected[::-1] if descending else expected)
    assert service.count(NOTES, OPEN.where) == (len(expected), True)
    everything = sorted({*expected, "04"})
    assert ids_of(service, NOTES, Query(limit=limit, descending=descending)) == (
        everything[::-1] if descending else everything
    )
    assert service.count(NOTES) == (len(everything), True)
    assert {document["_id"] for _, document in service.scan("notes").documents} == set(everything)


@pytest.mark.parametrize("limit", [1, 3, 50])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("committed", [False, True])
def test_lists_that_reach_over_several_leads_pass_over_the_marks_of_commits(
    backend: CouchBackend, service: CouchDatabase, limit: int, descending: bool, committed: bool
) -> None:
    everything = [f"{n:02}" for n in range(20)]
    by_name = ["00", "new", "01", "02", "04", *everything[6:16], "03", *everything[16:]] if committed else everything
    by_status = ["04", *(id for id in by_name if id != "04")] if committed else everything
    stop_a_commit(backend, MOVES, committed=committed)
    for where_, order_by, expected in (
        ((), ("status", "name"), by_status),
        ((), ("name",), by_name),
        ((where("status").in_(["closed", "open"]),), ("name",), by_name),
    ):
        query = Query(where=where_, order_by=order_by, limit=limit, descending=descending)
        assert ids_of(service, NOTES, query) == (expected[::-1] if descending else expected)
    assert service.count(NOTES, (where("name").exists(),)) == (len(by_name), True)
    assert service.count(NOTES, (where("name").gte("15"),)) == (6 if committed else 5, True)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (Put(NOTES, "elsewhere", {"status": "open", "name": "10b"}), [*range(11), "elsewhere", *range(11, 20)]),
        (Put(NOTES, "new", {"status": "open", "name": "10b"}), [*range(11), "new", *range(11, 20)]),
        (Put(NOTES, "03", {"status": "closed", "name": "03"}), [*range(3), *range(4, 20)]),
        (Put(NOTES, "03", {"status": "open", "name": "15b"}), [*range(3), *range(4, 16), 3, *range(16, 20)]),
        (Put(NOTES, "03", {"name": "03"}), [*range(3), *range(4, 20)]),
        (Delete(NOTES, "03"), [*range(3), *range(4, 20)]),
    ],
    ids=["moved in", "new", "moved out", "moved within", "without a place", "deleted"],
)
def test_one_document_of_a_commit_that_was_not_folded_is_enough_for_a_page_to_notice(
    backend: CouchBackend, service: CouchDatabase, write: Put | Delete, expected: list[Any], descending: bool
) -> None:
    service.save(NOTES, "elsewhere", {"status": "closed", "name": "00"})
    stop_a_commit(backend, [write, Put(PEOPLE, "a", {"name": "b"})], committed=True)
    found = service.query(NOTES, Query(where=OPEN.where, order_by=OPEN.order_by, descending=descending)).documents
    ids = [f"{id:02}" if type(id) is int else id for id in expected]
    assert [document["_id"] for document in found] == (ids[::-1] if descending else ids)


def test_marks_that_come_between_two_looks_leave_the_page_as_long(
    backend: CouchBackend, service: CouchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_a_commit(backend, MOVES, committed=False)
    ask = service._reader._queries
    looks = []

    def too_early(*args: Any) -> Any:
        looks.append(args)
        results = ask(*args)
        return [{"rows": []}, *results[1:]] if len(looks) == 1 else results

    monkeypatch.setattr(service._reader, "_queries", too_early)
    found = service.query(NOTES, Query(order_by=("status", "name"), limit=3))
    assert [document["_id"] for document in found.documents] == ["00", "01", "02"]
    assert found.cursor
    assert len(looks) > 1


def test_a_commit_that_is_folded_within_a_count_is_counted_once(
    backend: CouchBackend, service: CouchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_a_commit(backend, MOVES, committed=True)
    ask = service._reader._queries
    before: list[dict[str, Any]] = []

    def folded_meanwhile(table: Any, index: Any, queries: list[Any]) -> Any:
        # CouchDB answers the queries of a request one after the other: the first here before the fold, the rest after.
        results: list[dict[str, Any]] = ask(table, index, queries)
        if before:
            return results
        before.append(results[0])
        service.recover(older=0.0)
        return [results[0], *ask(table, index, queries)[1:]]

    monkeypatch.setattr(service._reader, "_queries", folded_meanwhile)
    assert service.count(NOTES, OPEN.where) == (19, True)
    assert before[0]["rows"]
    before.clear()
    stop_a_commit(backend, [Delete(NOTES, "06"), Put(PEOPLE, "a", {"name": "c"})], committed=True)
    assert service.count(NOTES) == (19, True)
    assert before[0]["rows"]


def test_a_count_among_commits_without_end_is_told(service: CouchDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = service._reader._queries
    rows = [{"id": "acme:03", "value": {"_id": "acme:03", "_rev": "1-a"}}]
    monkeypatch.setattr(service._reader, "_queries", lambda *args: [*ask(*args)[:-1], {"rows": rows}])
    monkeypatch.setattr(couchdb_reading, "sleep", lambda seconds: None)
    with pytest.raises(Unavailable, match="change too often"):
        service.count(NOTES)


def test_a_document_that_bears_an_intent_is_shown_without_couchdbs_revision(
    backend: CouchBackend, service: CouchDatabase
) -> None:
    stop_a_commit(backend, MOVES, committed=False)
    for document in (
        service.get(NOTES, "03"),
        service.get_many(NOTES, ["03"])["03"],
        service.query(NOTES, OPEN).documents[3],
        service.query(NOTES, Query()).documents[3],
    ):
        assert document["_id"] == "03"
        assert split_rev(document["_rev"])[1] == ""
        service.save(NOTES, "unrelated", {})
    assert service.save(NOTES, "03", {**service.get(NOTES, "03"), "saved": True})
    assert service.get(NOTES, "04")["status"] == "open"


def test_an_intent_that_came_after_the_intents_were_read_leaves_the_old_value_and_no_revision(
    backend: CouchBackend, service: CouchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_a_commit(backend, MOVES, committed=False)
    ask = service._reader._queries

    def too_early(*args: Any) -> Any:
        results = ask(*args)
        return [{"rows": []}, *results[1:]] if len(results) > 1 else results

    monkeypatch.setattr(service._reader, "_queries", too_early)
    found = service.query(NOTES, OPEN).documents
    assert [document["_id"] for document in found] == [f"{n:02}" for n in range(20)]
    assert split_rev(found[3]["_rev"])[1] == ""
    assert all(split_rev(document["_rev"])[1] for document in found if document["_id"] not in ("03", "04", "05"))
    assert all(not name.startswith("~") for document in found for name in document)


@pytest.mark.parametrize(("running", "expected"), [(True, [None, 10.0]), (False, [None, None]), (None, [None])])
def test_a_query_waits_for_an_index_that_is_catching_up_and_asks_again_only_a_server_that_answers(
    service: CouchDatabase, monkeypatch: pytest.MonkeyPatch, running: bool | None, expected: list[float | None]
) -> None:
    service.query(NOTES, OPEN)
    send = service.session.request
    asked: list[float | None] = []

    def request(method: str, path: str, *args: Any, timeout: float | None = None, **kwargs: Any) -> Reply:
        if path.endswith("/_info"):
            if running is None:
                raise ReplyLost("timed out", write=False)
            body = b'{"view_index": {"updater_running": %b}}' % (b"true" if running else b"false")
            return Reply(200, b"", body)
        if "/_view/" in path:
            asked.append(timeout)
            if timeout is None:
                raise ReplyLost("timed out", write=False)
        return send(method, path, *args, timeout=timeout, **kwargs)

    monkeypatch.setattr(service.session, "request", request)
    if running:
        assert len(service.query(NOTES, OPEN).documents) == 20
    else:
        with pytest.raises(Unavailable):
            service.query(NOTES, OPEN)
    assert asked == expected


def test_a_large_document_that_moves_between_the_index_and_the_fetch_is_not_shown_where_it_was(
    service: CouchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "x" * 5_000
    fill(service, NOTES, {f"{n:02}": {"status": "open", "name": f"{n:02}", "text": text} for n in range(4)})
    fetch = service._cells.bulk_get
    moved = [False]

    def late(*args: Any) -> Any:
        if not moved[0]:
            moved[0] = True
            service.save(NOTES, "01", {"status": "closed", "name": "01", "text": text})
            service.save(NOTES, "02", {"status": "open", "name": "17b", "text": text})
            service.delete(NOTES, "03")
        return fetch(*args)

    monkeypatch.setattr(service._cells, "bulk_get", late)
    found = service.query(NOTES, OPEN).documents
    assert [document["name"] for document in found] == ["00", *[f"{n:02}" for n in range(4, 18)], "17b", "18", "19"]
