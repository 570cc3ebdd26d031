"""Operating: scan, prepare, collections, ping, doctor, close, threads, metrics."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.db import (
    Collection,
    Conflict,
    DatabaseService,
    Index,
    InvalidQuery,
    NotFound,
    Query,
    Schema,
    Unavailable,
    where,
)
from app.db.capabilities import CollectionInfo
from app.db.metrics import Meter
from tests.db.contract.backend import ContractBackend
from tests.db.contract.given import NOTES, OTHERS, PEOPLE, fill, ids_of, make_schema, scanned


class TestScans:
    @pytest.mark.parametrize("limit", [1, 7, 100, 10_000])
    def test_a_scan_shows_every_tenants_documents_exactly_once(self, service: DatabaseService, limit: int) -> None:
        expected = set()
        for tenant in ("acme", "other", "third", "a.c", "Ä"):
            fill(service, f"{tenant}/notes", {f"{n:02}": {"by": tenant, "n": n} for n in range(20)})
            expected |= {(f"{tenant}/notes", f"{n:02}", tenant, n) for n in range(20)}
        service.delete("acme/notes", "07")
        expected.remove(("acme/notes", "07", "acme", 7))
        fill(service, "acme/tasks", {"x": {}})
        found = [(path, one["_id"], one["by"], one["n"]) for path, one in scanned(service, NOTES, limit)]
        assert len(found) == len(expected)
        assert set(found) == expected

    def test_a_scan_shows_revisions(self, service: DatabaseService) -> None:
        rev = service.save(NOTES, "a", {"n": 1})["rev"]
        assert service.scan("notes").documents == [(NOTES, {"_id": "a", "_rev": rev, "n": 1})]
        rev = service.save(PEOPLE, "a", {"n": 1})["rev"]
        assert service.scan("people").documents == [(PEOPLE, {"_id": "a", "_rev": rev, "n": 1})]

    def test_a_scan_of_nothing_ends_at_once(self, service: DatabaseService) -> None:
        for name in ("notes", "people", "never_declared"):
            page = service.scan(name)
            assert (page.documents, page.after) == ([], None)

    def test_a_scan_goes_on_where_it_stopped_in_another_service(self, backend: ContractBackend) -> None:
        service = backend.open(make_schema())
        for tenant in ("acme", "other"):
            fill(service, f"{tenant}/notes", {f"{n}": {} for n in range(10)})
        first = service.scan("notes", limit=13)
        service.close()
        rest = service.scan("notes", first.after, limit=13)
        found = [(path, document["_id"]) for path, document in first.documents + rest.documents]
        assert len(set(found)) == len(found) == 20
        assert rest.after is None
        service.close()

    def test_documents_that_stay_appear_once_while_others_write(self, service: DatabaseService) -> None:
        for tenant in ("acme", "other"):
            fill(service, f"{tenant}/notes", {f"{n:03}": {} for n in range(0, 200, 2)})
        seen = []
        for place, (path, document) in enumerate(scanned(service, NOTES, 9)):
            seen.append((path, document["_id"]))
            if place % 9 == 0:
                service.save("acme/notes", f"{place % 200 | 1:03}", {})
                service.save("first/notes", f"{place}", {})
                service.save("other/notes", f"{place % 100 * 2:03}", {"changed": True})
        stay = {(f"{tenant}/notes", f"{n:03}") for tenant in ("acme", "other") for n in range(0, 200, 2)}
        assert len([key for key in seen if key in stay]) == len(stay)
        assert len(seen) == len(set(seen))

    def test_an_estimate_counts_all_tenants_documents_or_is_not_known(self, service: DatabaseService) -> None:
        service.prepare()
        for tenant in ("acme", "other"):
            fill(service, f"{tenant}/notes", {f"{n}": {"name": f"{n}"} for n in range(30)})
        service.delete("other/notes", "7")
        assert service.estimate("notes") in (59, None)
        assert service.estimate("people") in (0, None)
        assert service.estimate("nothing") in (0, None)
        with pytest.raises(InvalidQuery):
            service.estimate("acme/notes")

    @pytest.mark.parametrize("limit", [0, -1, 10_001, "5", True, 1.5, None])
    def test_a_scan_has_a_limit(self, service: DatabaseService, limit: Any) -> None:
        with pytest.raises(InvalidQuery) as caught:
            service.scan("notes", None, limit)
        assert caught.value.name == "limit"

    @pytest.mark.parametrize(
        "after", ["x", "", "{}", "[]", "[1]", "é", "\x00", "-", "1e400", "9" * 400, '["a"]', '{"a":1,"b":2}', 5]
    )
    def test_a_place_that_no_scan_gave_is_refused(self, service: DatabaseService, after: Any) -> None:
        fill(service, NOTES, {"a": {}})
        with pytest.raises(InvalidQuery) as caught:
            service.scan("notes", after)
        assert caught.value.name == "after"

    @pytest.mark.slow
    def test_a_page_is_bounded_where_large_documents_follow_small_ones(self, service: DatabaseService) -> None:
        expected = {f"{n:04}": 10 if n < 50 else 340_000 for n in range(180)}
        for start in range(0, 180, 20):
            fill(service, NOTES, {f"{n:04}": {"text": "x" * expected[f"{n:04}"]} for n in range(start, start + 20)})
        found: dict[str, int] = {}
        after: str | None = None
        while True:
            page = service.scan("notes", after, service.capabilities.scan_at_once)
            sizes = {document["_id"]: len(document["text"]) for _, document in page.documents}
            assert sum(sizes.values()) < 44_000_000
            assert not found.keys() & sizes.keys()
            found |= sizes
            after = page.after
            if after is None:
                break
        assert found == expected

    @pytest.mark.parametrize("name", ["acme/notes", "Notes", "", "*", None])
    def test_a_scan_takes_a_bare_name(self, service: DatabaseService, name: Any) -> None:
        with pytest.raises(InvalidQuery):
            service.scan(name)


WITHOUT = Schema([Collection("notes", "tenant", (Index("name"),))])
WITH = Schema(
    [Collection("notes", "tenant", (Index("name"), Index("status", "name"))), Collection("people", "installation")]
)


class TestPreparing:
    def test_prepare_says_what_it_did_and_has_nothing_to_do_the_second_time(self, backend: ContractBackend) -> None:
        service = backend.open(make_schema(), create_missing=False)
        done = service.prepare()
        assert all(any(name in sentence for sentence in done) for name in ("notes", "tasks", "people"))
        assert service.prepare() == []
        service.save(NOTES, "a", {})
        service.close()

    def test_a_dry_run_says_the_same_and_does_nothing(self, backend: ContractBackend) -> None:
        service = backend.open(make_schema(), create_missing=False)
        would = service.prepare(dry_run=True)
        assert would == service.prepare(dry_run=True)
        assert would == service.prepare()
        service.close()

    def test_nothing_is_created_on_first_use_where_that_is_not_wanted(self, backend: ContractBackend) -> None:
        service = backend.open(make_schema(), create_missing=False)
        service.prepare(WITHOUT)
        for call in (lambda: service.get("acme/tasks", "a"), lambda: service.save("acme/tasks", "a", {})):
            with pytest.raises(Unavailable):
                call()
        assert [info.name for info in service.collections()] == ["notes"]
        service.close()

    def test_an_index_is_added_to_a_collection_that_has_documents(self, backend: ContractBackend) -> None:
        service = backend.open(WITHOUT, strict=True)
        service.prepare()
        for tenant in ("acme", "other"):
            fill(
                service,
                f"{tenant}/notes",
                {f"{n:02}": {"name": f"n{n:02}", "status": "open" if n % 2 else "closed"} for n in range(30)},
            )
        query = Query(where=(where("status").eq("open"),), order_by=("status", "name"), descending=True, limit=4)
        with pytest.raises(InvalidQuery):
            service.query(NOTES, query)
        assert service.prepare(WITH, dry_run=True)
        with pytest.raises(InvalidQuery):
            service.query(NOTES, query)
        assert service.prepare(WITH)
        assert service.prepare(WITH) == []
        for collection in (NOTES, OTHERS):
            assert ids_of(service, collection, query) == [f"{n:02}" for n in range(29, 0, -2)]
        service.save(NOTES, "31", {"name": "n31", "status": "open"})
        service.delete(NOTES, "29")
        assert ids_of(service, NOTES, query)[:2] == ["31", "27"]
        service.close()

    def test_an_index_on_field_names_that_differ_in_case_is_another_index(self, backend: ContractBackend) -> None:
        service = backend.open(
            Schema([Collection("notes", "tenant", (Index("name"), Index("Name"), Index("NAME")))]), strict=True
        )
        fill(
            service,
            NOTES,
            {"a": {"name": 1, "Name": 3, "NAME": 2}, "b": {"name": 2, "Name": 2}, "c": {"Name": 1, "NAME": 1}},
        )
        orders = {field: ids_of(service, NOTES, Query(order_by=(field,))) for field in ("name", "Name", "NAME")}
        assert orders == {"name": ["a", "b"], "Name": ["c", "b", "a"], "NAME": ["c", "a"]}
        service.close()

    def test_a_collection_never_changes_whose_it_is(self, service: DatabaseService) -> None:
        service.prepare()
        with pytest.raises(InvalidQuery) as caught:
            service.prepare(Schema([Collection("notes", "installation")]))
        assert caught.value.name == "notes"

    def test_declared_collections_are_created_on_first_use(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"status": "open"})
        assert CollectionInfo("notes", "tenant") in service.collections()
        assert ids_of(service, NOTES, Query(where=(where("status").eq("open"),))) == ["a"]

    def test_collections_are_listed_by_name_with_whose_they_are(self, service: DatabaseService) -> None:
        assert service.prepare()
        service.save("acme/drafts", "a", {})
        service.save("visits", "a", {})
        assert service.collections() == [
            CollectionInfo("drafts", "tenant"),
            CollectionInfo("notes", "tenant"),
            CollectionInfo("people", "installation"),
            CollectionInfo("tasks", "tenant"),
            CollectionInfo("visits", "installation"),
        ]


class TestServices:
    def test_ping_answers(self, service: DatabaseService) -> None:
        service.ping()
        service.save(NOTES, "a", {})
        service.ping()

    def test_the_doctor_finds_a_healthy_database_well(self, service: DatabaseService) -> None:
        service.prepare()
        fill(service, NOTES, {f"{n}": {"name": f"{n}"} for n in range(50)})
        findings = service.doctor()
        assert findings
        assert [finding for finding in findings if not finding.ok] == []
        assert all(finding.name and finding.detail for finding in findings)

    def test_a_closed_service_is_used_again(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"n": 1})
        for _ in range(3):
            service.close()
            service.close()
            service.update(NOTES, "a", lambda document: {**document, "n": document["n"] + 1})
        assert service.get(NOTES, "a")["n"] == 4

    def test_threads_share_a_service(self, service: DatabaseService) -> None:
        ready = threading.Barrier(8)

        def work(number: int) -> None:
            ready.wait()
            for n in range(25):
                service.create(NOTES, f"{number}-{n}", {"by": number, "name": f"{n}"})
                assert service.get(NOTES, f"{number}-{n}")["by"] == number
                service.query(NOTES, Query(order_by=("name",), limit=5))
                with pytest.raises(NotFound):
                    service.delete(NOTES, f"{number}-{n}-absent")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        assert service.count(NOTES) == (200, True)
        assert len(ids_of(service, NOTES, Query(order_by=("name",), limit=9))) == 200

    def test_a_thread_may_end_and_others_may_close_meanwhile(self, service: DatabaseService) -> None:
        def work(number: int) -> None:
            service.save(NOTES, f"{number}", {})

        for number in range(20):
            thread = threading.Thread(target=work, args=(number,))
            thread.start()
            thread.join()
            if number % 7 == 0:
                service.close()
        assert service.count(NOTES) == (20, True)

    def test_only_one_of_many_creates_wins(self, service: DatabaseService) -> None:
        ready = threading.Barrier(8)

        def work(number: int) -> int:
            ready.wait()
            won = 0
            for n in range(20):
                try:
                    service.create(NOTES, f"{n}", {"by": number})
                    won += 1
                except Conflict:
                    pass
            return won

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(work, range(8))) == 20

    def test_two_services_in_one_process_do_not_mix(self, backend: ContractBackend) -> None:
        from app.db import open_database

        one, two = backend.open(make_schema()), open_database("memory:", make_schema())
        one.save(NOTES, "a", {"n": 1})
        two.save(NOTES, "a", {"n": 2})
        assert (one.get(NOTES, "a")["n"], two.get(NOTES, "a")["n"]) == (1, 2)
        one.close()
        two.close()

    def test_metrics_count_calls_and_errors_without_the_tenant(self, backend: ContractBackend) -> None:
        meter = Meter("any")
        service = backend.open(make_schema(), meter=meter)
        service.save(NOTES, "a", {})
        service.save(OTHERS, "a", {})
        service.get(NOTES, "a")
        with pytest.raises(NotFound):
            service.get(NOTES, "b")
        service.query(NOTES, Query())
        table = meter.read()
        assert (table["save", "notes"].calls, table["get", "notes"].calls) == (2, 2)
        assert table["get", "notes"].errors == {"NotFound": 1}
        assert sum(table["query", "notes"].buckets) == 1
        service.close()
