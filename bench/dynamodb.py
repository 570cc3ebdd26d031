"""Client CPU of DynamoDB against boto3's client with its TypeSerializer and TypeDeserializer, and against PynamoDB.

All sides are answered in-process: the others by botocore's HTTP session, ours by a socket that answers at once, so that
our reading of HTTP is measured and theirs is not. Floats, which boto3 refuses, are made Decimals for it beforehand. Our
side does more: it checks documents, computes index keys, and answers JSON values instead of Decimals or models.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from app.db import Query, where
from app.db.backends.dynamodb import DynamoDatabase
from app.db.backends.dynamodb_layout import Table
from app.db.backends.http_pool import Pool
from app.db.index_registry import Entry
from app.db.names import Name
from bench.data import COLLECTION, PATH, SCHEMA, TENANT, documents
from bench.dynamodb_answers import AnsweringSession, AnsweringSocket, reusable
from bench.figures import Figure
from bench.harness import Effort, Run, measure
from bench.peers.plain_dynamodb import Boto3, DynamoPeer, Place, item_of, with_decimals
from bench.peers.pynamodb_peer import PynamoDb

PAGE, BATCH, MANY = 100, 25, 100
GOALS = {
    "boto3": {"get": 0.9, "save": 0.9, f"page of {PAGE}": 0.35, f"batch of {BATCH}": 0.5},
    "PynamoDB": dict.fromkeys(("get", "save", f"page of {PAGE}", f"batch of {BATCH}", f"get_many of {MANY}"), 1.0),
}
OURS = "ours"
NAME = Name(TENANT, COLLECTION)
KEY = ("key", "secret")
REGION, ENDPOINT = "eu-central-1", "http://127.0.0.1:8000"
Works = dict[str, Callable[[int], object]]


def run(folder: Path, number: int, effort: Effort) -> Iterator[Figure]:
    """Every figure of this group."""
    world = World(max(number, PAGE))
    place = Place("plain", REGION, ENDPOINT, *KEY)
    peers: list[DynamoPeer] = [Boto3(place), PynamoDb(place)]
    works = {OURS: world.ours(), **{peer.title: world.theirs(peer) for peer in peers}}
    for name in works[OURS]:
        sides = {title: _repeat(work[name]) for title, work in works.items()}
        rounds = measure(sides, lambda chance, count: [chance.randrange(PAGE) for _ in range(count)], effort)
        for peer in peers:
            yield Figure.from_rounds(
                f"DynamoDB {name}, client / {peer.title}",
                rounds.in_microseconds(OURS),
                rounds.in_microseconds(peer.title),
                "us",
                at_most=GOALS[peer.title].get(name),
            )
    world.close()


class World:
    """Documents, the answers that DynamoDB would give about them, and our client."""

    def __init__(self, number: int) -> None:
        index = SCHEMA.get(COLLECTION)
        assert index is not None
        entry = Entry(COLLECTION, "tenant", index.indexes, index.indexes)
        table = Table("wherry", entry)
        self.bodies = list(documents(number))[:PAGE]
        items = [table.item(NAME, id, f"{place:024x}", body) for place, (id, body) in enumerate(self.bodies)]
        self._answers = {table.name: Answers(table.name, items)}
        plain = [item_of(id, with_decimals(body)) for id, body in self.bodies]
        self._answers["plain"] = Answers("plain", plain)
        key, secret = KEY
        self._db = DynamoDatabase(
            SCHEMA,
            prefix="wherry",
            region=REGION,
            endpoint=ENDPOINT,
            access_key=key,
            secret_key=secret,
            lease=1e9,
        )
        self._socket = AnsweringSocket(self._answers[table.name].next)
        pool = Pool("127.0.0.1", 8000, tls=None, connect_timeout=1.0)
        pool.give(reusable(self._socket))
        self._db._client.__dict__["_pool"] = pool
        self._db._catalogue.read_entry = lambda name: entry.encode()  # type: ignore[method-assign]

    def close(self) -> None:
        """Give the sockets back."""
        self._db.close()
        self._socket.end()

    def ours(self) -> Works:
        """Our operations, by figure."""
        db, bodies = self._db, self.bodies
        status = bodies[0][1]["status"]
        batch = [{**body, "_id": id} for id, body in bodies[:BATCH]]
        ids = [id for id, _ in bodies[:MANY]]
        return {
            "get": lambda n: db.get(PATH, bodies[n][0]),
            "save": lambda n: db.save(PATH, *bodies[n]),
            f"page of {PAGE}": lambda n: db.query(
                PATH, Query(where=(where("status").eq(status),), order_by=("name",), limit=PAGE)
            ),
            f"batch of {BATCH}": lambda n: db.write_batch(PATH, batch),
            f"get_many of {MANY}": lambda n: db.get_many(PATH, ids),
        }

    def theirs(self, peer: DynamoPeer) -> Works:
        """The same with another library."""
        peer.answer_by(AnsweringSession(self._answers["plain"].next))
        bodies = [(id, peer.taken(body)) for id, body in self.bodies]
        status = bodies[0][1]["status"]
        ids = [id for id, _ in bodies[:MANY]]
        return {
            "get": lambda n: peer.get(bodies[n][0]),
            "save": lambda n: peer.save(*bodies[n]),
            f"page of {PAGE}": lambda n: peer.page(status, PAGE),
            f"batch of {BATCH}": lambda n: peer.save_many(bodies[:BATCH]),
            f"get_many of {MANY}": lambda n: peer.get_many(ids),
        }


class Answers:
    """What DynamoDB answers about the items of one table, by operation; a get answers one item after the other."""

    def __init__(self, table: str, items: Sequence[dict[str, Any]]) -> None:
        many = {"Responses": {table: items[:MANY]}, "UnprocessedKeys": {}}
        self._gets = [orjson.dumps({"Item": item}) for item in items]
        self._others = {
            b"Query": orjson.dumps({"Items": items, "Count": PAGE, "ScannedCount": PAGE}),
            b"BatchWriteItem": b'{"UnprocessedItems":{}}',
            b"BatchGetItem": orjson.dumps(many),
            b"PutItem": b"{}",
        }
        self._turn = 0

    def next(self, operation: bytes) -> bytes:
        """The body of an answer."""
        if operation != b"GetItem":
            return self._others[operation]
        self._turn = (self._turn + 1) % len(self._gets)
        return self._gets[self._turn]


def _repeat(work: Callable[[int], object]) -> Run:
    def run(inputs: Sequence[int]) -> None:
        for one in inputs:
            work(one)

    return run
