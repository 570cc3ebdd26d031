"""Embedded document stores: TinyDB, montydb, mongita. No tenant and no revision: they do less than ours."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mongita
import montydb
import tinydb

from bench.data import PAGE
from bench.peers import Document


class TinyDb:
    """One JSON file, read and written whole by every call; get by a condition on the id, its nearest equivalent."""

    title = "TinyDB"
    at_most = 1_000
    note = "1,000 documents: reads or writes the whole file each time, unsynchronised"

    def load(self, folder: Path, documents: Iterable[tuple[str, Document]]) -> None:
        self.database = tinydb.TinyDB(folder / "tinydb.json")
        self.database.insert_multiple({**document, "_id": id} for id, document in documents)

    def get(self, id: str) -> Document:
        found: Any = self.database.get(tinydb.where("_id") == id)
        return dict(found)

    def put(self, id: str, document: Document) -> None:
        self.database.upsert({**document, "_id": id}, tinydb.where("_id") == id)

    def page(self, status: str) -> list[Document]:
        found = self.database.search(tinydb.where("status") == status)
        return sorted(found, key=lambda document: (document["name"], document["_id"]))[:PAGE]

    def close(self) -> None:
        self.database.close()


class _LikeMongo:
    collection: Any

    def get(self, id: str) -> Document:
        found: Document = self.collection.find_one({"_id": id})
        return found

    def put(self, id: str, document: Document) -> None:
        self.collection.replace_one({"_id": id}, {**document, "_id": id}, upsert=True)

    def close(self) -> None:
        self.client.close()  # type: ignore[attr-defined]


class MontyDb(_LikeMongo):
    """Its SQLite storage, the fastest of its durable ones."""

    title = "montydb"
    at_most = 2_000
    note = "2,000 documents: it has no indexes"

    def load(self, folder: Path, documents: Iterable[tuple[str, Document]]) -> None:
        repository = str(folder / "monty")
        montydb.set_storage(repository, storage="sqlite", use_bson=False, journal_mode="WAL")
        self.client = montydb.MontyClient(repository, synchronous=1)
        self.collection = self.client.bench.agents
        self.collection.insert_many([{**document, "_id": id} for id, document in documents])

    def page(self, status: str) -> list[Document]:
        return list(self.collection.find({"status": status}).sort([("name", 1), ("_id", 1)]).limit(PAGE))


class Mongita(_LikeMongo):
    """On disk, with its index on the filtered field; it sorts what it found."""

    title = "mongita"
    at_most = 2_000
    note = "2,000 documents: a write takes its whole index to the disk"

    def load(self, folder: Path, documents: Iterable[tuple[str, Document]]) -> None:
        self.client = mongita.MongitaClientDisk(str(folder / "mongita"))
        self.collection = self.client.bench.agents
        self.collection.insert_many([{**document, "_id": id} for id, document in documents])
        self.collection.create_index("status")

    def page(self, status: str) -> list[Document]:
        return list(self.collection.find({"status": status}).sort("name", 1).limit(PAGE))
