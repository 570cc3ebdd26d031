"""For a backend whose ``capabilities.shared`` is true: several services and processes on the same data."""

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

import pytest

from app.db import ABSENT, Collection, Conflict, DatabaseService, Delete, Index, InvalidQuery, Put, Query, Schema, where
from tests.db.contract import workers
from tests.db.contract.backend import ContractBackend
from tests.db.contract.given import NOTES, PEOPLE, READERS, WRITERS, ids_of, make_schema
from tests.db.contract.sizes import sized

__all__ = ["TestProcesses", "TestTwoServices", "second"]

# Not forked from the tests' own process, which has threads and connections; quicker than a new interpreter each time.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.db.contract.workers"])


@contextmanager
def processes(*calls: tuple[Callable[..., None], tuple[Any, ...]]) -> Iterator[list[BaseProcess]]:
    """Processes that run meanwhile; at the end each must have ended well, within two minutes."""
    started: list[BaseProcess] = [CONTEXT.Process(target=target, args=args) for target, args in calls]
    try:
        for process in started:
            process.start()
        yield started
        for process in started:
            process.join(120)
        assert [process.exitcode for process in started] == [0] * len(started)
    finally:
        for process in started:
            process.kill()
            process.join()


@pytest.fixture
def second(backend: ContractBackend, service: DatabaseService) -> Iterator[DatabaseService]:
    """Another service on the data of ``service``."""
    opened = backend.open(make_schema())
    yield opened
    opened.close()


class TestTwoServices:
    @pytest.mark.parametrize("write", WRITERS.values(), ids=list(WRITERS))
    def test_what_one_writes_the_other_reads_at_once(
        self, service: DatabaseService, second: DatabaseService, write: Any
    ) -> None:
        for read in READERS.values():
            assert read(second, NOTES, "a") is None
        rev = write(service, NOTES, "a", {"name": "Ada"})
        for read in READERS.values():
            assert read(second, NOTES, "a") == {"_id": "a", "_rev": rev, "name": "Ada"}
        second.delete(NOTES, "a", rev)
        for read in READERS.values():
            assert read(service, NOTES, "a") is None

    def test_a_revision_that_the_other_replaced_is_a_conflict(
        self, service: DatabaseService, second: DatabaseService
    ) -> None:
        mine = service.create(NOTES, "a", {"n": 1})["rev"]
        with pytest.raises(Conflict):
            second.create(NOTES, "a", {"n": 2})
        second.save(NOTES, "a", {"n": 2, "_rev": mine})
        stale: list[Callable[[], object]] = [
            lambda: service.save(NOTES, "a", {"n": 3, "_rev": mine}),
            lambda: service.delete(NOTES, "a", mine),
            lambda: service.commit([Put(NOTES, "a", {"n": 3}, mine)]),
            lambda: service.commit([Put(NOTES, "b", {}), Delete(NOTES, "a", mine)]),
            lambda: service.commit([Put(NOTES, "b", {}), Put(NOTES, "a", {}, ABSENT)]),
        ]
        for call in stale:
            with pytest.raises(Conflict):
                call()
        assert [(one["_id"], one["n"]) for one in service.list_all(NOTES)] == [("a", 2)]

    def test_whose_a_collection_is_holds_for_the_other_too(
        self, service: DatabaseService, second: DatabaseService
    ) -> None:
        service.save("acme/drafts", "a", {})
        for call in (lambda: second.save("drafts", "a", {}), lambda: second.get("drafts", "a")):
            with pytest.raises(InvalidQuery):
                call()

    @pytest.mark.parametrize("write", WRITERS.values(), ids=list(WRITERS))
    def test_an_index_that_the_other_adds_has_every_later_write(self, backend: ContractBackend, write: Any) -> None:
        old = backend.open(Schema([Collection("notes", "tenant", (Index("name"),))]))
        old.save(NOTES, "before", {"status": "open", "name": "1"})
        old.save(NOTES, "changed", {"status": "closed", "name": "2"})
        rev = old.save(NOTES, "replaced", {"status": "closed", "name": "3"})["rev"]
        old.save(NOTES, "deleted", {"status": "open", "name": "4"})
        new = backend.open(
            Schema([Collection("notes", "tenant", (Index("name"), Index("status", "name")))]), strict=True
        )
        new.prepare()
        write(old, NOTES, "later", {"status": "open", "name": "5"})
        old.delete(NOTES, "changed")
        write(old, NOTES, "changed", {"status": "open", "name": "2"})
        old.save(NOTES, "replaced", {"status": "open", "name": "3", "_rev": rev})
        old.delete(NOTES, "deleted")
        query = Query(where=(where("status").eq("open"),), order_by=("name",))
        for service in (new, old):
            assert ids_of(service, NOTES, query) == ["before", "changed", "replaced", "later"]
            assert service.count(NOTES, (where("status").eq("open"), where("name").gt("0"))) == (4, True)
            service.close()

    def test_an_index_is_added_while_the_other_keeps_writing(self, backend: ContractBackend) -> None:
        old = backend.open(Schema([Collection("notes", "tenant", (Index("name"),))]))
        done = threading.Event()
        written = [0]

        def keep_writing() -> None:
            while not done.is_set() or written[0] < 60:
                n = written[0]
                if n % 3:
                    old.save(NOTES, f"{n:05}", {"status": "open", "name": f"{n:05}"})
                else:
                    old.commit(
                        [Put(NOTES, f"{n:05}", {"status": "open", "name": f"{n:05}"}), Put("b/tasks", f"{n}", {})]
                    )
                written[0] += 1

        writer = threading.Thread(target=keep_writing)
        writer.start()
        try:
            while written[0] < 20:
                old.ping()
            new = backend.open(Schema([Collection("notes", "tenant", (Index("name"), Index("status", "name")))]))
            new.prepare()
        finally:
            done.set()
            writer.join()
        query = Query(where=(where("status").eq("open"),), order_by=("name",), limit=1_000)
        assert ids_of(new, NOTES, query) == [f"{n:05}" for n in range(written[0])]
        old.close()
        new.close()


class TestProcesses:
    def test_four_processes_of_two_threads_increment_one_counter_and_lose_nothing(
        self, backend: ContractBackend, service: DatabaseService
    ) -> None:
        times = sized(25, 250)
        service.save(NOTES, "counter", {"n": 0})
        with processes(*[(workers.count_up_in_process, (backend, 2, times))] * 4):
            pass
        assert service.get(NOTES, "counter")["n"] == 8 * times

    def test_every_total_is_equal_while_processes_move_money(
        self, backend: ContractBackend, service: DatabaseService
    ) -> None:
        workers.open_accounts(service)
        calls = [(workers.transfer_in_process, (backend, sized(60, 1_000), seed)) for seed in range(3)]
        totals = set()
        with processes(*calls) as running:
            while any(process.is_alive() for process in running):
                totals.add(workers.total(service))
        totals.add(workers.total(service))
        assert totals == {workers.OPENING * len(workers.ACCOUNTS)}

    def test_several_processes_may_use_an_empty_database_for_the_first_time(
        self, backend: ContractBackend, service: DatabaseService
    ) -> None:
        with processes(*[(workers.use_for_the_first_time, (backend, number)) for number in range(4)]):
            pass
        for collection in (NOTES, "acme/undeclared"):
            assert [document["_id"] for document in service.list_all(collection)] == ["0", "1", "2", "3"]
        assert ids_of(service, NOTES, Query(where=(where("status").eq("new"),))) == ["0", "1", "2", "3"]
        assert service.prepare() == []

    def test_a_service_may_be_used_before_and_after_a_fork(
        self, backend: ContractBackend, service: DatabaseService
    ) -> None:
        with processes((workers.use_across_forks, (backend,))):
            pass
        assert service.get(NOTES, "counter")["n"] == 80
        assert service.count(PEOPLE) == (3, True)
