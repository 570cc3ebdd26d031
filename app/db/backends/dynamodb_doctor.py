"""The doctor's findings for DynamoDB."""

from base64 import b64encode
from typing import Final

from app.db.backends.dynamodb_client import Client, Payload
from app.db.backends.dynamodb_collections import Capacity, Collections, index_states
from app.db.backends.dynamodb_errors import (
    CONDITION_FAILED,
    INVALID,
    NO_TABLE,
    DynamoError,
    NotConfigured,
    Refused,
    translate,
)
from app.db.backends.dynamodb_layout import INDEXES_AT_MOST, IndexKeys, Table, table_name
from app.db.capabilities import Finding
from app.db.errors import Unauthorised
from app.db.index_registry import Entry
from app.db.schema import Schema

_SKEW_ALLOWED = 60.0
_RIGHTS_REMEDY: Final = "Give the credentials the policy of docs/backends/dynamodb.md."
_PREPARE: Final = "Run 'wherry db prepare'."
_NONE: Final = "Run 'wherry db prepare', or check DYNAMODB_REGION and DYNAMODB_PREFIX."
# Conditions that never hold: DynamoDB answers whether we may write, and nothing is written.
_NEVER: Final = {
    "ConditionExpression": "attribute_exists(#i) AND attribute_not_exists(#i)",
    "ExpressionAttributeNames": {"#i": "~id"},
}
# Refusals that a right was needed to get; that a table or index is missing is a finding of its own.
_NO_MATTER: Final = (CONDITION_FAILED, NO_TABLE, INVALID)
_NOBODY: Final = {"~tenant": {"S": "~doctor"}, "~id": {"S": "~doctor"}}


def examine(client: Client, collections: Collections, prefix: str, schema: Schema) -> list[Finding]:
    """Every finding; what needs an answer from DynamoDB is left out when there is none."""
    try:
        ahead = client.server_clock()
        where = f"{client.target.endpoint}, region {client.target.region}"
    except NotConfigured as error:
        return [Finding("configured", False, str(error), "Correct the setting that is named.")]
    except DynamoError as error:
        remedy = "Check DYNAMODB_REGION, DYNAMODB_ENDPOINT and the network."
        return [Finding("reachable", False, str(translate(error)), remedy)]
    findings = [Finding("reachable", True, where), _clock(ahead)]
    try:
        entries = list(collections.entries())
    except Refused as error:
        failure = translate(error)
        remedy = _RIGHTS_REMEDY if isinstance(failure, Unauthorised) else "See the message."
        return [*findings, Finding("authorised", False, str(failure), remedy)]
    findings.append(Finding("authorised", True, "the collections can be listed"))
    detail = f"{len(entries)} with the prefix {prefix!r} in {client.target.region}"
    findings.append(Finding("collections", bool(entries), detail, _NONE))
    findings += [_table(collections, prefix, entry) for entry in entries]
    tables = sorted((Table(prefix, entry) for entry in entries), key=lambda table: not _readable_index(table))
    findings += [_rights(client, table) for table in tables[:1]]
    lacking = [
        f"{declared.name}: {', '.join(index.name for index in indexes) or 'the collection'}"
        for declared in schema
        for absent, indexes in [collections.missing(declared)]
        if absent or indexes
    ]
    findings.append(Finding("indexes", not lacking, "; ".join(lacking) or "all there", _PREPARE))
    return findings


def _clock(ahead: float | None) -> Finding:
    if ahead is None:
        return Finding("clock", False, "the server does not tell its time", "Check what answers at DYNAMODB_ENDPOINT.")
    detail = f"{abs(ahead):.0f} s from the server's"
    return Finding("clock", abs(ahead) <= _SKEW_ALLOWED, detail, "Set this machine's clock (NTP).")


def _table(collections: Collections, prefix: str, entry: Entry) -> Finding:
    """Whether a collection's table and the secondary indexes that are read are there and active."""
    name = f"table {table_name(prefix, entry.name)}"
    described = collections.describe(table_name(prefix, entry.name))
    if described is None:
        return Finding(name, False, "it is registered, and missing", "Restore the table from a backup.")
    if described["TableStatus"] not in ("ACTIVE", "UPDATING"):
        return Finding(name, False, f"it is {described['TableStatus']}", "Wait, and look again.")
    states, keys = index_states(described), Table(prefix, entry).keys
    bad = [
        f"{index.name} is {states.get(keys[index].name, 'missing')}"
        for index in entry.ready
        if index in keys and states.get(keys[index].name) not in ("ACTIVE", "UPDATING")
    ]
    if bad:
        return Finding(name, False, "; ".join(bad), "Make the index again (docs/backends/dynamodb.md), or wait for it.")
    documents = f"{described.get('ItemCount', 0):,} documents (six hours old)"
    detail = f"active, {Capacity.of(described)}, {len(entry.ready)} indexes, {documents}"
    building = [index.name for index in entry.written if index not in entry.ready]
    if building:
        return Finding(
            name, False, f"{detail}; being built: {', '.join(building)}", f"Wait; if nobody builds: {_PREPARE}"
        )
    if len(entry.ready) > INDEXES_AT_MOST:
        detail = f"{detail}, of which those beyond {INDEXES_AT_MOST} are answered by reading whole tenants"
        return Finding(name, False, detail, "Declare fewer indexes on this collection.")
    return Finding(name, True, detail)


def _readable_index(table: Table) -> list[IndexKeys]:
    """One of the secondary indexes that lists read, if there is any."""
    return [table.keys[index] for index in table.entry.ready if index in table.keys][:1]


def _rights(client: Client, table: Table) -> Finding:
    """Whether we may do what the application does, found by reading what nobody has, and by writes that change nothing:
    their condition never holds, or nothing is there to delete."""
    at: Payload = {"TableName": table.name}
    never: Payload = {**at, **_NEVER}
    requests: list[tuple[str, str, Payload]] = [
        ("GetItem", "", {**at, "Key": _NOBODY}),
        ("Query", "", {**at, **_partition("~tenant", _NOBODY["~tenant"])}),
        *(
            ("Query", " on its indexes", {**at, "IndexName": keys.name, **_partition(keys.hash, _nobody_in(keys))})
            for keys in _readable_index(table)
        ),
        ("PutItem", "", {**never, "Item": _NOBODY}),
        ("DeleteItem", "", {**never, "Key": _NOBODY}),
        ("UpdateItem", "", {**never, "Key": _NOBODY, "UpdateExpression": "REMOVE nothing"}),
        ("ConditionCheckItem", "", {"TransactItems": [{"ConditionCheck": {**never, "Key": _NOBODY}}]}),
        ("BatchGetItem", "", {"RequestItems": {table.name: {"Keys": [_NOBODY]}}}),
        ("BatchWriteItem", "", {"RequestItems": {table.name: [{"DeleteRequest": {"Key": _NOBODY}}]}}),
        ("Scan", "", {**at, "Limit": 1}),
        ("DescribeTable", "", at),
    ]
    refused = []
    for right, of, payload in requests:
        operation = "TransactWriteItems" if right == "ConditionCheckItem" else right
        try:
            client.call(operation, payload)
        except Refused as error:
            if isinstance(translate(error), Unauthorised):
                refused.append(f"dynamodb:{right}{of}")
            elif error.code not in _NO_MATTER and "ConditionalCheckFailed" not in error.reasons:
                raise
    detail = f"lacking: {', '.join(refused)}" if refused else "reading, writing, listing and describing are allowed"
    return Finding("rights", not refused, detail, _RIGHTS_REMEDY)


def _nobody_in(keys: IndexKeys) -> dict[str, str]:
    return {"B": b64encode(b"~doctor").decode()} if keys.computed_hash else _NOBODY["~tenant"]


def _partition(hash: str, value: dict[str, str]) -> Payload:
    """A query's request for one item of a partition."""
    return {
        "KeyConditionExpression": "#h = :h",
        "ExpressionAttributeNames": {"#h": hash},
        "ExpressionAttributeValues": {":h": value},
        "Limit": 1,
    }
