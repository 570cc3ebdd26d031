"""Firestore: what a page costs one tenant when the others grow, by the clock and in documents read, which it charges.

Google's emulator has no indexes: it walks through the documents of a whole database, whoever's they are, and compares
those of the collection's name. So a page's time grows there for any client, Google's own beside ours, and says nothing
of Firestore. With the emulator the time is information, and the goals are the client's CPU and the documents read,
which is what Firestore charges and what its time depends on; with a real Firestore the time has the goal too.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import monotonic, thread_time
from typing import Any

from app.db import DatabaseService, open_database
from app.db.backends.firestore import FirestoreDatabase
from app.db.backends.firestore_client import FirestoreClient
from bench.data import COLLECTION, PAGE, SCHEMA, TENANT
from bench.figures import Figure
from bench.firestore_server import _client
from bench.growing import LARGE, SMALL, Evidence, Grown, grow, measure_pages, read_figure, time_figure
from bench.harness import Effort, Run
from bench.needs import need
from tests.db.firestore_server import fresh_backend, shared_url

_PATIENCE = {"deadline": 60.0, "lease": 3_600.0}
_NO_INDEX = "the emulator walks through everybody's documents"


def run(folder: Path, number: int, effort: Effort) -> Iterator[Figure]:
    """Every figure of this group; ``number`` is what the others grow to, ``folder`` is not used."""
    need("firestore")
    backends = {side: fresh_backend(shared_url()) for side in (SMALL, LARGE)}
    clients = {side: _client(backend.url) for side, backend in backends.items()}
    try:
        with (
            closing(open_database(backends[SMALL].url, SCHEMA, **_PATIENCE)) as before,
            closing(open_database(backends[LARGE].url, SCHEMA, **_PATIENCE)) as after,
        ):
            grown = grow(before, after, number)
            yield from _times(grown, clients, effort)
            yield read_figure("Firestore", grown, look)
    finally:
        for client in clients.values():
            client.close()
        for backend in backends.values():
            backend.remove()


def _times(grown: Grown, clients: dict[str, Any], effort: Effort) -> Iterator[Figure]:
    client: FirestoreClient = grown.services[SMALL]._client  # type: ignore[attr-defined]
    if not client.emulator:
        yield time_figure("Firestore", grown, measure_pages(grown, effort))
        return
    # A call takes long, and the harness plans by the time that it measures: few calls, therefore.
    few = replace(effort, rounds=min(effort.rounds, 15), pieces=1, piece_seconds=1e-5, clock=thread_time)
    yield time_figure("Firestore, client CPU,", grown, measure_pages(grown, few))
    theirs = {f"their {side}": _reads(client, grown.services[side]) for side, client in clients.items()}
    rounds = measure_pages(grown, effort, theirs)
    yield time_figure("Firestore emulator", grown, rounds, goal=None, note=_NO_INDEX)
    large, small = (rounds.in_microseconds(f"their {side}") for side in (LARGE, SMALL))
    name = f"Firestore emulator, google-cloud-firestore's page, {grown.sizes}"
    yield Figure.from_rounds(name, large, small, "us", note=_NO_INDEX)


def _reads(client: Any, service: DatabaseService) -> Run:
    """Google's client on the same documents: the first page, whatever the place."""
    from google.cloud.firestore_v1.base_query import FieldFilter

    assert isinstance(service, FirestoreDatabase)
    root = service._paths.root.partition("/documents/")[2]
    collection = client.collection(*root.split("/"), "tenants", TENANT, COLLECTION)
    query = collection.where(filter=FieldFilter("status", "==", "open")).order_by("name").limit(PAGE + 1)

    def run(places: Sequence[int]) -> None:
        for _ in places:
            assert len([snapshot.to_dict() for snapshot in query.stream()]) == PAGE + 1

    return run


def look(service: DatabaseService, ask: Callable[[], None]) -> Evidence:
    """The documents that Firestore streams, below which parent each query looks, and where Firestore explains itself
    (the emulator does not), how many it read."""
    client: FirestoreClient = service._client  # type: ignore[attr-defined]
    streamed, explained = 0, 0
    parents: set[str] = set()
    for request in _asked(client, ask):
        (selector,) = request.structured_query.from_
        _require(not selector.all_descendants, "all tenants")
        parents.add(request.parent)
        request.explain_options.analyze = True
        (parts,) = client.stream("RunQuery", [request], monotonic() + 60.0)
        names = [part.document.name for part in parts if part.HasField("document")]
        below = f"{request.parent}/{selector.collection_id}/"
        _require(all(name.startswith(below) for name in names), "what is not below the parent")
        streamed += len(names)
        for part in parts:
            if part.HasField("explain_metrics"):
                explained += part.explain_metrics.execution_stats.read_operations
    (parent,) = parents
    _require(parent.endswith(f"/tenants/{TENANT}"), parent)
    below = parent.partition("/documents/")[2]
    told = f"; by Firestore's explanation: {explained} reads" if explained else ""
    return Evidence(explained or streamed, "documents", f"what was streamed: {streamed}, all below {below}{told}")


def _asked(client: FirestoreClient, ask: Callable[[], None]) -> list[Any]:
    """Every query that was sent."""
    seen: list[Any] = []
    send = client.stream_some

    def stream_some(name: str, request: Any, end: float, *bounds: float) -> tuple[list[Any], bool]:
        seen.append(request)
        return send(name, request, end, *bounds)

    client.stream_some = stream_some  # type: ignore[method-assign]
    try:
        ask()
    finally:
        client.stream_some = send  # type: ignore[method-assign]
    return seen


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(f"Firestore reads {otherwise} for a page of {TENANT!r}")
