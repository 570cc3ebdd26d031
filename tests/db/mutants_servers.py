"""The mutants of the backends on CouchDB, Firestore and DynamoDB, each noticed by tests on the real server.

They need the server: where it is not, `make mutants` says so.
"""

from collections.abc import Sequence

from tests.db.mutant import Mutant

COUCHDB, COUCHDB_LAYOUT = "app/db/backends/couchdb_writing.py", "app/db/backends/couchdb_layout.py"
FIRESTORE, FIRESTORE_CODEC = "app/db/backends/firestore_writing.py", "app/db/backends/firestore_codec.py"
DYNAMODB, DYNAMODB_LAYOUT = "app/db/backends/dynamodb_writing.py", "app/db/backends/dynamodb_layout.py"
DYNAMODB_READING = "app/db/backends/dynamodb_reading.py"


def _mutant(server: str, what: str, file: str, right: str, wrong: str, tests: Sequence[str]) -> Mutant:
    """``tests``: classes of the contract on that server, or what stands behind ``test_<server>`` in a test's name."""
    named = [
        f"tests/db/test_{server}{part}" if ".py" in part else f"tests/db/test_{server}.py::{part}" for part in tests
    ]
    return Mutant(f"{server}: {what}", file, right, wrong, named, server)


SERVERS = (
    # CouchDB
    _mutant(
        "couchdb",
        "a tenant's name is not encoded",
        COUCHDB_LAYOUT,
        '    encoded = tenant.replace("%", "%25").replace(":", "%3A")\n',
        "    encoded = tenant\n",
        ["TestTenants", "_layout.py"],
    ),
    _mutant(
        "couchdb",
        "a conflict in bulk is not looked into",
        COUCHDB,
        '            elif row.get("error") != "conflict":\n',
        "            else:\n",
        ["TestWritingInBulk"],
    ),
    # Firestore
    _mutant(
        "firestore",
        "a write ignores the revision it expects",
        FIRESTORE,
        "    elif time_ is not None:\n",
        "    elif time_ is not None and not (entry.delete or entry.portable is not None):\n",
        ["TestRevisions"],
    ),
    _mutant(
        "firestore",
        "a check is not made",
        FIRESTORE,
        "    elif time_ is not None:\n",
        "    elif time_ is not None and (entry.delete or entry.portable is not None):\n",
        ["TestExpectations"],
    ),
    _mutant(
        "firestore",
        "create replaces",
        FIRESTORE,
        "    if entry.expect is ABSENT:\n        write.current_document.exists = False\n",
        "    if False:\n        write.current_document.exists = False\n",
        ["TestWriting"],
    ),
    _mutant(
        "firestore",
        "a replacement keeps the revision token",
        FIRESTORE,
        'token = "" if portable is None else kept or new_token()',
        'token = "" if portable is None else kept or (split_rev(expect)[0] if type(expect) is str else new_token())',
        ["TestRevisions"],
    ),
    _mutant(
        "firestore",
        "a hint is good for every revision",
        FIRESTORE_CODEC,
        """zlib.crc32(f'{token} {seconds} {nanos} {path}'.encode()):x}""",
        """zlib.crc32(f'{seconds} {nanos} {path}'.encode()):x}""",
        ["TestRevisions"],
    ),
    _mutant(
        "firestore",
        "an array within an array is sent as it is",
        FIRESTORE_CODEC,
        "            if type(item) is list:\n",
        "            if False:\n",
        ["TestPortableValues"],
    ),
    _mutant(
        "firestore",
        "tenants share one place",
        "app/db/backends/firestore_paths.py",
        'return f"{self.root}/tenants/{encode_id(name.tenant)}" if name.tenant',
        'return f"{self.root}/tenants/one" if name.tenant',
        ["TestTenants"],
    ),
    _mutant(
        "firestore",
        "a lost reply is taken for a lost request",
        FIRESTORE,
        "                    settled = self._settled(entries, end)\n",
        "                    settled = None\n",
        ["_faults.py::TestLostReplies"],
    ),
    # DynamoDB
    _mutant(
        "dynamodb",
        "a write ignores the revision it expects",
        DYNAMODB,
        "                payload.update(_condition(wanted))\n",
        "                pass\n",
        ["TestRevisions"],
    ),
    _mutant(
        "dynamodb",
        "a commit ignores the revisions it expects",
        DYNAMODB,
        "    condition = {} if write.expect is ANY else _condition(write.expect)\n",
        "    condition = {} if write.expect is ANY or write.portable is not None else _condition(write.expect)\n",
        ["TestExpectations"],
    ),
    _mutant(
        "dynamodb",
        "a check is not made",
        DYNAMODB,
        "            items.append(_transact_item(table, write, token))\n",
        "            if write.portable is not None or write.delete:\n"
        "                items.append(_transact_item(table, write, token))\n",
        ["TestExpectations"],
    ),
    _mutant(
        "dynamodb",
        "a replacement keeps the revision token",
        DYNAMODB,
        "        token = new_token()\n        item = table.item(name, id, token, portable.body)\n        deadline",
        "        token = split_rev(expect)[0] if type(expect) is str else new_token()\n"
        "        item = table.item(name, id, token, portable.body)\n        deadline",
        ["TestRevisions"],
    ),
    _mutant(
        "dynamodb",
        "documents that a batch left over are dropped",
        DYNAMODB,
        '        over = {request["PutRequest"]["Item"]["~id"]["S"] for request in requests}\n',
        "        over = set(requests[:0])\n",
        ["_faults.py::TestThrottling"],
    ),
    _mutant(
        "dynamodb",
        "keys that a batch left over are dropped",
        DYNAMODB_READING,
        '                left += answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", ())\n',
        "",
        ["_faults.py::TestThrottling"],
    ),
    _mutant(
        "dynamodb",
        "a write that expects no revision is sent again after a lost reply",
        DYNAMODB,
        'payload, "IDEMPOTENT" if type(wanted) is str else "WRITE", deadline)\n                return token',
        'payload, "IDEMPOTENT", deadline)\n                return token',
        ["_faults.py::TestLostReplies", "_faults.py::TestInterference"],
    ),
    _mutant(
        "dynamodb",
        "a commit has no token by which its repetition is known",
        DYNAMODB,
        'payload = {"TransactItems": items, "ClientRequestToken": token}',
        'payload = {"TransactItems": items}',
        ["_faults.py::TestLostReplies"],
    ),
    _mutant(
        "dynamodb",
        "an index of three fields forgets the tenant",
        DYNAMODB_LAYOUT,
        'return partition.encode() + b"\\x00" + leading',
        'return b"\\x00" + leading',
        ["TestTenants", "_overflow.py"],
    ),
    _mutant(
        "dynamodb",
        "an index key lacks the id",
        DYNAMODB_LAYOUT,
        "item[self.range] = _binary(key + id.encode())",
        "item[self.range] = _binary(key)",
        ["TestTheOneOrder"],
    ),
)
