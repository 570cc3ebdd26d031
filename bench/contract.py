"""The contract on SQLite files against the plain statements: get, single save, filtered and sorted page of 50."""

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from app.db import DatabaseService, Query, where
from app.db.scope import TenantDatabase
from bench.data import COLLECTION, PAGE, PATH, TENANT, documents, statuses
from bench.figures import Figure
from bench.files import fill, open_file, share_connection
from bench.harness import Effort, Run, measure
from bench.plain_sqlite import PlainSqlite

GOALS = {"get": 1.10, "save": 1.15, "page": 1.10}
METRICS_GOAL = 1.20
PLAIN, OURS, METERED, TENANT_VIEW = "plain", "metrics off", "metrics on", "tenant view"
Inputs = Callable[[random.Random, int], Sequence[Any]]


class Sides:
    """The plain statements and the services on one file, through one and the same connection.

    So nothing can differ but the code: pragmas, cached pages and the state of the log are shared. (With a connection
    each, a write of one drops the cached pages of the others; with a file each, the files' places on the disk differ.)
    """

    def __init__(self, path: Path, durability: str) -> None:
        self.off = open_file(path, durability=durability)
        self.on = open_file(path, durability=durability, metrics=True)
        self.plain = PlainSqlite(share_connection(self.off, self.on))
        self.view = TenantDatabase(self.off, TENANT)

    def empty_log(self) -> None:
        """Bring the log into the file. Done before each piece and not measured: it would come now and then, and add a
        hundred times a save's cost to whichever side is running. A first write, which begins the log anew and waits for
        the disk, is not measured either."""
        self.plain.connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        self.plain.connection.execute("UPDATE agents SET rev = rev WHERE n = 1")

    def close(self) -> None:
        """Close the connection."""
        self.off.close()


def run(folder: Path, number: int, effort: Effort) -> Iterator[Figure]:
    """Every figure of this group."""
    path = folder / "contract.db"
    sides = Sides(path, "normal")
    fill(sides.off, PATH, documents(number))
    ids = [id for id, _ in documents(number)]
    yield from _figures("get", "get", _gets(sides), _picks(ids), effort)
    yield from _figures("page", "page of 50, filtered and sorted", _pages(sides), _picks(statuses(number)), effort)
    yield from _figures("page", "next page of 50, after a cursor", *_next_pages(sides, statuses(number)), effort)
    for durability in ("normal", "full"):
        if durability == "full":
            sides.close()
            sides = Sides(path, durability)
        empty = sides.empty_log
        sides.plain.connection.execute("PRAGMA wal_autocheckpoint = 0")
        held = sides.off.get_many(PATH, ids)
        bare = {id: {key: held[id][key] for key in held[id] if key not in ("_id", "_rev")} for id in ids}
        yield from _figures("save", f"save with _rev, {durability}", _replaces(sides, held), _picks(ids), effort, empty)
        yield from _figures("save", f"save without _rev, {durability}", _saves(sides, bare), _picks(ids), effort, empty)
    sides.close()


def _figures(
    kind: str,
    title: str,
    runs: dict[str, Run],
    inputs: Inputs,
    effort: Effort,
    before: Callable[[], object] = lambda: None,
) -> Iterator[Figure]:
    rounds = measure(runs, inputs, effort, before=before, alike=True)

    def against_plain(side: str, goal: float | None) -> Figure:
        name = f"SQLite {title}, {side} / plain sqlite3"
        ours, theirs = rounds.in_microseconds(side), rounds.in_microseconds(PLAIN)
        return Figure.from_rounds(name, ours, theirs, "us", at_most=goal)

    yield against_plain(OURS, GOALS[kind])
    yield against_plain(METERED, METRICS_GOAL)
    yield against_plain(TENANT_VIEW, None)


def _picks(items: Sequence[str]) -> Inputs:
    return lambda chance, number: chance.choices(items, k=number)


def _gets(sides: Sides) -> dict[str, Run]:
    def ours(service: DatabaseService) -> Run:
        def run(ids: Sequence[str]) -> None:
            for id in ids:
                service.get(PATH, id)

        return run

    def view(ids: Sequence[str]) -> None:
        for id in ids:
            sides.view.get(COLLECTION, id)

    def plain(ids: Sequence[str]) -> None:
        for id in ids:
            sides.plain.get(TENANT, id)

    return {PLAIN: plain, OURS: ours(sides.off), METERED: ours(sides.on), TENANT_VIEW: view}


def _query(status: str, cursor: str | None = None) -> Query:
    return Query(where=(where("status").eq(status),), order_by=("name",), limit=PAGE, cursor=cursor)


def _pages(sides: Sides) -> dict[str, Run]:
    def ours(service: DatabaseService) -> Run:
        def run(values: Sequence[str]) -> None:
            for status in values:
                service.query(PATH, _query(status))

        return run

    def view(values: Sequence[str]) -> None:
        for status in values:
            sides.view.query(COLLECTION, _query(status))

    def plain(values: Sequence[str]) -> None:
        for status in values:
            sides.plain.page(TENANT, status)

    return {PLAIN: plain, OURS: ours(sides.off), METERED: ours(sides.on), TENANT_VIEW: view}


def _next_pages(sides: Sides, values: Sequence[str]) -> tuple[dict[str, Run], Inputs]:
    """Pages from the middle of a list; each side goes on from its own form of the same place."""
    places = []
    for status in values:
        _, after = sides.plain.page(TENANT, status)
        places.append((status, after, sides.off.query(PATH, _query(status)).cursor))

    def ours(service: DatabaseService) -> Run:
        def run(asked: Sequence[tuple[str, Any, str]]) -> None:
            for status, _, cursor in asked:
                service.query(PATH, _query(status, cursor))

        return run

    def view(asked: Sequence[tuple[str, Any, str]]) -> None:
        for status, _, cursor in asked:
            sides.view.query(COLLECTION, _query(status, cursor))

    def plain(asked: Sequence[tuple[str, Any, str]]) -> None:
        for status, after, _ in asked:
            sides.plain.page(TENANT, status, after)

    runs: dict[str, Run] = {PLAIN: plain, OURS: ours(sides.off), METERED: ours(sides.on), TENANT_VIEW: view}
    return runs, lambda chance, number: chance.choices(places, k=number)


def _saves(sides: Sides, by_id: dict[str, dict[str, Any]]) -> dict[str, Run]:
    def ours(service: DatabaseService) -> Run:
        def run(ids: Sequence[str]) -> None:
            for id in ids:
                service.save(PATH, id, by_id[id])

        return run

    def view(ids: Sequence[str]) -> None:
        for id in ids:
            sides.view.save(COLLECTION, id, by_id[id])

    def plain(ids: Sequence[str]) -> None:
        for id in ids:
            sides.plain.save(TENANT, id, by_id[id])

    return {PLAIN: plain, OURS: ours(sides.off), METERED: ours(sides.on), TENANT_VIEW: view}


def _replaces(sides: Sides, held: dict[str, dict[str, Any]]) -> dict[str, Run]:
    """Saves of documents as they were read, with the revision that the last save answered."""

    def ours(service: DatabaseService) -> Run:
        def run(ids: Sequence[str]) -> None:
            for id in ids:
                document = held[id]
                document["_rev"] = service.save(PATH, id, document)["rev"]

        return run

    def view(ids: Sequence[str]) -> None:
        for id in ids:
            document = held[id]
            document["_rev"] = sides.view.save(COLLECTION, id, document)["rev"]

    def plain(ids: Sequence[str]) -> None:
        for id in ids:
            document = held[id]
            document["_rev"] = sides.plain.save(TENANT, id, document)["rev"]

    return {PLAIN: plain, OURS: ours(sides.off), METERED: ours(sides.on), TENANT_VIEW: view}
