"""What DatabaseService does for every backend, seen on one whose hooks can be made to fail."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

import app.db
from app.db import Check, DatabaseService, Delete, Put, Query, Unavailable, where
from app.db.backends.memory import MemoryDatabase
from app.db.errors import Conflict, DatabaseError, Throttled
from app.db.names import Name
from app.db.paging import Slice, Walk
from tests.db.contract.given import NOTES, fill, ids_of, make_schema


class Frail(MemoryDatabase):
    """Memory that can go away, as a server does; it remembers how much each walk asked for."""

    driver_errors: ClassVar[tuple[type[Exception], ...]] = (ConnectionError,)
    gone = False
    hooks = (
        "_get", "_get_many", "_read_together", "_save", "_delete", "_commit", "_write_batch", "_walk", "_count",
        "_scan", "_indexes", "_prepare", "_collections", "_ping", "_doctor",
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__(make_schema())
        self.walked: list[int] = []
        for hook in self.hooks:
            setattr(self, hook, self._failing(getattr(self, hook)))

    def _failing(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            if self.gone:
                raise ConnectionResetError("the driver's own words about host and password")
            return hook(*args, **named)

        return call

    def walk(self, name: Name, walk: Walk) -> Slice:
        self.walked.append(walk.limit)
        return super().walk(name, walk)

    def _translate(self, error: Exception) -> DatabaseError:
        return Unavailable("The database does not answer.", retry_after=2)


@pytest.fixture
def service() -> Frail:
    made = Frail()
    fill(made, NOTES, {"a": {"name": "Ada", "status": "open"}, "b": {"name": "Bob"}})
    return made


CALLS: dict[str, Callable[[DatabaseService], Any]] = {
    "get": lambda service: service.get(NOTES, "a"),
    "get of what is absent": lambda service: service.get(NOTES, "x"),
    "get_many": lambda service: service.get_many(NOTES, ["a", "x"]),
    "read_together": lambda service: service.read_together([(NOTES, "a"), (NOTES, "x")]),
    "list_all": lambda service: list(service.list_all(NOTES)),
    "query": lambda service: service.query(NOTES, Query()),
    "query with a filter": lambda service: service.query(NOTES, Query(where=(where("other").exists(),))),
    "query without an index": lambda service: service.query(NOTES, Query(order_by=("other",))),
    "count": lambda service: service.count(NOTES),
    "count with a filter": lambda service: service.count(NOTES, (where("other").exists(),)),
    "scan": lambda service: service.scan("notes"),
    "save": lambda service: service.save(NOTES, "a", {}),
    "create": lambda service: service.create(NOTES, "x", {}),
    "delete": lambda service: service.delete(NOTES, "a"),
    "update": lambda service: service.update(NOTES, "a", lambda document: document),
    "commit": lambda service: service.commit([Put(NOTES, "a", {}), Delete(NOTES, "b")]),
    "write_batch": lambda service: service.write_batch(NOTES, [{"_id": "a"}]),
    "prepare": lambda service: service.prepare(),
    "collections": lambda service: service.collections(),
    "ping": lambda service: service.ping(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_an_outage_is_never_an_absence_and_keeps_the_drivers_error(
    service: Frail, call: Callable[[DatabaseService], Any]
) -> None:
    service.gone = True
    with pytest.raises(Unavailable) as caught:
        call(service)
    assert isinstance(caught.value.__cause__, ConnectionResetError)
    assert "password" not in str(caught.value)
    assert (caught.value.retry_after, caught.value.outcome) == (2, None)
    service.gone = False
    assert ids_of(service, NOTES) == ["a", "b"]


def test_the_doctor_reports_an_outage_as_a_finding(service: Frail) -> None:
    service.gone = True
    (finding,) = service.doctor()
    assert not finding.ok
    assert finding.remedy


def test_a_conflict_is_told_even_when_the_database_goes_away_before_it_is_read_again(service: Frail) -> None:
    commit = service._commit

    def conflicting(writes: Any) -> Any:
        service.gone = True
        raise Conflict([(NOTES, "a")])

    service._commit = conflicting  # type: ignore[method-assign]
    with pytest.raises(Conflict) as caught:
        service.commit([Check(NOTES, "a", "x"), Check(NOTES, "b", "x")])
    assert caught.value.keys == ((NOTES, "a"),)
    service._commit = commit  # type: ignore[method-assign]


def test_a_conflict_is_told_even_when_there_is_no_room_to_read_again(
    service: Frail, monkeypatch: pytest.MonkeyPatch
) -> None:
    def conflicting(writes: Any) -> Any:
        raise Conflict([(NOTES, "a")])

    def throttled(keys: Any) -> Any:
        raise Throttled("The database asks for fewer requests.")

    monkeypatch.setattr(service, "_commit", conflicting)
    monkeypatch.setattr(service, "_read_together", throttled)
    with pytest.raises(Conflict) as caught:
        service.commit([Check(NOTES, "a", "x"), Check(NOTES, "b", "x")])
    assert caught.value.keys == ((NOTES, "a"),)


def test_a_list_is_read_in_chunks_as_it_is_used(service: Frail) -> None:
    fill(service, NOTES, {f"{n:05}": {} for n in range(3_000)})
    listing = service.list_all(NOTES)
    assert service.walked == []
    for _ in range(10):
        next(listing)
    assert len(service.walked) == 1
    assert sum(1 for _ in listing) > 2_900
    assert max(service.walked) <= 1_000


def test_a_page_reads_no_more_than_it_needs(service: Frail) -> None:
    fill(service, NOTES, {f"{n:05}": {"name": f"{n:05}", "kind": n % 2} for n in range(3_000)})
    for query in (
        Query(order_by=("name",), limit=20),
        Query(where=(where("kind").eq(1),), order_by=("name",), limit=20),
        Query(where=(where("kind").eq(5),), order_by=("name",), limit=20),
    ):
        service.walked.clear()
        service.query(NOTES, query)
        assert sum(service.walked) <= (20 if not query.where else 1_000), query


def test_the_public_names_are_there() -> None:
    promised = [
        "open_database",
        "get_database_service",
        "DatabaseService",
        "Query",
        "where",
        "Put",
        "Delete",
        "Check",
        "NotFound",
        "Conflict",
        "Unavailable",
        "InvalidDocument",
        "InvalidQuery",
        "TooLarge",
    ]
    assert [name for name in promised if not hasattr(app.db, name)] == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ("NotFound", 404),
        ("Conflict", 409),
        ("InvalidDocument", 400),
        ("InvalidQuery", 400),
        ("TooLarge", 413),
        ("Unavailable", 503),
    ],
)
def test_every_error_has_its_http_status(error: str, status: int) -> None:
    assert getattr(app.db, error).status == status
