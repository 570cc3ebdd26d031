"""DynamoDB: what a page costs one tenant when the others grow, by the clock and in capacity, which DynamoDB charges."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from app.db import DatabaseService
from app.db.backends.dynamodb_client import Client
from bench.data import SCHEMA, TENANT
from bench.figures import Figure
from bench.growing import Evidence, grow, measure_pages, read_figure, time_figure
from bench.harness import Effort
from bench.needs import need
from tests.db.dynamodb_server import DynamoBackend, fresh_prefix, shared_url

_PATIENCE = {"timeout": 60.0, "lease": 3_600.0, "grace": 5.0}


def run(folder: Path, number: int, effort: Effort) -> Iterator[Figure]:
    """Every figure of this group; ``number`` is what the others grow to, ``folder`` is not used."""
    need("dynamodb")
    small, large = (DynamoBackend(shared_url(), fresh_prefix(), **_PATIENCE) for _ in range(2))
    try:
        with closing(small.open(SCHEMA)) as before, closing(large.open(SCHEMA)) as after:
            grown = grow(before, after, number)
            yield time_figure("DynamoDB", grown, measure_pages(grown, effort))
            yield read_figure("DynamoDB", grown, look)
    finally:
        small.remove()
        large.remove()


def look(service: DatabaseService, ask: Callable[[], None]) -> Evidence:
    """The capacity that DynamoDB says it consumed, and that it examined no item that it did not answer."""
    client: Client = service._client  # type: ignore[attr-defined]
    units, examined = 0.0, 0
    for operation, payload in _asked(client, ask):
        _require(operation == "Query", f"a {operation}")
        answer = client.call(operation, {**payload, "ReturnConsumedCapacity": "INDEXES"})
        consumed = answer["ConsumedCapacity"]
        (index,) = consumed["GlobalSecondaryIndexes"].values()
        _require(consumed["Table"]["CapacityUnits"] == 0, "the table, and not only its index,")
        _require(answer["ScannedCount"] == answer["Count"], "items that it does not answer")
        _require(all(item["~tenant"]["S"] == TENANT for item in answer["Items"]), "another tenant's items")
        units += index["CapacityUnits"]
        examined += answer["ScannedCount"]
    seen = (
        f"the capacity consumed, {units:g} units of the index and none of the table, for {examined} items: the answer"
    )
    return Evidence(units, "units", seen)


def _asked(client: Client, ask: Callable[[], None]) -> list[tuple[str, dict[str, Any]]]:
    """Each request that was made, by its operation and payload."""
    seen: list[tuple[str, dict[str, Any]]] = []
    send = client.call

    def call(operation: str, payload: dict[str, Any], *options: Any) -> dict[str, Any]:
        seen.append((operation, dict(payload)))
        return send(operation, payload, *options)

    client.call = call  # type: ignore[method-assign, assignment]
    try:
        ask()
    finally:
        client.call = send  # type: ignore[method-assign]
    return seen


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(f"DynamoDB reads {otherwise} for a page of {TENANT!r}")
