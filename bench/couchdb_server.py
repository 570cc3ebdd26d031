"""Round trips through the CouchDB backend against a client by hand and the ``couchdb`` package's, on the same server.

The server is the tests': the one that TEST_COUCHDB_URL names, or an installed one that is started here. By hand means
``http.client`` on one kept connection with orjson (peers/plain_couchdb.py): as many requests of the same form as ours
where revisions are at hand, and none of our checks. Last comes what an atomic commit of several documents costs.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple

from app.db import DatabaseService, Query, where
from bench.couchdb_commits import commit_figures
from bench.data import PAGE, PATH, SCHEMA, TENANT, documents, statuses
from bench.figures import Figure
from bench.harness import Effort, Run, measure
from bench.needs import need
from bench.peers import Document
from bench.peers.couchdb_package import CouchPackage
from bench.peers.plain_couchdb import PlainCouch
from tests.db.couchdb_server import CouchBackend, fresh_prefix, shared_url

GOAL: Final = 1.10
FEW_GOAL: Final = 0.4
BULK: Final = 100
COLUMNS: Final = ("name", "status", "updated_at")
OURS, PLAIN, BARE, FIND, PACKAGE = (
    "wherry",
    "http.client",
    "a view alone",
    "_find of whole documents",
    "couchdb package",
)
_LOAD: Final = 1_000
_HELD: Final = 2_000
"""How many documents are saved with the revision at hand."""

Inputs = Callable[[random.Random, int], Sequence[Any]]


class Case(NamedTuple):
    """What is measured: by side what does it once for an input, how inputs are drawn, and the goals by side."""

    title: str
    sides: dict[str, Callable[[Any], object]]
    inputs: Inputs
    goals: dict[str, float]


def run(folder: Path, number: int, effort: Effort) -> Iterator[Figure]:
    """Every figure of this group, over ``number`` documents; ``folder`` is not used."""
    need("couchdb")
    backend = CouchBackend(shared_url(), fresh_prefix(), "?timeout=60")
    name = f"{backend.prefix}-plain"  # among what is removed
    given = {id: {**document, "tenant": TENANT} for id, document in documents(number)}
    package = CouchPackage(backend.url, name)
    try:
        with closing(backend.open(SCHEMA)) as ours, closing(PlainCouch(backend.url, name)) as plain:
            _load(ours, plain, given)
            _check_same(ours, plain, package, given, statuses(number)[0])
            for case in (*_reads(ours, plain, package, given), *_writes(ours, plain, package, given)):
                yield from _figures(case, effort)
        yield from commit_figures(backend, effort)
    finally:
        backend.remove()


def _figures(case: Case, effort: Effort) -> Iterator[Figure]:
    rounds = measure({side: _repeat(work) for side, work in case.sides.items()}, case.inputs, effort)
    for side in case.sides:
        if side != OURS:
            yield Figure.from_rounds(
                f"CouchDB {case.title}, round trip, {OURS} / {side}",
                rounds.in_microseconds(OURS),
                rounds.in_microseconds(side),
                "us",
                at_most=case.goals.get(side),
            )


def _reads(
    ours: DatabaseService, plain: PlainCouch, package: CouchPackage, given: dict[str, Document]
) -> Iterator[Case]:
    yield Case(
        "get",
        {
            OURS: lambda id: ours.get(PATH, id),
            PLAIN: lambda id: plain.get(TENANT, id),
            PACKAGE: lambda id: package.get(TENANT, id),
        },
        _picks(list(given)),
        {PLAIN: GOAL},
    )
    values = _picks(statuses(len(given)))
    yield Case(
        f"page of {PAGE}",
        {
            OURS: lambda status: ours.query(PATH, _query(status)),
            PLAIN: lambda status: plain.page(TENANT, status),
            BARE: lambda status: plain.bare_page(TENANT, status),
            PACKAGE: lambda status: package.find(TENANT, status),
        },
        values,
        {PLAIN: GOAL},
    )
    yield Case(
        f"page of {PAGE} with {len(COLUMNS)} columns",
        {
            OURS: lambda status: ours.query(PATH, _query(status, COLUMNS)),
            FIND: lambda status: plain.find(TENANT, status),
        },
        values,
        {FIND: FEW_GOAL},
    )


def _writes(
    ours: DatabaseService, plain: PlainCouch, package: CouchPackage, given: dict[str, Document]
) -> Iterator[Case]:
    ids = list(given)
    held = {id: plain.get(TENANT, id) for id in ids[:_HELD]}
    carried = dict(list(held.items())[::2]), dict(list(held.items())[1::2])  # one's saves would be another's conflicts
    yield Case(
        "save with _rev",
        {
            OURS: _carrying(ours.get_many(PATH, carried[0]), lambda id, found: ours.save(PATH, id, found)["rev"]),
            PLAIN: _carrying(carried[0], lambda *one: plain.save(TENANT, *one)),
            PACKAGE: _carrying(carried[1], lambda *one: package.save(TENANT, *one)),
        },
        lambda chance, number: chance.choices(range(_HELD), k=number),
        {PLAIN: GOAL},
    )
    yield Case(
        "save without _rev",
        {
            OURS: lambda id: ours.save(PATH, id, given[id]),
            PLAIN: lambda id: plain.overwrite(TENANT, id, given[id]),
        },
        _picks(ids),
        {},
    )
    yield Case(
        f"bulk save of {BULK} new",
        {
            OURS: lambda batch: ours.write_batch(PATH, [{**document, "_id": id} for id, document in batch]),
            PLAIN: lambda batch: plain.insert_many(TENANT, batch),
            PACKAGE: lambda batch: package.insert_many(TENANT, batch),
        },
        _new_batches(list(given.values())),
        {PLAIN: GOAL},
    )
    yield Case(
        f"bulk save of {BULK} that exist",
        {
            OURS: lambda ids: ours.write_batch(PATH, [{**given[id], "_id": id} for id in ids]),
            PLAIN: lambda ids: plain.replace_many(TENANT, [(id, given[id]) for id in ids]),
        },
        lambda chance, number: [chance.sample(ids, BULK) for _ in range(number)],
        {PLAIN: GOAL},
    )


def _carrying(held: dict[str, Document], save: Callable[[str, Document], str]) -> Callable[[int], None]:
    """Saves of documents as they were read, with the revision that the last save answered; chosen by their place."""
    ids = list(held)

    def work(place: int) -> None:
        id = ids[place % len(ids)]
        held[id]["_rev"] = save(id, held[id])

    return work


def _new_batches(bodies: list[Document]) -> Inputs:
    numbers = count()
    return lambda chance, number: [
        [(f"new-{next(numbers):08}", body) for body in chance.choices(bodies, k=BULK)] for _ in range(number)
    ]


def _picks(items: Sequence[str]) -> Inputs:
    return lambda chance, number: chance.choices(items, k=number)


def _query(status: str, fields: tuple[str, ...] | None = None) -> Query:
    return Query(where=(where("status").eq(status),), order_by=("name",), limit=PAGE, fields=fields)


def _repeat(work: Callable[[Any], object]) -> Run:
    def run(inputs: Sequence[Any]) -> None:
        for one in inputs:
            work(one)

    return run


def _load(ours: DatabaseService, plain: PlainCouch, given: dict[str, Document]) -> None:
    plain.create()
    ours.prepare()
    items = list(given.items())
    for start in range(0, len(items), _LOAD):
        part = items[start : start + _LOAD]
        plain.insert_many(TENANT, part)
        for outcome in ours.write_batch(PATH, [{**document, "_id": id} for id, document in part]):
            if outcome.error is not None:
                raise outcome.error
    ours.prepare()  # waits until the index is built; asking for a page does that for the plain database


def _check_same(
    ours: DatabaseService, plain: PlainCouch, package: CouchPackage, given: dict[str, Document], status: str
) -> None:
    """Raise unless all answer the same page and the same document."""
    names = [document["name"] for document in ours.query(PATH, _query(status)).documents]
    pages = (plain.page(TENANT, status)[0], plain.bare_page(TENANT, status)[0], plain.find(TENANT, status))
    for page in (*pages, package.find(TENANT, status)):
        if [document["name"] for document in page] != names:
            raise AssertionError("the pages differ")
    id = next(iter(given))
    for found in (ours.get(PATH, id), plain.get(TENANT, id), package.get(TENANT, id)):
        if any(found[key] != value for key, value in given[id].items()):
            raise AssertionError("the documents differ")
