"""What the tests of transfers share: documents at every edge, what a database holds, a database that fails to order."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from app.db import Collection, DatabaseService, Index, Schema, open_database
from app.db.backends.memory import MemoryDatabase
from app.db.documents import LARGEST_FLOAT, MAX_BYTES, MAX_DEPTH, MAX_INTEGER, SMALLEST_FLOAT, Document, split_rev
from app.db.transfer.collections import is_machinery
from app.db.transfer.copying import CopyOptions, CopyReport, copy
from app.db.transfer.progress import Silent
from app.db.writes import Outcome
from tests.db.contract.hostile import IDS, INNER_KEYS, KEYS, SCALARS, TENANTS

SCHEMA: Final = Schema(
    [
        Collection("boats", "tenant", (Index("name"), Index("kind", "name"))),
        Collection("notes", "tenant"),
        Collection("harbours", "installation", (Index("name"),)),
    ]
)
Held = dict[tuple[str, str], Document]
"""Documents by path and id, with the revision's token alone."""


def sqlite(path: Path, schema: Schema = SCHEMA, **options: Any) -> DatabaseService:
    """A database in a file."""
    return open_database(f"sqlite:///{path}", schema, **options)


def held(service: DatabaseService) -> Held:
    """Everything a database holds, but for the machinery's; each document once, or the test fails."""
    found: Held = {}
    for collection in service.collections():
        if is_machinery(collection.name):
            continue
        after: str | None = None
        while True:
            page = service.scan(collection.name, after, 10_000)
            for path, document in page.documents:
                key = (path, document["_id"])
                assert key not in found, f"{key} is there twice"
                found[key] = {**document, "_rev": split_rev(document["_rev"])[0]}
            after = page.after
            if after is None:
                break
    return found


def carry(source: DatabaseService, target: DatabaseService, **options: Any) -> CopyReport:
    """Copy, with little patience."""
    return copy(source, target, CopyOptions(**{"patience": 5.0, **options}), Silent(), SCHEMA)


def fill(service: DatabaseService, path: str, documents: Iterable[Document]) -> None:
    """Write documents with their ``_id``; every one must be accepted."""
    outcomes = service.write_batch(path, documents)
    assert [outcome.error for outcome in outcomes if outcome.error] == []


def some(number: int, start: int = 0) -> list[Document]:
    """Documents of no interest."""
    return [
        {"_id": f"b{place:05}", "name": f"boat {place}", "kind": "tug" if place % 3 else "wherry", "n": place}
        for place in range(start, start + number)
    ]


def harbour(service: DatabaseService, boats: int = 25) -> None:
    """Two tenants and the installation, filled a little."""
    service.prepare(SCHEMA)
    for tenant in ("t1", "t2"):
        fill(service, f"{tenant}/boats", some(boats))
    fill(service, "t1/notes", some(3))
    fill(service, "harbours", some(2))


def edges(large: int = 1) -> list[Document]:
    """Documents at every edge of the contract; ``large`` of the largest ones."""
    deepest: Any = "bottom"
    for level in range(MAX_DEPTH):
        deepest = [deepest] if level % 2 else {"deeper": deepest}
    deepest = {"deepest": deepest}
    documents: list[Document] = [
        {"_id": "empty"},
        {"_id": "deepest", **deepest},
        {"_id": "scalars", "all": list(SCALARS)},
        {"_id": "keys", **{key: place for place, key in enumerate(KEYS)}},
        {"_id": "inner keys", "inner": {key: {key: place} for place, key in enumerate(INNER_KEYS)}},
        {"_id": "nested", "arrays": [[], [[]], [[[1, [2, [3]]]], []], [{"a": [[{}]]}]], "objects": {}},
        {"_id": "numbers", "n": [MAX_INTEGER, -MAX_INTEGER, LARGEST_FLOAT, -LARGEST_FLOAT, SMALLEST_FLOAT, 0.1 + 0.2]},
        {"_id": "empty text", "name": "", "kind": "", "texts": ["", [""], {"a": ""}]},
        {"_id": "indexed oddly", "name": [1], "kind": None},
    ]
    documents += [{"_id": f"largest {place}", "text": "x" * (MAX_BYTES - 200)} for place in range(large)]
    documents += [{"_id": id, "name": id[:100], "kind": "id"} for id in IDS]
    return documents


def edge_tenants() -> Sequence[str]:
    """Tenants with names that are patterns, prefixes and look-alikes of each other."""
    return TENANTS[::6]


class Faulty(MemoryDatabase):
    """A database in memory whose bulk writes, scans and saves are asked for permission first: ``judge`` may raise, or
    answer outcomes instead of the real ones."""

    def __init__(self, schema: Schema | None = None, **options: Any) -> None:
        super().__init__(schema, **options)
        self.judge: Callable[[str, str, int], None] = lambda what, name, number: None
        self.sizes: list[int] = []

    def scan(self, name: str, after: str | None = None, limit: int = 500) -> Any:
        self.judge("scan", name, limit)
        return super().scan(name, after, limit)

    def write_batch(
        self,
        collection: str,
        documents: Iterable[Document],
        keep_revisions: bool = False,
        only_newer: bool = False,
    ) -> list[Outcome]:
        given = list(documents)
        self.judge("write_batch", collection, len(given))
        self.sizes.append(len(given))
        return super().write_batch(collection, given, keep_revisions, only_newer)
