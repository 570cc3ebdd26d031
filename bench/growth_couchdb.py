"""CouchDB: what a page costs one tenant when the others grow, and which rows and documents CouchDB reads for it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from app.db import DatabaseService
from app.db.backends.couchdb_http import Session
from app.db.backends.http_pool import Reply
from bench.data import SCHEMA, TENANT
from bench.figures import Figure
from bench.growing import MATCHING, Evidence, grow, measure_pages, read_figure, time_figure
from bench.harness import Effort
from bench.needs import need
from tests.db.couchdb_server import CouchBackend, fresh_prefix, shared_url

_COUNTER = "/_node/_local/_stats/couchdb/database_reads"


def run(folder: Path, number: int, effort: Effort) -> Iterator[Figure]:
    """Every figure of this group; ``number`` is what the others grow to, ``folder`` is not used."""
    need("couchdb")
    small, large = (CouchBackend(shared_url(), fresh_prefix(), "?timeout=60") for _ in range(2))
    try:
        with closing(small.open(SCHEMA)) as before, closing(large.open(SCHEMA)) as after:
            grown = grow(before, after, number)
            yield time_figure("CouchDB", grown, measure_pages(grown, effort))
            yield read_figure("CouchDB", grown, look)
    finally:
        small.remove()
        large.remove()


def look(service: DatabaseService, ask: Callable[[], None]) -> Evidence:
    """The rows that CouchDB answers, the whole range of keys that they come from as CouchDB itself counts and lists it,
    and its counter of documents that were read. (A view has no ``_explain``: it reads from a key to a key.)"""
    session: Session = service.session  # type: ignore[attr-defined]
    rows, reads = 0, _documents_read(session)
    ranges: set[tuple[str, str, str]] = set()
    for path, query, result in _asked(session, ask):
        for row in result["rows"]:
            _require(row["id"].startswith(f"{TENANT}:"), f"a row of {row['id']}")
        rows += len(result["rows"])
        if "key" not in query:  # that is the question for commits in flight
            ranges.add((path, query["start_key"], query["end_key"]))
    reads_after = _documents_read(session)
    path, start, end = min(ranges)
    view = f"{path}?start_key={_json(start)}&end_key={_json(end)}&inclusive_end=false"
    held = session.json("GET", f"{view}&reduce=true")["rows"][0]["value"]
    owners = {row["id"].partition(":")[0] for row in session.json("GET", f"{view}&reduce=false")["rows"]}
    _require(owners == {TENANT} and held == MATCHING, f"{held} rows of {sorted(owners)} between {start} and {end}")
    seen = f"CouchDB's count from {start} to {end}: {held} rows, all of the tenant's"
    if reads is not None and reads_after is not None:
        seen += f"; by its counter of documents read: {reads_after - reads} beside the rows"
    return Evidence(rows, "rows", seen)


def _asked(session: Session, ask: Callable[[], None]) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each query that was made of a view, with the view's path and CouchDB's result."""
    seen: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
    send = session.request

    def request(method: str, path: str, body: bytes = b"", **options: Any) -> Reply:
        reply = send(method, path, body, **options)
        _require("/_view/" in path, f"another request: {method} {path}")
        asked, answer = orjson.loads(body), orjson.loads(reply.body)
        pairs = zip(asked.get("queries", [asked]), answer.get("results", [answer]), strict=True)
        seen.extend((path.removesuffix("/queries"), *pair) for pair in pairs)
        return reply

    session.request = request  # type: ignore[method-assign]
    try:
        ask()
    finally:
        session.request = send  # type: ignore[method-assign]
    return seen


def _documents_read(session: Session) -> int | None:
    """How many documents CouchDB has read so far; None where we may not ask."""
    reply = session.request("GET", _COUNTER, safe=True)
    return int(orjson.loads(reply.body)["value"]) if reply.status == 200 else None


def _json(text: str) -> str:
    return quote(orjson.dumps(text))


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(f"CouchDB reads {otherwise} for a page of {TENANT!r}")
