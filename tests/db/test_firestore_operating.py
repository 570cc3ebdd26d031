"""Forks, doctor, indexes and late writers of the Firestore backend."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from google.auth.exceptions import DefaultCredentialsError

from app.db import Collection, DatabaseService, Index, Put, Query, Schema, Unavailable, where
from app.db.backends import firestore_collections
from app.db.backends.firestore_client import FirestoreClient
from app.db.backends.firestore_fork import ForkGate
from app.db.backends.firestore_indexes import index_configuration
from app.db.backends.firestore_messages import grpc
from app.db.boot_clock import boot_time
from tests.db.contract.given import NOTES, OTHERS, fill, ids_of, make_schema
from tests.db.firestore_fixtures import backend, firestore_url
from tests.db.firestore_server import FirestoreBackend

__all__ = ["backend", "firestore_url"]

WITHOUT = Schema([Collection("notes", "tenant", (Index("name"),))])
WITH = Schema([Collection("notes", "tenant", (Index("name"), Index("status", "name")))])
OPEN = Query(where=(where("status").eq("open"),), order_by=("name",))


@pytest.fixture
def service(backend: FirestoreBackend) -> Iterator[DatabaseService]:
    with closing(backend.open(make_schema())) as opened:
        opened.prepare()
        yield opened


class TestForks:
    def test_a_fork_waits_for_calls_in_flight_and_holds_up_new_ones(self) -> None:
        gate = ForkGate()
        entered, leave, forked, again = (threading.Event() for _ in range(4))

        def call() -> None:
            with gate:
                entered.set()
                leave.wait(10)

        def fork() -> None:
            gate._close()
            forked.set()

        def call_again() -> None:
            with gate:
                again.set()

        threads = [threading.Thread(target=target) for target in (call, fork, call_again)]
        threads[0].start()
        assert entered.wait(10)
        threads[1].start()
        assert not forked.wait(0.05)
        leave.set()
        assert forked.wait(10)
        threads[2].start()
        assert not again.wait(0.05)
        gate._open()
        assert again.wait(10)
        for thread in threads:
            thread.join()

    def test_a_process_may_fork_while_its_threads_are_calling(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"n": 1})
        done = threading.Event()
        failures: list[BaseException] = []

        def keep_reading() -> None:
            try:
                while not done.is_set():
                    service.get(NOTES, "a")
                    service.query(NOTES, Query(order_by=("name",)))
            except BaseException as error:
                failures.append(error)
                raise

        threads = [threading.Thread(target=keep_reading) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            codes = []
            for number in range(5):
                child = os.fork()
                if child == 0:
                    code = 1
                    try:
                        service.save(NOTES, f"child {number}", {"n": number})
                        code = 0
                    finally:
                        os._exit(code)
                codes.append(_exit_code(child, 20))
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert codes == [0] * 5
        assert failures == []
        assert len(ids_of(service, NOTES)) == 6


def _exit_code(child: int, seconds: float) -> int | None:
    """The child's exit code; it is killed if it takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return None


class TestDoctor:
    def test_a_healthy_database_is_well_in_every_respect(self, service: DatabaseService) -> None:
        findings = {finding.name: finding for finding in service.doctor()}
        assert list(findings) == ["reachable", "clock", "permissions", "collections", "indexes"]
        assert all(finding.ok and finding.detail for finding in findings.values())
        # Both directions of every declared index and of the id.
        assert findings["indexes"].detail.startswith("28 orders")

    def test_what_is_not_prepared_is_found(self, backend: FirestoreBackend) -> None:
        with closing(backend.open(make_schema(), create_missing=False)) as service:
            (finding,) = (one for one in service.doctor() if not one.ok)
        assert finding.name == "collections"
        assert "notes" in finding.detail
        assert "wherry db prepare" in finding.remedy

    def test_a_wrong_clock_is_found(self, service: DatabaseService, monkeypatch: pytest.MonkeyPatch) -> None:
        wrong = SimpleNamespace(time=lambda: time.time() - 600, monotonic=time.monotonic)
        monkeypatch.setattr("app.db.backends.firestore_doctor.time", wrong)
        (finding,) = (one for one in service.doctor() if not one.ok)
        assert finding.name == "clock"
        assert "behind" in finding.detail
        assert finding.remedy

    def test_an_index_that_is_not_built_is_found(
        self, service: DatabaseService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class NoIndexError(grpc.RpcError):  # type: ignore[misc]
            def code(self) -> Any:
                return grpc.StatusCode.FAILED_PRECONDITION

            def details(self) -> str:
                return "The query requires an index."

        streams = FirestoreClient._streams

        def refusing(self: FirestoreClient, name: str, requests: Any, end: float, *more: Any) -> Any:
            asked = map(str, requests) if name == "RunQuery" else ()
            if any("`status,name`" in request and "DESCENDING" in request for request in asked):
                raise NoIndexError
            return streams(self, name, requests, end, *more)

        monkeypatch.setattr(FirestoreClient, "_streams", refusing)
        (finding,) = (one for one in service.doctor() if not one.ok)
        assert finding.name == "indexes"
        assert finding.detail == ("not served: notes by status,name, descending; people by status,name, descending")
        assert "wherry db firestore-indexes" in finding.remedy

    def test_a_right_that_is_missing_is_found(self, service: DatabaseService, monkeypatch: pytest.MonkeyPatch) -> None:
        class DeniedError(grpc.RpcError):  # type: ignore[misc]
            def code(self) -> Any:
                return grpc.StatusCode.PERMISSION_DENIED

            def details(self) -> str:
                return "Missing or insufficient permissions."

        def refusing(*_: Any) -> Any:
            raise DeniedError

        monkeypatch.setattr(FirestoreClient, "write", refusing)
        (finding,) = (one for one in service.doctor() if not one.ok)
        assert finding.name == "permissions"
        assert "roles/datastore.user" in finding.detail


class TestIndexes:
    def test_every_field_but_the_keys_is_exempted(self) -> None:
        configuration = index_configuration(WITH)
        assert configuration["indexes"] == []
        by_field = {(one["collectionGroup"], one["fieldPath"]): one for one in configuration["fieldOverrides"]}
        assert by_field["notes", "*"]["indexes"] == []
        assert [one["order"] for one in by_field["notes", "`~keys`"]["indexes"]] == ["ASCENDING", "DESCENDING"]
        assert {group for group, _ in by_field} == {"notes", "_collections"}

    def test_two_processes_add_different_indexes_at_once_and_both_are_whole(self, backend: FirestoreBackend) -> None:
        with closing(backend.open(WITHOUT)) as old:
            fill(old, NOTES, {f"{n:02}": {"name": f"{n:02}", "status": "open", "kind": n % 3} for n in range(40)})
        schemas = [
            Schema([Collection("notes", "tenant", (Index("name"), Index(field, "name")))])
            for field in ("status", "kind")
        ]
        services = [backend.open(schema, deadline=1.0) for schema in schemas]
        threads = [threading.Thread(target=service.prepare) for service in services]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ids_of(services[0], NOTES, OPEN)) == 40
        assert len(ids_of(services[0], NOTES, Query(where=(where("kind").eq(1),), order_by=("name",)))) == 13
        assert services[0].unserved == services[1].unserved == {}
        for service in services:
            service.close()

    @pytest.mark.parametrize("oldest", [600.0, 0.0], ids=["one look", "always a new look"])
    def test_filling_an_index_does_not_follow_whoever_adds_documents_at_the_end(
        self, backend: FirestoreBackend, monkeypatch: pytest.MonkeyPatch, oldest: float
    ) -> None:
        monkeypatch.setattr(firestore_collections, "_FILLED_AT_ONCE", 4)
        monkeypatch.setattr(firestore_collections, "_OLDEST_READ", oldest)
        with closing(backend.open(WITHOUT)) as old, closing(backend.open(WITH, deadline=0.5)) as new:
            fill(old, NOTES, {f"{n:02}": {"name": f"{n:02}", "status": "open"} for n in range(10)})
            pages: list[int] = []
            reader: Any = new._reader  # type: ignore[attr-defined]
            scan_once = reader.scan

            def scan(*args: Any) -> Any:
                page = scan_once(*args)
                pages.append(len(page.stored))
                if len(pages) < 8:
                    added = [f"{len(pages)}-{n}" for n in range(8)]
                    fill(old, NOTES, {id: {"name": id, "status": "open"} for id in added})
                return page

            reader.scan = scan
            new.prepare()
            assert len(ids_of(new, NOTES, replace(OPEN, limit=100))) == 10 + 8 * min(7, len(pages))
            assert (pages == [4, 4, 2]) == bool(oldest)

    def test_filling_an_index_changes_no_revision_token_and_old_revisions_still_replace(
        self, backend: FirestoreBackend
    ) -> None:
        with closing(backend.open(WITHOUT)) as old, closing(backend.open(WITH, deadline=1.0)) as new:
            saved = old.save(NOTES, "a", {"name": "a", "status": "open"})["rev"]
            other = old.save(OTHERS, "a", {"name": "a", "status": "open"})["rev"]
            new.prepare()
            now = new.get(NOTES, "a")["_rev"]
            assert now.partition(".")[0] == saved.partition(".")[0]
            assert now != saved
            new.save(NOTES, "a", {"name": "b", "status": "open", "_rev": saved})
            new.commit([Put(OTHERS, "a", {"name": "b"}, other), Put(NOTES, "b", {})])
            assert ids_of(new, NOTES, OPEN) == ["a"]

    def test_a_writer_that_was_held_up_gives_its_documents_the_new_keys_afterwards(
        self, backend: FirestoreBackend
    ) -> None:
        with closing(backend.open(WITHOUT, lease=600.0)) as slow, closing(backend.open(WITH, deadline=0.5)) as new:
            slow.save(NOTES, "before", {"name": "1", "status": "open"})
            new.prepare()
            registry: Any = slow._registry  # type: ignore[attr-defined]
            leased = registry.lease("notes")
            assert Index("status", "name") not in leased.entry.written
            # As if the process had been stopped between reading the registry and writing.
            late = leased._replace(until=boot_time() - 60)
            slow._writable = lambda name: late  # type: ignore[attr-defined]
            slow.save(NOTES, "saved", {"name": "2", "status": "open"})
            slow.commit([Put(NOTES, "one", {"name": "3", "status": "open"}), Put(OTHERS, "other", {})])
            slow.write_batch(NOTES, [{"_id": "bulk", "name": "4", "status": "open"}])
            assert ids_of(new, NOTES, replace(OPEN, limit=2)) == ["before", "saved", "one", "bulk"]

    def test_an_outage_while_looking_back_does_not_deny_the_write(
        self, service: DatabaseService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        service.save(NOTES, "before", {})
        registry: Any = service._registry  # type: ignore[attr-defined]
        monkeypatch.setattr(registry, "late", lambda leased: True)

        def gone(name: str) -> Any:
            raise DefaultCredentialsError("gone")

        monkeypatch.setattr(registry, "read", gone)
        for write in (
            lambda: service.save(NOTES, "a", {}),
            lambda: service.commit([Put(NOTES, "b", {}), Put(OTHERS, "b", {})]),
        ):
            with pytest.raises(Unavailable) as caught:
                write()
            assert caught.value.outcome == "unknown"
        (outcome,) = service.write_batch(NOTES, [{"_id": "c"}])
        assert isinstance(outcome.error, Unavailable)
        assert outcome.error.outcome == "unknown"
        assert len(service.get_many(NOTES, ["a", "b", "c"])) == 3
