"""Round trips through the DynamoDB backend against boto3's client and PynamoDB, on the same server in one run.

The server is the tests': the one that TEST_DYNAMODB_URL names, or a DynamoDB Local that is started here on a free port.
The others have a table with the same documents, and an index that serves the same list. All sides take turns in the
same rounds. Floats are made Decimals for boto3 beforehand, unmeasured.
"""

import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from app.db import DatabaseService, Query, open_database, where
from bench.data import PAGE, PATH, SCHEMA, documents, statuses
from bench.figures import Figure
from bench.harness import Effort, Run, measure
from bench.needs import need
from bench.peers.plain_dynamodb import Boto3, DynamoPeer, Place, chunks
from bench.peers.pynamodb_peer import PynamoDb
from tests.db.dynamodb_server import DynamoBackend, fresh_prefix, shared_url

GOALS = {"boto3": 1.10, "PynamoDB": 1.0}
OURS = "wherry"
BULK, MANY = 100, 100
Given = dict[str, dict[str, Any]]
Work = Callable[[Any], object]


def run(folder: Path, number: int, effort: Effort) -> Iterator[Figure]:
    """Every figure of this group, over ``number`` documents; ``folder`` is not used."""
    need("dynamodb")
    url = shared_url()
    backend = DynamoBackend(url, fresh_prefix())
    raw = Boto3(place_of(url, f"bench-{uuid.uuid4().hex[:12]}"))
    peers: list[DynamoPeer] = [raw, PynamoDb(place_of(url, raw.table))]
    given = dict(islice(documents(number), number))
    what = "round trip" if effort.clock is perf_counter else "client CPU on a server"
    raw.create()
    try:
        with closing(open_database(urlsplit(url)._replace(path=f"/{backend.prefix}").geturl(), SCHEMA)) as ours:
            for ids in chunks(list(given), 1_000):
                ours.write_batch(PATH, [{**given[id], "_id": id} for id in ids])
            raw.save_many((id, raw.taken(document)) for id, document in given.items())
            for peer in peers:
                check_same(ours, peer, list(given)[:MANY], statuses(number)[0])
            works = [_ours(ours, given), *(_theirs(peer, given) for peer in peers)]
            titles = [OURS, *(peer.title for peer in peers)]
            for title, inputs in _inputs(list(given), statuses(number)).items():
                sides = {side: _repeat(work[title]) for side, work in zip(titles, works, strict=True)}
                rounds = measure(sides, partial(_picks, inputs), effort)
                for peer in peers:
                    yield Figure.from_rounds(
                        f"DynamoDB {title}, {what}, {OURS} / {peer.title}",
                        rounds.in_microseconds(OURS),
                        rounds.in_microseconds(peer.title),
                        "us",
                        at_most=GOALS[peer.title],
                    )
    finally:
        raw.remove()
        backend.remove()


def place_of(url: str, table: str) -> Place:
    """Where a table is on the server of a ``dynamodb://`` URL."""
    parts = urlsplit(url)
    (endpoint,) = parse_qs(parts.query).get("endpoint", [""])
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Place(table, parts.hostname, endpoint or None, user or None, password or None)


def check_same(ours: DatabaseService, peer: DynamoPeer, ids: list[str], status: str) -> None:
    """Raise unless both answer the same page and the same documents."""
    page = ours.query(PATH, _query(status)).documents
    found = [peer.plain(one) for one in peer.page(status, PAGE)]
    if [one["_id"] for one in page] != [one["id"] for one in found]:
        raise AssertionError(f"{peer.title} answers another page")
    many = {one["id"]: one for one in map(peer.plain, peer.get_many(ids))}
    if sorted(many) != sorted(ids):
        raise AssertionError(f"{peer.title} answers other documents to a batch get")
    for id, document in ours.get_many(PATH, ids).items():
        for other in (many[id], peer.plain(peer.get(id))):
            if any(other.get(key) != value for key, value in document.items() if key[0] != "_"):
                raise AssertionError(f"{peer.title} answers another document")


def _inputs(ids: list[str], values: list[str]) -> dict[str, list[Any]]:
    """What is measured, each with the inputs that its calls choose among."""
    return {
        "get": ids,
        "save": ids,
        f"bulk save of {BULK}": list(chunks(ids, BULK))[: len(ids) // BULK],
        f"page of {PAGE}": values,
        f"get_many of {MANY}": list(chunks(ids, MANY))[: len(ids) // MANY],
    }


def _ours(service: DatabaseService, given: Given) -> dict[str, Work]:
    return {
        "get": lambda id: service.get(PATH, id),
        "save": lambda id: service.save(PATH, id, given[id]),
        f"bulk save of {BULK}": lambda ids: service.write_batch(PATH, [{**given[id], "_id": id} for id in ids]),
        f"page of {PAGE}": lambda status: service.query(PATH, _query(status)),
        f"get_many of {MANY}": lambda ids: service.get_many(PATH, ids),
    }


def _theirs(peer: DynamoPeer, given: Given) -> dict[str, Work]:
    taken = {id: peer.taken(document) for id, document in given.items()}
    return {
        "get": peer.get,
        "save": lambda id: peer.save(id, taken[id]),
        f"bulk save of {BULK}": lambda ids: peer.save_many([(id, taken[id]) for id in ids]),
        f"page of {PAGE}": lambda status: peer.page(status, PAGE),
        f"get_many of {MANY}": peer.get_many,
    }


def _query(status: str) -> Query:
    return Query(where=(where("status").eq(status),), order_by=("name",), limit=PAGE)


def _repeat(work: Work) -> Run:
    def run(inputs: Sequence[Any]) -> None:
        for one in inputs:
            work(one)

    return run


def _picks(inputs: Sequence[Any], chance: random.Random, number: int) -> list[Any]:
    return chance.choices(inputs, k=number)
