"""For a backend whose ``capabilities.fresh_queries`` is true: a query sees every acknowledged write."""

from app.db import DatabaseService, Put, Query, where
from tests.db.contract.given import NOTES, ids_of
from tests.db.contract.workers import in_threads

__all__ = ["TestFreshQueries"]


class TestFreshQueries:
    def test_queries_and_counts_see_what_was_just_written(self, service: DatabaseService) -> None:
        def work(number: int) -> None:
            status = where("status").eq(f"of {number}")
            query = Query(where=(status,), order_by=("name",))
            for n in range(20):
                service.save(NOTES, f"{number}-{n:02}", {"status": f"of {number}", "name": f"{n:02}"})
                assert ids_of(service, NOTES, query) == [f"{number}-{n:02}"]
                assert service.count(NOTES, (status,)) == (1, True)
                service.commit([Put(NOTES, f"{number}-{n:02}", {"status": "done", "name": f"{n:02}"})])
                assert service.query(NOTES, query).documents == []
            assert len(ids_of(service, NOTES, Query(where=(where("status").eq("done"),), limit=7))) >= 20

        in_threads(work, 4)
