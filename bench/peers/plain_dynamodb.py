"""DynamoDB with boto3's client and its TypeSerializer and TypeDeserializer, as a careful developer writes it by hand.

One table of its own, whose items hold what a document holds, a revision, and one attribute for the list: the status and
the name joined, the range key of a secondary index. PynamoDB's model (pynamodb_peer.py) is of the same table.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol, TypeVar

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from bench.data import TENANT
from bench.peers import Document

T = TypeVar("T")

INDEX = "by_status"
PUTS_AT_ONCE, KEYS_AT_ONCE = 25, 100
_KEYS = (("tenant", "HASH"), ("id", "RANGE"))
_INDEX_KEYS = (("tenant", "HASH"), (INDEX, "RANGE"))
_serialize, _deserialize = TypeSerializer().serialize, TypeDeserializer().deserialize


class Place(NamedTuple):
    """A table: its name, and where and as whom to ask for it. None means: as the AWS configuration says."""

    table: str
    region: str | None
    endpoint: str | None = None
    access_key: str | None = None
    secret_key: str | None = None


class DynamoPeer(Protocol):
    """One library on the plain table. ``taken`` makes of a document what the library takes, unmeasured."""

    title: str

    def taken(self, document: Document) -> Document: ...
    def get(self, id: str) -> Any: ...
    def get_many(self, ids: Sequence[str]) -> list[Any]: ...
    def save(self, id: str, document: Document) -> object: ...
    def save_many(self, documents: Iterable[tuple[str, Document]]) -> object: ...
    def page(self, status: str, limit: int) -> list[Any]: ...
    def plain(self, found: Any) -> Document: ...
    def answer_by(self, session: Any) -> None: ...


class Boto3:
    """boto3's client. It takes Decimals for floats and answers Decimals, which stay what they are."""

    title = "boto3"

    def __init__(self, place: Place) -> None:
        self.client = boto3.client(
            "dynamodb",
            region_name=place.region,
            endpoint_url=place.endpoint,
            aws_access_key_id=place.access_key,
            aws_secret_access_key=place.secret_key,
        )
        self.table = place.table

    def create(self) -> None:
        """Make the table with its index, and wait until it can be used."""
        names = dict.fromkeys(name for name, _ in (*_KEYS, *_INDEX_KEYS))
        self.client.create_table(
            TableName=self.table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            KeySchema=_key_schema(_KEYS),
            GlobalSecondaryIndexes=[
                {"IndexName": INDEX, "KeySchema": _key_schema(_INDEX_KEYS), "Projection": {"ProjectionType": "ALL"}}
            ],
        )
        self.client.get_waiter("table_exists").wait(TableName=self.table)

    def remove(self) -> None:
        """Delete the table and close the connections."""
        self.client.delete_table(TableName=self.table)
        self.client.close()

    def taken(self, document: Document) -> Document:
        """With Decimals for floats."""
        made: Document = with_decimals(document)
        return made

    def get(self, id: str) -> Document:
        answer = self.client.get_item(TableName=self.table, Key=_key(id), ConsistentRead=True)
        return _read(answer["Item"])

    def get_many(self, ids: Sequence[str]) -> list[Document]:
        found: list[Document] = []
        for part in chunks(ids, KEYS_AT_ONCE):
            asked: dict[str, Any] = {self.table: {"Keys": [_key(id) for id in part], "ConsistentRead": True}}
            while asked:
                answer = self.client.batch_get_item(RequestItems=asked)
                found += [_read(item) for item in answer["Responses"][self.table]]
                asked = answer.get("UnprocessedKeys", {})
        return found

    def save(self, id: str, document: Document) -> object:
        return self.client.put_item(TableName=self.table, Item=item_of(id, document))

    def save_many(self, documents: Iterable[tuple[str, Document]]) -> None:
        for part in chunks(list(documents), PUTS_AT_ONCE):
            left: dict[str, Any] = {self.table: [{"PutRequest": {"Item": item_of(*one)}} for one in part]}
            while left:
                left = self.client.batch_write_item(RequestItems=left).get("UnprocessedItems", {})

    def page(self, status: str, limit: int) -> list[Document]:
        answer = self.client.query(
            TableName=self.table,
            IndexName=INDEX,
            KeyConditionExpression=f"tenant = :t AND begins_with({INDEX}, :s)",
            ExpressionAttributeValues={":t": {"S": TENANT}, ":s": {"S": f"{status}#"}},
            Limit=limit,
        )
        return [_read(item) for item in answer["Items"]]

    def plain(self, found: Document) -> Document:
        """What it answers, as JSON has it."""
        made: Document = _without_decimals(found)
        return made

    def answer_by(self, session: Any) -> None:
        """Let another HTTP session answer."""
        self.client._endpoint.http_session = session


def item_of(id: str, document: Document) -> dict[str, Any]:
    """The typed item of a document that has Decimals for floats."""
    item = {key: _serialize(value) for key, value in document.items()}
    item["tenant"], item["id"] = {"S": TENANT}, {"S": id}
    item["rev"], item[INDEX] = {"S": os.urandom(12).hex()}, {"S": place_in_list(document)}
    return item


def place_in_list(document: Document) -> str:
    """The range key of the index."""
    return f"{document['status']}#{document['name']}"


def with_decimals(value: Any) -> Any:
    """A value as boto3 takes it."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {key: with_decimals(item) for key, item in value.items()}
    return [with_decimals(item) for item in value] if isinstance(value, list) else value


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Parts of at most ``size``."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _without_decimals(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {key: _without_decimals(item) for key, item in value.items()}
    return [_without_decimals(item) for item in value] if isinstance(value, list) else value


def _read(item: dict[str, Any]) -> Document:
    return {key: _deserialize(value) for key, value in item.items()}


def _key(id: str) -> dict[str, Any]:
    return {"tenant": {"S": TENANT}, "id": {"S": id}}


def _key_schema(keys: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in keys]
