"""Reading: documents by key, stretches of a collection or index in order, counts, scans.

Runs (a partition, or a stretch of an index in a partition) are read in parallel and merged. A run is asked for a little
more than its share at first; whoever runs dry before the page is full is asked again.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from app.db.backends.dynamodb_client import AT_ONCE, Client, Payload
from app.db.backends.dynamodb_errors import INVALID, Refused, ReplyLost
from app.db.backends.dynamodb_layout import Table, binary_text, range_key
from app.db.backends.dynamodb_overflow import sorted_count, sorted_walk
from app.db.backends.dynamodb_values import Item, decode_item
from app.db.backends.scan_place import no_place, opened, sealed
from app.db.capabilities import ScanPage
from app.db.documents import Document
from app.db.errors import Throttled
from app.db.fields import parse_field
from app.db.growing_waits import growing_waits
from app.db.names import Name
from app.db.paging import Slice, Walk
from app.db.planner import Plan

_KEYS_AT_ONCE: Final = 100
_SPARE = 4
_FIRST_WAIT = 0.01
_LONGEST_WAIT = 0.2
_NAMES = {"#h": "~tenant", "#r": "~id"}
Place = bytes | str


class _Run:
    """One stretch: its request, what came of it so far, and whether there may be more."""

    def __init__(self, payload: Payload, place: Callable[[Item], Place], dropped: str | None = None) -> None:
        self.payload = payload
        self.items: list[Item] = []
        self.more = True
        self._place, self._dropped = place, dropped

    def add(self, answer: dict[str, Any], range_name: str) -> None:
        """Take an answer's items."""
        items: list[Item] = answer["Items"]
        if self._dropped is not None and items and items[0][range_name]["B"] == self._dropped:
            items = items[1:]  # the last document of the page before: a range has no open end
        self._dropped = None if items else self._dropped
        self.items += items
        start = answer.get("LastEvaluatedKey")
        self.more = start is not None
        if start is not None:
            self.payload["ExclusiveStartKey"] = start

    def last(self) -> Place | None:
        """The place of the last item that is known, None if none is."""
        return self._place(self.items[-1]) if self.items else None

    def placed(self) -> list[tuple[Place, Item]]:
        """The items with their places in the order that all runs share."""
        return [(self._place(item), item) for item in self.items]


class Reader:
    """Reads through one client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get(self, table: Table, name: Name, id: str) -> Document | None:
        """One document, as last written."""
        answer = self._client.call(
            "GetItem", {"TableName": table.name, "Key": table.key(name, id), "ConsistentRead": True}
        )
        item = answer.get("Item")
        return None if item is None else decode_item(item)

    def token(self, table: Table, name: Name, id: str, deadline: float | None = None) -> str | None:
        """A document's revision token alone, None if there is no document."""
        payload = {
            "TableName": table.name,
            "Key": table.key(name, id),
            "ConsistentRead": True,
            "ProjectionExpression": "#v",
            "ExpressionAttributeNames": {"#v": "~rev"},
        }
        item = self._client.call("GetItem", payload, "READ", deadline).get("Item")
        return None if item is None else str(item["~rev"]["S"])

    def items(self, table: str, keys: list[Item]) -> list[Item]:
        """The items that exist of different keys, as last written; in any order."""
        found: list[Item] = []
        deadline, waits = self._client.deadline(), growing_waits(_FIRST_WAIT, _LONGEST_WAIT)
        while keys:
            chunks = [keys[start : start + _KEYS_AT_ONCE] for start in range(0, len(keys), _KEYS_AT_ONCE)][:AT_ONCE]
            payloads = [{"RequestItems": {table: {"Keys": chunk, "ConsistentRead": True}}} for chunk in chunks]
            left, got = keys[sum(map(len, chunks)) :], 0
            for answer in self._client.read_all("BatchGetItem", payloads, deadline):
                items = answer["Responses"].get(table, ())
                got += len(items)
                found += items
                left += answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", ())
            if len(left) < len(keys):
                deadline = self._client.deadline()
            else:  # asked for fewer: give it a rest
                time.sleep(next(waits))
                if time.monotonic() > deadline:
                    raise Throttled("DynamoDB asks for fewer requests.", retry_after=1.0)
            keys = left
        return found

    def get_many(self, table: Table, name: Name, ids: list[str]) -> dict[str, Document]:
        """The documents that exist, by id."""
        found = map(decode_item, self.items(table.name, [table.key(name, id) for id in ids]))
        return {document["_id"]: document for document in found}

    def together(self, keys: list[tuple[Table, Name, str]]) -> list[Document | None]:
        """One snapshot, in order."""
        places = [(table.name, table.partition(name, id), id) for table, name, id in keys]
        single = list(dict.fromkeys(places))  # a transaction refuses a key that stands twice
        found = dict(zip(single, self._snapshot(single), strict=True))
        items = [found[place] for place in places]
        return [None if item is None else decode_item(item) for item in items]

    def _snapshot(self, places: list[tuple[str, str, str]]) -> list[Item | None]:
        gets = [{"Get": {"TableName": table, "Key": _key(partition, id)}} for table, partition, id in places]
        deadline, waits = self._client.deadline(), growing_waits(_FIRST_WAIT, _LONGEST_WAIT)
        while True:
            try:
                answer = self._client.call("TransactGetItems", {"TransactItems": gets}, "READ", deadline)
                return [one.get("Item") for one in answer["Responses"]]
            except Refused as error:
                if error.code == INVALID:
                    return self._read_twice(places, error)
                wait = next(waits)
                if not error.reasons or time.monotonic() + wait > deadline:
                    raise
            # Somebody is writing one of them at this moment.
            time.sleep(wait)

    def _read_twice(self, places: list[tuple[str, str, str]], refused: Refused) -> list[Item | None]:
        """A snapshot that is too large for a transaction: read until two readings show the same revisions.

        A revision is never used twice, so between two equal readings nothing had changed.
        """
        deadline, before = self._client.deadline(), None
        while time.monotonic() < deadline:
            found: dict[tuple[str, str, str], Item] = {}
            for table in dict.fromkeys(table for table, _, _ in places):
                for item in self.items(table, [_key(partition, id) for one, partition, id in places if one == table]):
                    found[table, item["~tenant"]["S"], item["~id"]["S"]] = item
            items = [found.get(place) for place in places]
            revisions = [item and item["~rev"]["S"] for item in items]
            if revisions == before:
                return items
            before = revisions
        raise ReplyLost("the documents keep changing", write=False) from refused

    def walk(self, table: Table, name: Name, walk: Walk) -> Slice:
        """A stretch in order."""
        if walk.index is not None and walk.index not in table.keys:
            return sorted_walk(lambda by_id: self.walk(table, name, by_id), walk)
        runs, range_name = self._runs(table, name, walk)
        if walk.fields is not None:
            _project(runs, walk.fields, range_name)
        number = walk.limit + 1
        share = number if len(runs) < 3 else min(number, 2 * number // len(runs) + _SPARE)
        spare = 1 if walk.after is not None and walk.descending and walk.index is not None else 0
        for run in runs:
            run.payload["Limit"] = share + spare
        asked = runs
        while asked:
            answers = self._client.read_all("Query", [run.payload for run in asked])
            for run, answer in zip(asked, answers, strict=True):
                run.add(answer, range_name)
            asked = _lacking(runs, number, walk.descending)
        items = _merged(runs, walk.descending)
        documents = [decode_item(item) for item in items[: walk.limit]]
        return tuple.__new__(Slice, (documents, len(items) > walk.limit))

    def count(self, table: Table, name: Name, plan: Plan, up_to: int) -> int:
        """How many documents the plan's runs hold, at most ``up_to``."""
        if plan.index is not None and plan.index not in table.keys:
            return sorted_count(lambda by_id: self.walk(table, name, by_id), plan, up_to)
        runs, _ = self._runs(table, name, Walk(plan.index, plan.spans, False, None, up_to))
        total = 0
        for run in runs:
            run.payload["Select"] = "COUNT"
        while runs and total < up_to:
            for run in runs:
                run.payload["Limit"] = up_to - total
            further = []
            for run, answer in zip(runs, self._client.read_all("Query", [run.payload for run in runs]), strict=True):
                total += answer["Count"]
                if "LastEvaluatedKey" in answer:
                    run.payload["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
                    further.append(run)
            runs = further
        return min(total, up_to)

    def scan(self, table: Table, after: str | None, limit: int) -> ScanPage:
        """A part of every tenant's documents. An answer ends behind a megabyte; so does a page that has one."""
        payload: Payload = {"TableName": table.name, "ConsistentRead": True, "Limit": limit}
        if after is not None:
            payload["ExclusiveStartKey"] = _start(after)
        while True:
            answer = self._client.call("Scan", payload)
            found = [(table.name_of(item).path, decode_item(item)) for item in answer["Items"]]
            last = answer.get("LastEvaluatedKey")
            if last is None:
                return ScanPage(found, None)
            if found:
                return ScanPage(found, sealed(last["~tenant"]["S"], last["~id"]["S"]))
            payload["ExclusiveStartKey"] = last

    def _runs(self, table: Table, name: Name, walk: Walk) -> tuple[list[_Run], str]:
        """The walk's runs, and the attribute that orders them."""
        if walk.index is None:
            return [_run_by_id(table, partition, walk) for partition in table.partitions(name)], "~id"
        keys = table.keys[walk.index]
        runs = []
        for partition in table.partitions(name):
            for span in walk.spans:
                hash, low, high, strip = keys.bounds(span, partition)
                dropped = None
                if walk.after is not None:
                    place = span.prefix[len(span.prefix) - strip :] + walk.after.key + walk.after.id.encode()
                    if walk.descending:
                        if place < high:
                            high, dropped = place, binary_text(place)
                    else:
                        low = max(low, place + b"\x00")
                if low <= high:
                    payload = {
                        "TableName": table.name,
                        "IndexName": keys.name,
                        "KeyConditionExpression": "#h = :h AND #r BETWEEN :a AND :b",
                        "ExpressionAttributeNames": {"#h": keys.hash, "#r": keys.range},
                        "ExpressionAttributeValues": {
                            ":h": hash,
                            ":a": {"B": binary_text(low)},
                            ":b": {"B": binary_text(high)},
                        },
                        "ScanIndexForward": not walk.descending,
                    }
                    runs.append(_Run(payload, _placing(keys.range, strip), dropped))
        return runs, keys.range


def _run_by_id(table: Table, partition: str, walk: Walk) -> _Run:
    payload: Payload = {
        "TableName": table.name,
        "ConsistentRead": True,
        "KeyConditionExpression": "#h = :h",
        "ExpressionAttributeNames": {"#h": "~tenant"},
        "ExpressionAttributeValues": {":h": {"S": partition}},
        "ScanIndexForward": not walk.descending,
    }
    if walk.after is not None:
        payload["KeyConditionExpression"] += f" AND #r {'<' if walk.descending else '>'} :r"
        payload["ExpressionAttributeNames"] = _NAMES
        payload["ExpressionAttributeValues"][":r"] = {"S": walk.after.id}
    return _Run(payload, _id_of)


def _project(runs: list[_Run], fields: tuple[str, ...], range_name: str) -> None:
    """Ask for the attributes only that hold the fields."""
    wanted = dict.fromkeys(["~id", "~rev", range_name, *(parse_field(field)[0] for field in fields)])
    names = {f"#{place}": name for place, name in enumerate(wanted)}
    for run in runs:
        run.payload["ProjectionExpression"] = ",".join(names)
        run.payload["ExpressionAttributeNames"] = {**run.payload["ExpressionAttributeNames"], **names}


def _lacking(runs: list[_Run], number: int, descending: bool) -> list[_Run]:
    """The runs that have to be read further before the first ``number`` items of all are known."""
    unfinished = [run for run in runs if run.more]
    if not unfinished:
        return []
    if len(runs) == 1:
        return unfinished if len(runs[0].items) < number else []
    empty = [run for run in unfinished if run.last() is None]
    if empty:
        return empty
    # What lies within the nearest of the last places is complete.
    ends: list[Any] = [run.last() for run in unfinished]
    horizon: Any = max(ends) if descending else min(ends)
    known = sum(
        1 for run in runs for place, _ in run.placed() if (place >= horizon if descending else place <= horizon)
    )
    return [] if known >= number else [run for run in unfinished if run.last() == horizon]


def _merged(runs: list[_Run], descending: bool) -> list[Item]:
    if len(runs) == 1:
        return runs[0].items
    placed: list[tuple[Any, Item]] = [pair for run in runs for pair in run.placed()]
    placed.sort(key=lambda pair: pair[0], reverse=descending)
    return [item for _, item in placed]


def _key(partition: str, id: str) -> Item:
    return {"~tenant": {"S": partition}, "~id": {"S": id}}


def _id_of(item: Item) -> str:
    return str(item["~id"]["S"])


def _placing(range_name: str, strip: int) -> Callable[[Item], bytes]:
    return lambda item: range_key(item, range_name)[strip:]


def _start(after: str) -> Item:
    """The key to scan behind."""
    place = opened(after)
    if not all(place):
        raise no_place()
    return _key(*place)
