"""Many at once on one service: no update is lost, no unit of work sees or leaves half of another."""

import threading
from concurrent.futures import ThreadPoolExecutor

from app.db import DatabaseService, Query, where
from tests.db.contract.given import NOTES, fill, ids_of
from tests.db.contract.sizes import sized
from tests.db.contract.workers import (
    ACCOUNTS,
    OPENING,
    count_up,
    in_threads,
    open_accounts,
    switch_off,
    total,
    transfer,
)


class TestStorms:
    def test_threads_that_increment_one_counter_lose_nothing(self, service: DatabaseService) -> None:
        times = sized(25, 250)
        service.save(NOTES, "counter", {"n": 0})
        in_threads(lambda _: count_up(service, times), 8)
        assert service.get(NOTES, "counter")["n"] == 8 * times

    def test_crossed_units_of_work_never_both_commit(self, service: DatabaseService) -> None:
        rounds, commits = sized(100, 1_000), 0
        with ThreadPoolExecutor(2) as pool:
            for _ in range(rounds):
                fill(service, NOTES, {"a": {"on": True}, "b": {"on": True}})
                ready = threading.Barrier(2)
                won = list(pool.map(switch_off, [service] * 2, "ab", "ba", [ready] * 2))
                on = [service.get(NOTES, id)["on"] for id in "ab"]
                assert won != [True, True]
                assert on == [not one for one in won]
                commits += sum(won)
        assert commits > 0

    def test_every_total_is_equal_while_money_moves(self, service: DatabaseService) -> None:
        open_accounts(service)
        times = sized(40, 500)
        done = threading.Event()

        def watch() -> list[int]:
            totals = [total(service)]
            while not done.is_set():
                totals.append(total(service))
            return totals

        with ThreadPoolExecutor(1) as pool:
            watched = pool.submit(watch)
            try:
                in_threads(lambda number: transfer(service, times, seed=number), 3)
            finally:
                done.set()
            totals = watched.result()
        assert set(totals) == {OPENING * len(ACCOUNTS)}
        assert total(service) == OPENING * len(ACCOUNTS)

    def test_pages_are_whole_while_threads_write(self, service: DatabaseService) -> None:
        stay = {f"{n:03}": {"status": "open", "name": f"{n:03}"} for n in range(0, 100, 2)}
        fill(service, NOTES, stay)
        query = Query(where=(where("status").in_(["open", "new"]),), order_by=("name",), limit=7)

        def work(number: int) -> None:
            if number == 0:
                for _ in range(10):
                    found = ids_of(service, NOTES, query)
                    assert [id for id in found if id in stay] == list(stay)
                    assert len(found) == len(set(found))
                return
            for n in range(1, 100, 2):
                service.save(NOTES, f"{n:03}", {"status": "new", "name": f"{n:03}", "by": number})
                if n % 3 == number:
                    service.save(NOTES, f"{n:03}", {"status": "closed", "name": f"{n:03}"})

        in_threads(work, 3)


class TestReadingYourWrites:
    """What an acknowledged write did is seen by the next read by key, from every thread."""

    def test_through_get_get_many_and_list_all(self, service: DatabaseService) -> None:
        def work(number: int) -> None:
            for n in range(25):
                id = f"{number}-{n}"
                service.save(NOTES, id, {"n": n})
                assert service.get(NOTES, id)["n"] == n
                service.update(NOTES, id, lambda document: {**document, "again": True})
                assert service.get_many(NOTES, [id])[id]["again"]
                if n % 8 == 0:
                    assert id in {document["_id"] for document in service.list_all(NOTES)}
                service.delete(NOTES, id)
                assert service.get_many(NOTES, [id]) == {}
                if n % 8 == 0:
                    assert id not in {document["_id"] for document in service.list_all(NOTES)}

        in_threads(work, 4)
