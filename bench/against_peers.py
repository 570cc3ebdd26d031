"""The contract on SQLite files against other libraries on the same documents: get, committed put, page of 50.

A peer that would take too long gets fewer documents, and ours then has the same few. All SQL libraries and ours write
with WAL and ``synchronous = NORMAL``; TinyDB and mongita do not wait for the disk at all.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.db import Query, where
from bench.data import PAGE, PATH, documents, statuses
from bench.figures import Figure
from bench.files import fill, open_file
from bench.harness import Effort, Run, measure
from bench.peers import Peer
from bench.peers.document_stores import Mongita, MontyDb, TinyDb
from bench.peers.peewee_peer import Peewee
from bench.peers.sqlalchemy_peers import Core, Orm

PEERS: tuple[type[Peer], ...] = (Core, Orm, Peewee, TinyDb, MontyDb, Mongita)
SECONDS = 20.0
"""For all rounds of one comparison."""


class Ours:
    """The service, with the methods of a peer."""

    title = "ours"
    at_most = 0
    note = ""

    def __init__(self, path: Path) -> None:
        self.service = open_file(path)

    def get(self, id: str) -> dict[str, Any]:
        return self.service.get(PATH, id)

    def put(self, id: str, document: dict[str, Any]) -> None:
        self.service.save(PATH, id, document)

    def page(self, status: str) -> list[dict[str, Any]]:
        query = Query(where=(where("status").eq(status),), order_by=("name",), limit=PAGE)
        return self.service.query(PATH, query).documents


def run(folder: Path, number: int, effort: Effort) -> Iterator[Figure]:
    """Every figure of this group."""
    effort = replace(effort, limit=min(effort.limit, SECONDS))
    for size in sorted({min(number, peer.at_most) for peer in PEERS}, reverse=True):
        held = list(documents(size))
        ours = Ours(folder / f"ours-{size}.db")
        fill(ours.service, PATH, held)
        for peer in [make() for make in PEERS if min(number, make.at_most) == size]:
            peer.load(folder, held)
            check_same(ours, peer, size)
            yield from _figures(ours, peer, held, effort)
            peer.close()
        ours.service.close()


def check_same(ours: Ours, peer: Peer, size: int) -> None:
    """Raise unless both answer the same documents in the same order."""
    status = statuses(size)[0]
    expected = [document["_id"] for document in ours.page(status)]
    found = peer.page(status)
    if [str(document["_id"]) for document in found] != expected:
        raise AssertionError(f"{peer.title} answers another page")
    one, other = ours.get(expected[0]), peer.get(expected[0])
    if any(one[field] != other[field] for field in one if field != "_rev"):
        raise AssertionError(f"{peer.title} answers another document")


def _figures(ours: Ours, peer: Peer, held: list[tuple[str, dict[str, Any]]], effort: Effort) -> Iterator[Figure]:
    ids = [id for id, _ in held]

    def some_ids(chance: random.Random, number: int) -> Sequence[str]:
        return chance.choices(ids, k=number)

    def some_documents(chance: random.Random, number: int) -> Sequence[tuple[str, dict[str, Any]]]:
        return chance.choices(held, k=number)

    def some_statuses(chance: random.Random, number: int) -> Sequence[str]:
        return chance.choices(statuses(len(held)), k=number)

    for title, make, inputs in (
        ("get", _gets, some_ids),
        ("committed put", _puts, some_documents),
        ("page of 50, filtered and sorted", _pages, some_statuses),
    ):
        rounds = measure({"ours": make(ours), "theirs": make(peer)}, inputs, effort)
        figure = Figure.from_rounds(
            f"SQLite {title} / {peer.title}",
            rounds.in_microseconds("ours"),
            rounds.in_microseconds("theirs"),
            "us",
            at_most=1.0,
            note=peer.note,
        )
        yield replace(figure, note=f"{1 / figure.ratio:,.1f} times as fast" + (f"; {peer.note}" if peer.note else ""))


def _gets(peer: Peer | Ours) -> Run:
    def run(ids: Sequence[str]) -> None:
        for id in ids:
            peer.get(id)

    return run


def _puts(peer: Peer | Ours) -> Run:
    def run(documents: Sequence[tuple[str, dict[str, Any]]]) -> None:
        for id, document in documents:
            peer.put(id, document)

    return run


def _pages(peer: Peer | Ours) -> Run:
    def run(values: Sequence[str]) -> None:
        for status in values:
            peer.page(status)

    return run
