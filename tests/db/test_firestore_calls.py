"""How many round trips each operation makes once its collection's indexes are known, and what is sent in them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest

from app.db import ABSENT, Check, Conflict, DatabaseService, Delete, Put, Query, where
from app.db.backends.firestore_client import FirestoreClient
from app.db.backends.firestore_messages import grpc
from tests.db.contract.given import NOTES, OTHERS, PEOPLE, fill, ids_of, make_schema, scanned
from tests.db.firestore_fixtures import backend, firestore_url
from tests.db.firestore_server import FirestoreBackend

__all__ = ["backend", "firestore_url"]


@pytest.fixture
def service(backend: FirestoreBackend) -> Iterator[DatabaseService]:
    """Everything that is asked once in a lease has been asked."""
    with closing(backend.open(make_schema(), lease=600.0)) as opened:
        opened.prepare()
        for collection in (NOTES, OTHERS, PEOPLE):
            fill(opened, collection, {f"{n:03}": {"name": f"n{n:03}", "status": "open"} for n in range(120)})
        yield opened


@pytest.fixture
def calls(service: DatabaseService, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The calls made since: each is a round trip; the number says how many requests were under way in it together."""
    made: list[tuple[str, int]] = []
    call, streams = FirestoreClient._call, FirestoreClient._streams

    def counted_call(self: FirestoreClient, name: str, request: Any, end: float) -> Any:
        made.append((name, 1))
        return call(self, name, request, end)

    def counted_streams(self: FirestoreClient, name: str, requests: Sequence[Any], end: float, *more: Any) -> Any:
        made.append((name, len(requests)))
        return streams(self, name, requests, end, *more)

    monkeypatch.setattr(FirestoreClient, "_call", counted_call)
    monkeypatch.setattr(FirestoreClient, "_streams", counted_streams)
    return made


READS: dict[str, tuple[Callable[[DatabaseService], Any], str, int]] = {
    "get": (lambda service: service.get(NOTES, "001"), "GetDocument", 1),
    "get_many of 100": (
        lambda service: service.get_many(NOTES, [f"{n:03}" for n in range(100)]),
        "BatchGetDocuments",
        1,
    ),
    "page by id": (lambda service: service.query(NOTES, Query(limit=50)), "RunQuery", 1),
    "page by id, descending": (lambda service: service.query(NOTES, Query(limit=50, descending=True)), "RunQuery", 1),
    "page, eq": (
        lambda service: service.query(NOTES, Query(where=(where("status").eq("open"),), order_by=("name",), limit=50)),
        "RunQuery",
        1,
    ),
    "page, range": (
        lambda service: service.query(NOTES, Query(where=(where("name").gt("n01"),), order_by=("name",), limit=50)),
        "RunQuery",
        1,
    ),
    "page, in of two": (
        lambda service: service.query(
            NOTES, Query(where=(where("status").in_(["open", "closed"]),), order_by=("name",), limit=50)
        ),
        "RunQuery",
        2,
    ),
    "count": (lambda service: service.count(NOTES, (where("status").eq("open"),)), "RunAggregationQuery", 1),
    "scan": (lambda service: service.scan("notes", limit=100), "RunQuery", 1),
    "ping": (lambda service: service.ping(), "GetDocument", 1),
}


class TestRoundTrips:
    @pytest.mark.parametrize("name", READS)
    def test_every_read_is_one(self, service: DatabaseService, calls: list[tuple[str, int]], name: str) -> None:
        read, call, together = READS[name]
        read(service)
        assert calls == [(call, together)]

    def test_a_snapshot_is_one_and_on_the_emulator_another_that_proves_it(
        self, service: DatabaseService, calls: list[tuple[str, int]]
    ) -> None:
        service.read_together([(NOTES, "001"), (PEOPLE, "002"), (OTHERS, "no"), (NOTES, "001")])
        proof = [("Commit", 1)] if service._client.emulator else []  # type: ignore[attr-defined]
        assert calls == [("BatchGetDocuments", 1), *proof]

    def test_the_next_page_is_one(self, service: DatabaseService, calls: list[tuple[str, int]]) -> None:
        first = service.query(NOTES, Query(order_by=("name",), limit=50))
        calls.clear()
        page = service.query(NOTES, Query(order_by=("name",), limit=50, cursor=first.cursor))
        assert len(page.documents) == 50
        assert calls == [("RunQuery", 1)]

    def test_every_write_is_one(self, service: DatabaseService, calls: list[tuple[str, int]]) -> None:
        rev = service.get(NOTES, "001")["_rev"]
        other = service.get(OTHERS, "001")["_rev"]
        person = service.get(PEOPLE, "001")["_rev"]
        writes: list[Callable[[], Any]] = [
            lambda: service.save(NOTES, "000", {"n": 1}),
            lambda: service.create(NOTES, "new", {"n": 1}),
            lambda: service.save(NOTES, "001", {"n": 1, "_rev": rev}),
            lambda: service.delete(OTHERS, "001", other),
            lambda: service.delete(OTHERS, "002"),
            lambda: service.commit([Put(NOTES, "002", {"n": 2})]),
            lambda: service.commit(
                [Put(NOTES, f"{n:03}", {"n": n}) for n in range(3, 60)]
                + [Delete(OTHERS, "003"), Check(PEOPLE, "001", person), Put(PEOPLE, "new", {}, ABSENT)]
            ),
        ]
        for write in writes:
            calls.clear()
            write()
            assert calls == [("Commit", 1)]
        calls.clear()
        service.write_batch(NOTES, [{"_id": f"{n:03}"} for n in range(200)])
        assert calls == [("BatchWrite", 1)]

    def test_a_conflict_is_found_in_two_and_a_stale_hint_costs_two_more(
        self, service: DatabaseService, calls: list[tuple[str, int]]
    ) -> None:
        old = service.get(NOTES, "000")["_rev"]
        rev = service.save(NOTES, "000", {"n": 1})["rev"]
        calls.clear()
        with pytest.raises(Conflict):
            service.save(NOTES, "000", {"n": 2, "_rev": old})
        assert calls == [("Commit", 1), ("BatchGetDocuments", 1)]
        calls.clear()
        service.save(NOTES, "000", {"n": 2, "_rev": rev.partition(".")[0]})
        assert calls == [("BatchGetDocuments", 1), ("Commit", 1)]

    def test_the_first_use_of_a_collection_reads_what_is_known_of_it_once(
        self, service: DatabaseService, calls: list[tuple[str, int]], backend: FirestoreBackend
    ) -> None:
        with closing(backend.open(make_schema(), lease=600.0)) as fresh:
            for _ in range(3):
                fresh.get(NOTES, "001")
                fresh.get(OTHERS, "001")
                fresh.query(NOTES, Query(order_by=("name",)))
        assert [name for name, _ in calls].count("GetDocument") == 1 + 6
        assert calls[0] == ("GetDocument", 1)


class TestWhatIsRead:
    def test_a_page_reads_one_document_more_than_it_shows_and_no_other_tenants(
        self, service: DatabaseService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers: list[Any] = []
        streams = FirestoreClient._streams

        def kept(self: FirestoreClient, name: str, requests: Sequence[Any], end: float, *more: Any) -> Any:
            answer = streams(self, name, requests, end, *more)
            answers.extend(part for stream in answer for part in stream if part.HasField("document"))
            return answer

        monkeypatch.setattr(FirestoreClient, "_streams", kept)
        service.query(NOTES, Query(where=(where("status").eq("open"),), order_by=("name",), limit=50))
        assert len(answers) == 51
        assert all("/tenants/acme/" in part.document.name for part in answers)

    def test_few_fields_are_all_that_is_sent(self, service: DatabaseService, monkeypatch: pytest.MonkeyPatch) -> None:
        fill(service, NOTES, {"big": {"name": "zzz", "text": "x" * 100_000}})
        sizes: list[int] = []
        streams = FirestoreClient._streams

        def sized(self: FirestoreClient, name: str, requests: Sequence[Any], end: float, *more: Any) -> Any:
            answer = streams(self, name, requests, end, *more)
            sizes.append(sum(part.ByteSize() for stream in answer for part in stream))
            return answer

        monkeypatch.setattr(FirestoreClient, "_streams", sized)
        query = Query(where=(where("name").eq("zzz"),), order_by=("name",), fields=("name",))
        (document,) = service.query(NOTES, query).documents
        assert document["name"] == "zzz"
        assert sizes[0] < 1_000

    def test_a_page_of_which_a_part_came_in_time_is_short_and_goes_on(
        self, service: DatabaseService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class LateError(grpc.RpcError):  # type: ignore[misc]
            def code(self) -> Any:
                return grpc.StatusCode.DEADLINE_EXCEEDED

            def details(self) -> str:
                return "Deadline Exceeded"

        streams = FirestoreClient._streams

        def slow(
            self: FirestoreClient, name: str, requests: Sequence[Any], end: float, came: list[Any], *more: Any
        ) -> Any:
            answer = streams(self, name, requests, end, came, *more)
            if len(came) > 40:
                del came[40:]
                raise LateError
            return answer

        monkeypatch.setattr(FirestoreClient, "_streams", slow)
        expected = [f"{n:03}" for n in range(120)]
        for query in (Query(limit=100), Query(order_by=("name",), limit=100)):
            assert len(service.query(NOTES, query).documents) == 40
            assert ids_of(service, NOTES, query) == expected
        assert [document["_id"] for document in service.list_all(NOTES)] == expected
        assert [document["_id"] for path, document in scanned(service, "notes", 100) if path == NOTES] == expected
        filtered = Query(where=(where("status").exists(), where("tags").exists(False)), order_by=("name",), limit=90)
        assert ids_of(service, NOTES, filtered) == expected
