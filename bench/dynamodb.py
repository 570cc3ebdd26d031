"""Client CPU of DynamoDB against boto3's client with its TypeSerializer and TypeDeserializer: get, page, batch, save.

Both sides are answered in-process: boto3 by its HTTP session, ours by a socket that answers at once, so that our
reading of HTTP is measured and theirs is not. Floats, which boto3 refuses, are made Decimals for it beforehand. Our
side does more: it checks documents, computes index keys, and answers JSON values instead of Decimals.
"""

import random
import socket
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import orjson
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.awsrequest import AWSResponse, HeadersDict

from app.db import Query, where
from app.db.backends.dynamodb import DynamoDatabase
from app.db.backends.dynamodb_http import Connection, Pool
from app.db.backends.dynamodb_layout import Table
from app.db.index_registry import Entry
from app.db.names import Name
from bench.data import COLLECTION, PATH, SCHEMA, TENANT, documents
from bench.figures import Figure
from bench.harness import Effort, Run, measure

PAGE, BATCH = 100, 25
GOALS = {"get": 0.9, "save": 0.9, f"page of {PAGE}": 0.35, f"batch of {BATCH}": 0.5}
NAME = Name(TENANT, COLLECTION)
Body = dict[str, Any]


def run(folder: Path, number: int, effort: Effort) -> Iterator[Figure]:
    """Every figure of this group."""
    world = World(max(number, PAGE))
    ours, theirs = world.ours(), world.theirs()
    for name, goal in GOALS.items():
        sides = {"ours": _repeat(ours[name]), "boto3": _repeat(theirs[name])}
        rounds = measure(sides, lambda chance, count: [chance.randrange(PAGE) for _ in range(count)], effort)
        values = rounds.in_microseconds("ours"), rounds.in_microseconds("boto3")
        yield Figure.from_rounds(f"DynamoDB {name}, client / boto3 client", *values, "us", at_most=goal)
    world.close()


class World:
    """Documents, the answers that DynamoDB would give about them, and both clients."""

    def __init__(self, number: int) -> None:
        index = SCHEMA.get(COLLECTION)
        assert index is not None
        entry = Entry(COLLECTION, "tenant", index.indexes, index.indexes)
        self._table = Table("wherry", entry)
        self.bodies = list(documents(number))[:PAGE]
        items = [self._table.item(NAME, id, f"{place:024x}", body) for place, (id, body) in enumerate(self.bodies)]
        self._answers = {
            b"GetItem": [orjson.dumps({"Item": item}) for item in items],
            b"Query": [orjson.dumps({"Items": items, "Count": PAGE, "ScannedCount": PAGE})],
            b"BatchWriteItem": [b'{"UnprocessedItems":{}}'],
            b"PutItem": [b"{}"],
        }
        self._db = DynamoDatabase(
            SCHEMA,
            prefix="wherry",
            region="eu-central-1",
            endpoint="http://127.0.0.1:8000",
            access_key="key",
            secret_key="secret",
            lease=1e9,
        )
        self._socket = _Socket(self._answer)
        pool = Pool("127.0.0.1", 8000, tls=None, connect_timeout=1.0)
        pool.give(_reusable(self._socket))
        self._db._client.__dict__["_pool"] = pool
        self._db._catalogue.read_entry = lambda name: entry.encode()  # type: ignore[method-assign]

    def close(self) -> None:
        """Give the sockets back."""
        self._db.close()
        self._socket.end()

    def ours(self) -> dict[str, Callable[[int], object]]:
        """Our operations, by figure."""
        db, bodies = self._db, self.bodies
        status = bodies[0][1]["status"]
        batch = [{**body, "_id": id} for id, body in bodies[:BATCH]]
        return {
            "get": lambda n: db.get(PATH, bodies[n][0]),
            "save": lambda n: db.save(PATH, *bodies[n]),
            f"page of {PAGE}": lambda n: db.query(
                PATH, Query(where=(where("status").eq(status),), order_by=("name",), limit=PAGE)
            ),
            f"batch of {BATCH}": lambda n: db.write_batch(PATH, batch),
        }

    def theirs(self) -> dict[str, Callable[[int], object]]:
        """The same with boto3's client, its items without our attributes of the index."""
        client = boto3.client(
            "dynamodb", region_name="eu-central-1", aws_access_key_id="key", aws_secret_access_key="secret"
        )
        client._endpoint.http_session = _Session(self._answer)
        serialize, deserialize = TypeSerializer().serialize, TypeDeserializer().deserialize
        table = self._table.name
        bodies = [(id, with_decimals(body)) for id, body in self.bodies]

        def item(place: int) -> Body:
            id, body = bodies[place]
            found = {key: serialize(value) for key, value in body.items()}
            return {**found, "~tenant": {"S": TENANT}, "~id": {"S": id}, "~rev": {"S": "0" * 24}}

        def read(found: Body) -> Body:
            return {key: deserialize(value) for key, value in found.items()}

        def get(place: int) -> Body:
            key = {"~tenant": {"S": TENANT}, "~id": {"S": bodies[place][0]}}
            return read(client.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"])

        def page(_: int) -> list[Body]:
            answer = client.query(
                TableName=table,
                IndexName="index",
                KeyConditionExpression="#h = :h AND #r BETWEEN :a AND :b",
                ExpressionAttributeNames={"#h": "~tenant", "#r": "~k"},
                ExpressionAttributeValues={":h": {"S": TENANT}, ":a": {"B": b"\x00"}, ":b": {"B": b"\xff"}},
                Limit=PAGE,
            )
            return [read(found) for found in answer["Items"]]

        def batch(_: int) -> object:
            puts = [{"PutRequest": {"Item": item(place)}} for place in range(BATCH)]
            return client.batch_write_item(RequestItems={table: puts})

        return {
            "get": get,
            "save": lambda n: client.put_item(TableName=table, Item=item(n)),
            f"page of {PAGE}": page,
            f"batch of {BATCH}": batch,
        }

    def _answer(self, operation: bytes) -> bytes:
        answers = self._answers[operation]
        return answers[random.randrange(len(answers))] if len(answers) > 1 else answers[0]


def with_decimals(value: Any) -> Any:
    """A value as boto3 takes it."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {key: with_decimals(item) for key, item in value.items()}
    return [with_decimals(item) for item in value] if isinstance(value, list) else value


class _Socket:
    """A socket that answers each request at once. Its file is a real one, on which nothing ever arrives."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer, self._pair, self._reply = answer, socket.socketpair(), b""

    def fileno(self) -> int:
        return self._pair[0].fileno()

    def settimeout(self, seconds: float) -> None:
        """Answers at once anyway."""

    def sendall(self, request: bytes) -> None:
        start = request.index(b"DynamoDB_20120810.") + 18
        body = self._answer(request[start : request.index(b"\r\n", start)])
        self._reply = (
            b"HTTP/1.1 200 OK\r\nServer: Server\r\nDate: Fri, 02 Jan 2026 03:04:05 GMT\r\n"
            b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\nConnection: keep-alive\r\n"
            b"x-amzn-RequestId: 0123456789\r\nx-amz-crc32: 1\r\n\r\n%b" % (len(body), body)
        )

    def recv(self, size: int) -> bytes:
        part, self._reply = self._reply[:size], self._reply[size:]
        return part

    def close(self) -> None:
        """Stays for the next use."""

    def end(self) -> None:
        for one in self._pair:
            one.close()


def _reusable(sock: Any) -> Connection:
    connection = Connection(sock)
    connection.reusable = True
    return connection


class _Raw:
    """The body of an answer as botocore reads it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


class _Session:
    """botocore's HTTP session, answering at once."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer

    def send(self, request: Any) -> AWSResponse:
        target = request.headers["X-Amz-Target"]
        name = target if isinstance(target, bytes) else target.encode()
        body = self._answer(name.rpartition(b".")[2])
        headers = HeadersDict({"Content-Type": "application/x-amz-json-1.0", "Content-Length": str(len(body))})
        return AWSResponse(request.url, 200, headers, _Raw(body))

    def close(self) -> None:
        """Nothing is open."""


def _repeat(work: Callable[[int], object]) -> Run:
    def run(inputs: Sequence[int]) -> None:
        for one in inputs:
            work(one)

    return run
