"""What recovery makes of commits that were cut off, and how it finds them, on a real CouchDB."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import pytest

from app.db import Put, commit_record
from app.db.backends import couchdb_cells
from app.db.backends.couchdb import CouchDatabase
from app.db.names import parse_name
from tests.db.contract.given import NOTES, PEOPLE, make_schema
from tests.db.couchdb_commits import stop_a_commit
from tests.db.couchdb_fixtures import backend, couchdb_url
from tests.db.couchdb_server import CouchBackend

__all__ = ["backend", "couchdb_url"]


@pytest.fixture
def service(backend: CouchBackend) -> Iterator[CouchDatabase]:
    with closing(cast(CouchDatabase, backend.open(make_schema()))) as opened:
        opened.prepare()
        opened.save(PEOPLE, "a", {"name": "a"})
        yield opened


@pytest.mark.parametrize("committed", [False, True])
def test_recovery_writes_large_floats_back_as_floats(
    backend: CouchBackend, service: CouchDatabase, committed: bool
) -> None:
    service.save(NOTES, "a", {"big": 1e17, "all": [{"n": -(2.0**60)}]})
    put = Put(NOTES, "a", {"big": 2e17, "all": [{"n": 2.0**61}]})
    stop_a_commit(backend, [put, Put(PEOPLE, "a", {"name": "b"})], committed=committed)
    assert service.recover(older=0.0).folded == 2
    found = service.get(NOTES, "a")
    new = ("2e+17", "[{'n': 2.305843009213694e+18}]")
    old = ("1e+17", "[{'n': -1.152921504606847e+18}]")
    assert (repr(found["big"]), repr(found["all"])) == (new if committed else old)


def test_pending_commits_are_found_in_pages_without_the_past_and_none_is_missed_between_two_looks(
    service: CouchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = service._cells
    key = (parse_name(NOTES), "a")
    for tx in ("gone1", "gone2", "b", "c", "d", "e", "f"):
        cells.create_record(tx, [key], 0.0)
    records = {record.tx: record for record in cells.list_records(100)}
    cells.remove_records([records["gone1"], records["gone2"]])
    assert cells.decide_record(records["d"], "committed", 0.0)
    monkeypatch.setattr(couchdb_cells, "_PAGE", 2)
    send = service.session.request
    made: list[str] = []

    def request(method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        made.append(path)
        if len(made) == 3:  # behind the first page: into what was listed already, and into what was not
            for tx in ("a", "g"):
                send("PUT", f"{cells._collections.system}/tx:{tx}", b'{"state":"pending","keys":[],"since":0}')
        return send(method, path, *args, **kwargs)

    monkeypatch.setattr(service.session, "request", request)
    found, mark = cells.pending_since("")
    assert [record.tx for record in found] == ["b", "c", "e", "f", "g"]
    assert not any("_changes" in path for path in made)
    found, mark = cells.pending_since(mark)
    assert sorted(record.tx for record in found) == ["a", "g"]
    assert cells.pending_since(mark)[0] == []
    assert cells.decide_record(found[0], "aborted", 0.0)
    assert cells.pending_since(mark)[0] == []


def test_a_record_that_goes_while_it_is_listed_does_not_end_the_list(
    service: CouchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = service._cells
    for tx in ("a", "b", "c", "d"):
        cells.create_record(tx, [], 0.0)
    ask = cells.session.json

    def json(*args: Any, **kwargs: Any) -> Any:
        answer = ask(*args, **kwargs)
        for row in answer.get("rows", ()):
            if row["id"] == "tx:b":
                row["doc"] = None
        return answer

    monkeypatch.setattr(couchdb_cells, "_PAGE", 2)
    monkeypatch.setattr(cells.session, "json", json)
    assert [record.tx for record in cells.list_records(2)] == ["a", "c"]
    assert [record.tx for record in cells.pending_since("")[0]] == ["a", "c", "d"]


def test_a_recovery_settles_a_commit_that_is_behind_more_records_than_a_page_holds(
    backend: CouchBackend, service: CouchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        service.commit([Put(NOTES, "a", {"n": number}), Put(PEOPLE, "a", {"n": number})])
    stop_a_commit(backend, [Put(NOTES, "a", {"n": 9}), Put(PEOPLE, "a", {"n": 9})], committed=False)
    monkeypatch.setattr(commit_record, "_PAGE", 2)
    assert service.recover(older=0.0) == (1, 2, 0)
