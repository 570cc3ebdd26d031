"""What an operator should know of a Firestore database."""

import time
from typing import Any, Final

from google.auth.exceptions import GoogleAuthError

from app.db.backends.firestore_client import FirestoreClient
from app.db.backends.firestore_errors import translate
from app.db.backends.firestore_messages import BatchGetDocumentsRequest, CommitRequest, grpc
from app.db.backends.firestore_queries import walk_request
from app.db.capabilities import Finding
from app.db.paging import Walk
from app.db.planner import Span
from app.db.schema import Schema
from app.db.sortkeys import ABOVE

LARGEST_SKEW: Final = 30.0
"""Seconds. Google refuses tokens of a clock that is minutes away, and expiring documents are judged by this clock."""
_EVERYTHING: Final = Span(b"", b"", ABOVE)


def examine(client: FirestoreClient, root: str, schema: Schema, missing: list[str], deadline: float) -> list[Finding]:
    """A finding for each check. ``missing`` are prepare's sentences. Raises the driver's error if nothing answers."""
    probe = f"{root}/_doctor/probe"
    began, clock = time.monotonic(), time.time()
    request = BatchGetDocumentsRequest(database=client.root, documents=[probe])
    (answer,) = client.stream("BatchGetDocuments", [request], began + deadline)
    took = time.monotonic() - began
    where = f"emulator at {client.emulator}" if client.emulator else "Google"
    read_time = answer[-1].read_time.seconds + answer[-1].read_time.nanos / 1e9
    skew = read_time - (clock + took / 2)
    return [
        Finding("reachable", True, f"{client.root} ({where}) answered in {took * 1000:.0f} ms"),
        Finding(
            "clock",
            abs(skew) <= LARGEST_SKEW + took,
            f"this machine's clock is {abs(skew):.1f} s {'behind' if skew > 0 else 'ahead of'} Firestore's",
            "Synchronise the machine's clock (chrony, systemd-timesyncd).",
        ),
        _try_writing(client, probe, deadline),
        Finding(
            "collections",
            not missing,
            "; ".join(missing) or f"all {len(schema)} registered, their indexes filled",
            "Run 'wherry db prepare', or check FIRESTORE_PROJECT and FIRESTORE_PREFIX.",
        ),
        _try_indexes(client, root, schema, deadline),
    ]


def _try_writing(client: FirestoreClient, probe: str, deadline: float) -> Finding:
    remedy = "Grant the account roles/datastore.user on the project."
    try:
        for delete in (False, True):
            request = CommitRequest(database=client.root)
            write = request.writes.add()
            if delete:
                write.delete = probe
            else:
                write.update.name = probe
            client.write("Commit", request, time.monotonic() + deadline)
    except (grpc.RpcError, GoogleAuthError) as error:
        return Finding("permissions", False, str(translate(error)), remedy)
    return Finding("permissions", True, "documents can be written and deleted")


def _try_indexes(client: FirestoreClient, root: str, schema: Schema, deadline: float) -> Finding:
    """Ask each declared index in both directions for one document of a tenant that does not exist."""
    broken: list[str] = []
    asked = 0
    for collection in schema:
        parent = root if collection.scope == "installation" else f"{root}/tenants/doctor"
        orders = {
            f"{collection.name} by {index.name if index else 'id'}, {'descending' if descending else 'ascending'}": (
                walk_request(
                    parent, collection.name, Walk(index, (_EVERYTHING,), descending, None, 1), _EVERYTHING, None
                )
            )
            for index in (*collection.indexes, None)
            for descending in (False, True)
        }
        asked += len(orders)
        if not _is_served(client, list(orders.values()), deadline):
            broken += [order for order, request in orders.items() if not _is_served(client, [request], deadline)]
    return Finding(
        "indexes",
        not broken,
        f"not served: {'; '.join(broken)}" if broken else f"{asked} orders are served",
        "Write firestore.indexes.json with 'wherry db firestore-indexes' and deploy it; then wait until it is built.",
    )


def _is_served(client: FirestoreClient, requests: list[Any], deadline: float) -> bool:
    try:
        client.stream("RunQuery", requests, time.monotonic() + deadline)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
            raise
        return False
    return True
