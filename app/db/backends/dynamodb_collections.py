"""The collections of one prefix: their tables, their secondary indexes, and the registry that says what is there.

The registry is a table ``<prefix>--collections``: an item for each collection, with its entry as text (see
index_registry.py for how an index is added while others write). Creating a table creates its declared indexes with it;
a further index is made by UpdateTable once the documents have its keys, and DynamoDB fills it in the background.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Self

from app.db.backends.dynamodb_client import AT_ONCE, Answer, Client, Payload
from app.db.backends.dynamodb_errors import CONDITION_FAILED, IN_USE, INVALID, NO_TABLE, DynamoError, Refused
from app.db.backends.dynamodb_layout import INDEXES_AT_MOST, IndexKeys, Table, table_name
from app.db.backends.dynamodb_values import Item, decode_item
from app.db.capabilities import CollectionInfo
from app.db.errors import Unavailable
from app.db.index_registry import Entry, IndexRegistry, Leased
from app.db.schema import Collection, Index
from app.db.time_limit import unhurried

_TABLE_PATIENCE = 300.0
_INDEX_PATIENCE = 24 * 3_600.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 5.0
_CAPACITY_PAUSES: Final = (1.0, 10.0)
_SCANNED_AT_ONCE: Final = 100
"""Few, as a page that DynamoDB has no capacity for is read again."""
_UNDER_CHANGE: Final = (IN_USE, "LimitExceededException")
_ENTRY = {"#e": "entry"}
_Ask = Callable[[Callable[[], Answer]], Answer]


class Capacity:
    """How new tables are paid for: with so many read and write units a second, each of their indexes likewise; or, if
    these are 0, on demand."""

    def __init__(self, read: int = 0, write: int = 0) -> None:
        self._units = {"ReadCapacityUnits": read, "WriteCapacityUnits": write} if read and write else None

    def of_table(self) -> Payload:
        """What CreateTable is told."""
        return {"BillingMode": "PAY_PER_REQUEST" if self._units is None else "PROVISIONED", **self.of_index()}

    def of_index(self) -> Payload:
        """What CreateTable is told of a secondary index."""
        return {} if self._units is None else {"ProvisionedThroughput": self._units}

    @classmethod
    def of(cls, described: dict[str, Any]) -> Self:
        """What a described table has, whatever it was switched to since."""
        if described.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST":
            return cls()
        units = described.get("ProvisionedThroughput", {})
        return cls(units.get("ReadCapacityUnits", 0), units.get("WriteCapacityUnits", 0))

    def __str__(self) -> str:
        if self._units is None:
            return "on demand"
        return "{ReadCapacityUnits:,} read and {WriteCapacityUnits:,} write units a second".format(**self._units)


class Collections:
    """The tables of one prefix, and this process's view of the registry."""

    def __init__(self, client: Client, prefix: str, capacity: Capacity, *, lease: float, longest_write: float) -> None:
        self._client, self._prefix, self._capacity = client, prefix, capacity
        self.registry = IndexRegistry(self, lease=lease, longest_write=longest_write)
        self.registry_table = table_name(prefix, "-collections")
        self._tables: dict[str, Table] = {}

    def leased(self, name: str) -> tuple[Table, Leased] | None:
        """The collection as it may be used now, and how long; None if it is not registered."""
        leased = self.registry.lease(name)
        if leased is None:
            return None
        table = self._tables.get(name)
        if table is None or table.entry != leased.entry:
            table = self._tables[name] = Table(self._prefix, leased.entry)
        return table, leased

    def names(self) -> list[CollectionInfo]:
        """Every registered collection."""
        return [CollectionInfo(entry.name, entry.scope) for entry in self.entries()]

    def entries(self) -> Iterator[Entry]:
        """Every entry of the registry; nothing where there is no registry yet."""
        try:
            for item in self._scan(self.registry_table):
                yield Entry.decode(item["name"]["S"], item["entry"]["S"])
        except Refused as error:
            if error.code != NO_TABLE:
                raise

    def describe(self, table: str) -> dict[str, Any] | None:
        """What DynamoDB says of a table, or None if there is none of this name."""
        try:
            found: dict[str, Any] = self._client.call("DescribeTable", {"TableName": table})["Table"]
        except Refused as error:
            if error.code != NO_TABLE:
                raise
            return None
        return found

    # Growing

    def missing(self, declared: Collection) -> tuple[bool, list[Index]]:
        """Whether the collection has to be created, and the declared indexes that cannot be read yet."""
        entry = self.registry.read(declared.name)
        if entry is None:
            return True, list(declared.indexes)
        return False, [index for index in declared.indexes if index not in entry.ready]

    def grow(self, declared: Collection) -> None:
        """Create what the declaration has and the database lacks; several processes may do so at once.

        Returns when all of it can be used: a new table takes AWS some ten seconds, an index on a large table hours.
        """
        with unhurried():
            self._grow(declared)

    def _grow(self, declared: Collection) -> None:
        if self.registry.read(declared.name) is None:
            name = table_name(self._prefix, declared.name)
            keys = [IndexKeys(index) for index in declared.indexes[:INDEXES_AT_MOST]]
            self._create(name, ("~tenant", "~id"), keys)
            there = self._await_table(name)
            # Somebody else may have created the table, with fewer indexes: only those that it has are ready.
            present = tuple(key.index for key in keys if key.name in there)
            if len(present) == len(keys):
                present = declared.indexes
            self.registry.grow([Collection(declared.name, declared.scope, present)])
        self.registry.grow([declared])

    def read_entry(self, name: str) -> str | None:
        """See RegistryStore."""
        try:
            answer = self._client.call(
                "GetItem",
                {"TableName": self.registry_table, "Key": {"name": {"S": name}}, "ConsistentRead": True},
            )
        except Refused as error:
            if error.code != NO_TABLE:
                raise
            return None
        item = answer.get("Item")
        return None if item is None else str(item["entry"]["S"])

    def swap_entry(self, name: str, old: str | None, new: str) -> bool:
        """See RegistryStore."""
        payload: Payload = {
            "TableName": self.registry_table,
            "Item": {"name": {"S": name}, "entry": {"S": new}},
            "ExpressionAttributeNames": _ENTRY,
            "ConditionExpression": "attribute_not_exists(#e)",
        }
        if old is not None:
            payload["ConditionExpression"] = "#e = :e"
            payload["ExpressionAttributeValues"] = {":e": {"S": old}}
        while True:
            try:
                self._client.call("PutItem", payload, "IDEMPOTENT")
                return True
            except Refused as error:
                if error.code == CONDITION_FAILED:
                    return error.after_loss and self.read_entry(name) == new
                if error.code != NO_TABLE or old is not None:
                    raise
            self._create(self.registry_table, ("name",), [])
            self._await_table(self.registry_table)

    def backfill(self, entry: Entry, added: tuple[Index, ...]) -> None:
        """See RegistryStore: give the documents their keys, then make the secondary indexes and wait for them."""
        table = Table(self._prefix, entry)
        keys = [table.keys[index] for index in added if index in table.keys]
        # On a small provisioned table this takes as long as its capacity makes it: what was done is not begun again.
        part: list[Item] = []
        for item in self._scan(table.name, _SCANNED_AT_ONCE, _patiently):
            part.append(item)
            if len(part) == AT_ONCE:
                self.fill(table, part, keys, _patiently)
                part = []
        self.fill(table, part, keys, _patiently)
        for key in keys:
            self._add_index(table.name, key)

    def fill(self, table: Table, items: list[Item], keys: list[IndexKeys], ask: _Ask | None = None) -> None:
        """Give items the attributes of indexes that they lack. An item that somebody changed meanwhile is left alone:
        whoever wrote it knew the indexes. ``ask`` may send what failed again."""
        changes = []
        for item in items:
            lacking: Item = {}
            body = decode_item(item)
            for key in keys:
                key.put(lacking, body, item["~tenant"]["S"], item["~id"]["S"])
            lacking = {name: value for name, value in lacking.items() if item.get(name) != value}
            if lacking:
                changes.append(_set_attributes(table.name, item, lacking))
        (ask or _once)(lambda: self._change(changes))

    def _change(self, changes: list[Payload]) -> Answer:
        """Send changes, and leave those that failed, with an error, in the list."""
        results = zip(changes, self._client.call_all("UpdateItem", changes, "IDEMPOTENT"), strict=True)
        failed = [
            (change, result)
            for change, result in results
            if isinstance(result, DynamoError) and not _condition_failed(result)
        ]
        changes[:] = [change for change, _ in failed]
        if failed:
            # For those behind one that waited for capacity no time was left.
            raise next((error for _, error in failed if _throttled(error)), failed[0][1])
        return {}

    def _scan(self, table: str, at_once: int = 0, ask: _Ask | None = None) -> Iterator[Item]:
        payload: Payload = {"TableName": table, "ConsistentRead": True}
        if at_once:
            payload["Limit"] = at_once
        while True:
            answer = (ask or _once)(lambda: self._client.call("Scan", payload))
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            payload["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _create(self, name: str, primary: tuple[str, ...], keys: list[IndexKeys]) -> None:
        """Create a table, if nobody else does."""
        payload: Payload = {
            "TableName": name,
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in primary],
            "KeySchema": [
                {"AttributeName": key, "KeyType": kind} for key, kind in zip(primary, ("HASH", "RANGE"), strict=False)
            ],
            **self._capacity.of_table(),
        }
        for key in keys:
            payload["AttributeDefinitions"] += _definitions(key)
        if keys:
            payload["GlobalSecondaryIndexes"] = [_index(key, self._capacity.of_index()) for key in keys]
        _while_changing(lambda: self._client.call("CreateTable", payload, "IDEMPOTENT"), _TABLE_PATIENCE, fine=IN_USE)

    def _add_index(self, table: str, key: IndexKeys) -> None:
        """Add a secondary index to a table and wait until it can be read. DynamoDB builds one at a time."""
        described = self.describe(table)
        if described is None or key.name not in index_states(described):
            definitions = _definitions(key)
            if not key.computed_hash:
                definitions.append({"AttributeName": key.hash, "AttributeType": "S"})
            payload = {
                "TableName": table,
                "AttributeDefinitions": definitions,
                "GlobalSecondaryIndexUpdates": [{"Create": _index(key, Capacity.of(described or {}).of_index())}],
            }
            # Two processes may add the same index: the second is told that it is there (or being made).
            _while_changing(
                lambda: self._client.call("UpdateTable", payload, "IDEMPOTENT"), _INDEX_PATIENCE, there="already exist"
            )
        self._wait(table, lambda found: index_states(found).get(key.name) == "ACTIVE", _INDEX_PATIENCE)

    def _await_table(self, table: str) -> dict[str, str]:
        """Wait until a table and its indexes can be used; the indexes that it has."""
        found = self._wait(
            table, lambda found: all(status == "ACTIVE" for status in index_states(found).values()), _TABLE_PATIENCE
        )
        return index_states(found)

    def _wait(self, table: str, ready: Callable[[dict[str, Any]], bool], patience: float) -> dict[str, Any]:
        for pause in _pauses(patience):
            found = self.describe(table)
            if found is not None and found["TableStatus"] in ("ACTIVE", "UPDATING") and ready(found):
                return found
            time.sleep(pause)
        raise Unavailable(f"DynamoDB did not finish the table {table!r} in time.", retry_after=60.0)


def index_states(described: dict[str, Any]) -> dict[str, str]:
    """The secondary indexes of a described table, each with its status."""
    return {index["IndexName"]: index["IndexStatus"] for index in described.get("GlobalSecondaryIndexes", ())}


def _index(key: IndexKeys, capacity: Payload) -> Payload:
    """A secondary index as DynamoDB is told of it."""
    return {
        "IndexName": key.name,
        "KeySchema": [
            {"AttributeName": key.hash, "KeyType": "HASH"},
            {"AttributeName": key.range, "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "ALL"},
        **capacity,
    }


def _definitions(key: IndexKeys) -> list[dict[str, str]]:
    names = [key.range, key.hash] if key.computed_hash else [key.range]
    return [{"AttributeName": name, "AttributeType": "B"} for name in names]


def _set_attributes(table: str, item: Item, attributes: Item) -> Payload:
    """UpdateItem's request that adds attributes to an item whose revision is still the same."""
    names = {f"#{place}": name for place, name in enumerate(attributes)}
    values = {f":{place}": value for place, value in enumerate(attributes.values())}
    return {
        "TableName": table,
        "Key": {"~tenant": item["~tenant"], "~id": item["~id"]},
        "UpdateExpression": "SET " + ", ".join(f"#{place} = :{place}" for place in range(len(attributes))),
        "ConditionExpression": "#r = :r",
        "ExpressionAttributeNames": {**names, "#r": "~rev"},
        "ExpressionAttributeValues": {**values, ":r": item["~rev"]},
    }


def _condition_failed(error: DynamoError) -> bool:
    return isinstance(error, Refused) and error.code == CONDITION_FAILED


def _throttled(error: DynamoError) -> bool:
    return isinstance(error, Refused) and error.passing


def _once(ask: Callable[[], Answer]) -> Answer:
    return ask()


def _patiently(ask: Callable[[], Answer]) -> Answer:
    """Ask, again as long as DynamoDB has no capacity for it."""
    refused: DynamoError | None = None
    for pause in _pauses(_INDEX_PATIENCE, *_CAPACITY_PAUSES):
        try:
            return ask()
        except Refused as error:
            if not error.passing:
                raise
            refused = error
        time.sleep(pause)
    raise refused or AssertionError


def _while_changing(change: Callable[[], object], patience: float, *, fine: str = "", there: str = "") -> None:
    """Ask for a change of a table, again while another change of it is under way, or the account has no room for it.

    Done is also what somebody else did meanwhile: refused with the code ``fine``, or with the words ``there``.
    """
    refused = ""
    for pause in _pauses(patience):
        try:
            change()
            return
        except Refused as error:
            if error.code == fine or (there and error.code == INVALID and there in error.message):
                return
            if error.code not in _UNDER_CHANGE:
                raise
            refused = error.message
        time.sleep(pause)
    raise Unavailable(f"DynamoDB does not change a table at the moment: {refused}", retry_after=60.0)


def _pauses(patience: float, first: float = _FIRST_PAUSE, longest: float = _LONGEST_PAUSE) -> Iterator[float]:
    """Growing pauses that end when patience does."""
    end, pause = time.monotonic() + patience, first
    while time.monotonic() < end:
        yield pause
        pause = min(1.5 * pause, longest)
