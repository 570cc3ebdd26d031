"""What an atomic commit of several documents costs on CouchDB, which has none: requests and time, beside a single save.

See commit_record.py for the protocol. It is information without a goal.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple

from app.db import Collection, DatabaseService, Put, Schema
from app.db.backends.couchdb_http import Session
from bench.data import TENANT, documents
from bench.figures import Figure
from bench.harness import Effort, Run, measure
from tests.db.couchdb_server import CouchBackend

SIZES: Final = (2, 10, 50, 100)
DATABASES: Final = 3
_COLLECTIONS: Final = tuple(f"ledger{place}" for place in range(DATABASES))
_SCHEMA: Final = Schema([Collection(name, "tenant") for name in _COLLECTIONS])
_SINGLE: Final = "one document"


class Shape(NamedTuple):
    """How many documents, spread over how many databases."""

    size: int
    databases: int

    def __str__(self) -> str:
        return f"{self.size} in {self.databases} database{'s' if self.databases > 1 else ''}"


def commit_figures(backend: CouchBackend, effort: Effort) -> Iterator[Figure]:
    """A figure for each shape: its time beside that of a commit of one document, with its requests as a note."""
    shapes = [Shape(size, databases) for size in SIZES for databases in (1, min(size, DATABASES))]
    with closing(backend.open(_SCHEMA)) as service:
        works = {str(shape): _commits(service, shape) for shape in shapes}
        requests = {name: _requests(service, work) for name, work in works.items()}
        sides: dict[str, Run] = {_SINGLE: _repeat(_commits(service, Shape(1, 1)))}
        sides |= {name: _repeat(work) for name, work in works.items()}
        rounds = measure(sides, lambda chance, number: range(number), effort)
        for name in works:
            yield Figure.from_rounds(
                f"CouchDB commit of {name} / {_SINGLE}",
                rounds.in_microseconds(name),
                rounds.in_microseconds(_SINGLE),
                "us",
                note=f"{requests[name]} requests",
            )


def _commits(service: DatabaseService, shape: Shape) -> Callable[[], None]:
    """A commit that replaces the same documents each time, with their revisions."""
    places = [f"{TENANT}/{_COLLECTIONS[place % shape.databases]}" for place in range(shape.size)]
    given = [(f"{shape} {id}", body) for id, body in documents(shape.size)]
    revs: list[Any] = [saved["rev"] for saved in _saved(service, places, given)]

    def commit() -> None:
        writes = [Put(path, *one, rev) for path, one, rev in zip(places, given, revs, strict=True)]
        revs[:] = [saved["rev"] for saved in service.commit(writes) if saved is not None]

    return commit


def _saved(service: DatabaseService, places: list[str], given: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    return [service.save(path, *one) for path, one in zip(places, given, strict=True)]


def _requests(service: DatabaseService, commit: Callable[[], None]) -> int:
    """The requests of a commit: the fewest of several, as now and then one tidies up after the others."""
    session: Session = service.session  # type: ignore[attr-defined]
    send, made = session.request, 0

    def request(*args: Any, **options: Any) -> Any:
        nonlocal made
        made += 1
        return send(*args, **options)

    session.request = request  # type: ignore[method-assign]
    counts = []
    for _ in range(3):
        made = 0
        commit()
        counts.append(made)
    session.request = send  # type: ignore[method-assign]
    return min(counts)


def _repeat(work: Callable[[], None]) -> Run:
    def run(inputs: Sequence[Any]) -> None:
        for _ in inputs:
            work()

    return run
