"""Writing: each write is one request under its condition, and a reply that is lost is settled.

A write that expects a revision is sent again: that revision is gone once it was applied, and whose stands there
afterwards tells whose it was. A commit carries a client token, by which DynamoDB knows a repetition for ten minutes.
Any other write is not sent again while it may have been applied, not even a create: somebody else may have deleted what
it made, and absence would let it in a second time. Its revision token is read. Where neither decides, the error says
that the outcome is unknown.
"""

import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from app.db.backends.dynamodb_client import Answer, Client, Payload
from app.db.backends.dynamodb_errors import (
    CANCELLED,
    CONDITION_FAILED,
    INVALID,
    DynamoError,
    NotSent,
    Refused,
    ReplyLost,
    translate,
)
from app.db.backends.dynamodb_layout import Table
from app.db.backends.dynamodb_reading import Reader
from app.db.backends.dynamodb_values import Item
from app.db.backends.newer import Expecting
from app.db.documents import Portable, new_token, split_rev
from app.db.errors import Conflict, NotFound, Throttled
from app.db.growing_waits import growing_waits
from app.db.names import Name
from app.db.writes import ABSENT, ANY, Expected, Outcome, Prepared

_PUTS_AT_ONCE: Final = 25
BATCH: Final = 4 * _PUTS_AT_ONCE
"""Documents that are written in bulk under one deadline, which begins anew as long as some of them move on."""
_FIRST_WAIT = 0.01
_LONGEST_WAIT = 0.25
_REV = {"#r": "~rev"}


class Entry(NamedTuple):
    """An entry of a commit with the table that it goes to."""

    table: Table
    write: Prepared


class _Put(NamedTuple):
    """A document on its way in a batch."""

    id: str
    token: str
    item: Item


class Writer:
    """Writes through one client."""

    def __init__(self, client: Client, reader: Reader) -> None:
        self._client, self._reader = client, reader

    def save(self, table: Table, name: Name, id: str, portable: Portable, expect: Expected) -> str:
        """Create or replace; the new token, or Conflict."""
        token = new_token()
        item = table.item(name, id, token, portable.body)
        deadline = self._client.deadline()
        wanted = expect
        lost: ReplyLost | None = None
        while True:
            payload: Payload = {"TableName": table.name, "Item": item}
            if wanted is not ANY:
                payload.update(_condition(wanted))
            try:
                self._client.call("PutItem", payload, "IDEMPOTENT" if type(wanted) is str else "WRITE", deadline)
                return token
            except ReplyLost as error:
                lost = error
            except DynamoError as error:
                if not (isinstance(error, Refused) and error.code == CONDITION_FAILED):
                    if lost is not None:
                        raise lost from error
                    raise
                if expect is not ANY and not error.after_loss:
                    raise Conflict([(name.path, id)]) from error
                lost = ReplyLost("somebody else wrote, after us or before", write=True, answered=not error.after_loss)
            found = self._token_after(lost, table, name, id, deadline)
            if found == token:
                return token
            if expect is not ANY or not lost.answered:
                raise lost
            # It failed, and will not be carried out later: another try, if nobody writes meanwhile.
            wanted = ABSENT if found is None else found

    def delete(self, table: Table, name: Name, id: str, expect: Expected) -> None:
        """Delete under the expectation; NotFound or Conflict."""
        payload: Payload = {"TableName": table.name, "Key": table.key(name, id)}
        if expect is ANY:
            payload.update({"ConditionExpression": "attribute_exists(#r)", "ExpressionAttributeNames": _REV})
        else:
            payload.update(_condition(expect))
        payload["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        try:
            # Without a revision a repetition could delete what somebody created meanwhile.
            self._client.call("DeleteItem", payload, "WRITE" if expect is ANY else "IDEMPOTENT")
        except Refused as error:
            if error.code != CONDITION_FAILED:
                raise
            if error.after_loss:
                raise ReplyLost("our own deletion, or somebody else's", write=True) from error
            if "Item" in error.told:
                raise Conflict([(name.path, id)]) from error
            raise NotFound(name.path, id) from error

    def commit(self, entries: list[Entry]) -> list[str | None]:
        """All or nothing; the new token of every put."""
        if len(entries) == 1 and not entries[0].write.token:
            return [self._alone(*entries[0])]
        tokens: list[str | None] = []
        items = []
        for table, write in entries:
            token = None if write.portable is None else write.token or new_token()
            tokens.append(token)
            items.append(_transact_item(table, write, token))
        self._transact(items, entries)
        return tokens

    def write_batch(self, table: Table, name: Name, documents: Sequence[tuple[str, Portable]]) -> list[Outcome]:
        """Create or replace up to BATCH documents in bulk, an answer for every one in order."""
        puts = []
        for id, portable in documents:
            token = new_token() if portable.rev is None else split_rev(portable.rev)[0]
            puts.append(_Put(id, token, table.item(name, id, token, portable.body)))
        return self._put_all(table, name, puts)

    def replace_many(self, table: Table, name: Name, documents: Sequence[Expecting]) -> list[Outcome]:
        """Write each if it has the expected revision or is ABSENT, keeping the token that comes with it; else Conflict.

        Those for which DynamoDB had no capacity are sent again, as long as it decides some of them by each deadline.
        """
        done: dict[str, Outcome] = {}
        left: list[tuple[_Put, Payload]] = []
        for id, portable, expect in documents:
            token = split_rev(str(portable.rev))[0]
            put = _Put(id, token, table.item(name, id, token, portable.body))
            left.append((put, {"TableName": table.name, "Item": put.item, **_condition(expect)}))
        while left:
            results = self._client.call_all("PutItem", [payload for _, payload in left], "WRITE")
            sent, left = left, []
            for (put, payload), result in zip(sent, results, strict=True):
                if isinstance(result, NotSent) or (isinstance(result, Refused) and result.passing):
                    left.append((put, payload))
                done[put.id] = self._replaced(table, name, put, result)
            if len(left) == len(sent):
                break
        return [done[id] for id, _, _ in documents]

    def _replaced(self, table: Table, name: Name, put: _Put, result: Answer | DynamoError) -> Outcome:
        """What became of a put that has a condition."""
        if isinstance(result, ReplyLost):
            return self._settled(table, name, [put], result)[put.id]
        if isinstance(result, Refused) and result.code == CONDITION_FAILED:
            return Outcome(put.id, None, Conflict([(name.path, put.id)]))
        if isinstance(result, DynamoError):
            return Outcome(put.id, None, translate(result))
        return Outcome(put.id, put.token)

    def _alone(self, table: Table, write: Prepared) -> str | None:
        """A commit of one entry: a plain conditional write."""
        name, id, expect = write.name, write.id, write.expect
        key = (name.path, id)
        if write.portable is not None:
            return self.save(table, name, id, write.portable, expect)
        if not write.delete or expect is ABSENT:
            found = self._reader.token(table, name, id)
            if found is not None if expect is ABSENT else found != split_rev(str(expect))[0]:
                raise Conflict([key])
            return None
        if expect is not ANY:
            try:
                self.delete(table, name, id, expect)
            except NotFound as error:
                raise Conflict([key]) from error
            return None
        deadline = self._client.deadline()
        try:
            self._client.call("DeleteItem", {"TableName": table.name, "Key": table.key(name, id)}, "WRITE", deadline)
        except ReplyLost as lost:
            if self._token_after(lost, table, name, id, deadline) is not None:
                raise
        return None

    def _token_after(self, lost: ReplyLost, table: Table, name: Name, id: str, deadline: float) -> str | None:
        """The revision token that stands there after a write whose reply was lost; if it cannot be read, ``lost``."""
        try:
            return self._reader.token(table, name, id, deadline)
        except DynamoError:  # the database is still not well: nothing is known
            raise lost from None

    def _transact(self, items: list[Payload], entries: list[Entry]) -> None:
        """Send a transaction until it is decided. While others hold one of its documents, it is sent anew."""
        deadline, waits = self._client.deadline(), growing_waits(_FIRST_WAIT, _LONGEST_WAIT)
        token, lost = new_token(), False
        while True:
            payload = {"TransactItems": items, "ClientRequestToken": token}
            try:
                self._client.call("TransactWriteItems", payload, "IDEMPOTENT", deadline)
                return
            except DynamoError as error:
                if not (isinstance(error, Refused) and error.code == CANCELLED):
                    if lost and not isinstance(error, ReplyLost):
                        raise ReplyLost(str(error), write=True) from error
                    raise
                lost = lost or error.after_loss
                failed = [
                    (entry.write.name.path, entry.write.id)
                    for entry, reason in zip(entries, error.reasons, strict=False)
                    if reason == "ConditionalCheckFailed"
                ]
                if failed:
                    raise Conflict(failed) from error
                wait = next(waits)
                if INVALID in error.reasons or "ValidationError" in error.reasons or time.monotonic() + wait > deadline:
                    if lost:
                        raise ReplyLost(str(error), write=True) from error
                    raise
                if not lost:
                    token = new_token()
            time.sleep(wait)

    def _put_all(self, table: Table, name: Name, puts: list[_Put]) -> list[Outcome]:
        """Put up to BATCH items, what DynamoDB leaves over again, with growing waits while nothing moves."""
        done: dict[str, Outcome] = {}
        left = puts
        deadline, waits = self._client.deadline(), growing_waits(_FIRST_WAIT, _LONGEST_WAIT)
        while left:
            batches = [left[start : start + _PUTS_AT_ONCE] for start in range(0, len(left), _PUTS_AT_ONCE)]
            payloads = [
                {"RequestItems": {table.name: [{"PutRequest": {"Item": put.item}} for put in batch]}}
                for batch in batches
            ]
            before, left = len(left), []
            for batch, result in zip(
                batches, self._client.call_all("BatchWriteItem", payloads, "WRITE", deadline), strict=True
            ):
                left += self._take(table, name, batch, result, done)
            if len(left) < before:
                deadline = self._client.deadline()
                continue
            time.sleep(next(waits))
            if time.monotonic() > deadline:
                error = Throttled("DynamoDB asks for fewer requests.", retry_after=1.0)
                done.update({put.id: Outcome(put.id, None, error) for put in left})
                break
        return [done[put.id] for put in puts]

    def _take(
        self, table: Table, name: Name, batch: list[_Put], result: Answer | DynamoError, done: dict[str, Outcome]
    ) -> list[_Put]:
        """Note what became of a batch; answers what is to be sent again."""
        if isinstance(result, ReplyLost):
            done.update(self._settled(table, name, batch, result))
            return []
        if isinstance(result, Refused) and result.code == INVALID and len(batch) > 1:
            # One item that DynamoDB refuses fails its whole batch.
            for put in batch:
                done[put.id] = self._single(table, put)
            return []
        if isinstance(result, DynamoError):
            error = translate(result)
            done.update({put.id: Outcome(put.id, None, error) for put in batch})
            return []
        requests: list[Any] = result.get("UnprocessedItems", {}).get(table.name, [])
        over = {request["PutRequest"]["Item"]["~id"]["S"] for request in requests}
        done.update({put.id: Outcome(put.id, put.token) for put in batch if put.id not in over})
        return [put for put in batch if put.id in over]

    def _single(self, table: Table, put: _Put) -> Outcome:
        try:
            self._client.call("PutItem", {"TableName": table.name, "Item": put.item}, "WRITE")
        except DynamoError as error:
            return Outcome(put.id, None, translate(error))
        return Outcome(put.id, put.token)

    def _settled(self, table: Table, name: Name, batch: list[_Put], lost: ReplyLost) -> dict[str, Outcome]:
        """Whose puts were applied, by their revision tokens; of the others nothing is known."""
        found: dict[str, str] = {}
        try:
            for item in self._reader.items(table.name, [table.key(name, put.id) for put in batch]):
                found[item["~id"]["S"]] = item["~rev"]["S"]
        except (DynamoError, Throttled):
            found = {}
        unknown = translate(lost)
        return {
            put.id: Outcome(put.id, put.token) if found.get(put.id) == put.token else Outcome(put.id, None, unknown)
            for put in batch
        }


def _condition(expect: Expected) -> Payload:
    """What makes a write fail unless the document has the revision, or is ABSENT."""
    if expect is ABSENT:
        return {"ConditionExpression": "attribute_not_exists(#r)", "ExpressionAttributeNames": _REV}
    return {
        "ConditionExpression": "#r = :r",
        "ExpressionAttributeNames": _REV,
        "ExpressionAttributeValues": {":r": {"S": split_rev(str(expect))[0]}},
    }


def _transact_item(table: Table, write: Prepared, token: str | None) -> Payload:
    """An entry of a transaction."""
    condition = {} if write.expect is ANY else _condition(write.expect)
    if write.portable is not None and token is not None:
        item = table.item(write.name, write.id, token, write.portable.body)
        return {"Put": {"TableName": table.name, "Item": item, **condition}}
    kind = "Delete" if write.delete and write.expect is not ABSENT else "ConditionCheck"
    return {kind: {"TableName": table.name, "Key": table.key(write.name, write.id), **condition}}
