"""Round trips through the Firestore backend against google-cloud-firestore on the same server in one run.

The server is the tests': the one that TEST_FIRESTORE_URL names, or an emulator that is started here. The other side
does what its documentation shows: ``document.get()``, ``document.set()``, a batch, a query.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from app.db import DatabaseService, Query, open_database, where
from bench.data import COLLECTION, PAGE, PATH, SCHEMA, TENANT, documents, statuses
from bench.figures import Figure
from bench.harness import Effort, Run, measure
from bench.needs import need
from tests.db.firestore_server import fresh_backend, shared_url

GOAL = 1.10
BULK = 100
OURS, THEIRS = "wherry", "google-cloud-firestore"


def run(folder: Path, number: int, effort: Effort) -> Iterator[Figure]:
    """Every figure of this group, over ``number`` documents; ``folder`` is not used."""
    need("firestore")
    url = fresh_backend(shared_url()).url
    given = dict(islice(documents(number), number))
    with closing(open_database(url, SCHEMA, deadline=10.0, lease=600.0)) as ours:
        ours.write_batch(PATH, [{**document, "_id": id} for id, document in given.items()])
        client = _client(url)
        theirs = client.collection("plain").document(TENANT).collection(COLLECTION)
        for part in _chunks(list(given), BULK):
            _write(client, theirs, {id: given[id] for id in part})
        ids, values = list(given), statuses(number)
        for title, sides, inputs in (
            ("get", _gets(ours, theirs), ids),
            ("save", _saves(ours, theirs, given), ids),
            (f"bulk save of {BULK}", _bulks(ours, client, theirs, given), [",".join(ids[:BULK])]),
            (f"page of {PAGE}", _pages(ours, theirs), values),
        ):
            rounds = measure(sides, partial(_picks, inputs), effort)
            mine, others = rounds.in_microseconds(OURS), rounds.in_microseconds(THEIRS)
            name = f"Firestore {title}, round trip, wherry / google-cloud-firestore"
            yield Figure.from_rounds(name, mine, others, "us", at_most=GOAL)
        client.close()


def _client(url: str) -> Any:
    """Google's client on the server and project of a URL, as its emulator variable would make it."""
    import google.auth.credentials
    import grpc
    from google.cloud import firestore
    from google.cloud.firestore_v1.services.firestore import FirestoreClient
    from google.cloud.firestore_v1.services.firestore.transports.grpc import FirestoreGrpcTransport

    parts = urlsplit(url)
    emulator = parse_qs(parts.query).get("emulator")
    if not emulator:
        return firestore.Client(project=parts.netloc)
    anonymous = google.auth.credentials.AnonymousCredentials()  # type: ignore[no-untyped-call]
    client = firestore.Client(project=parts.netloc, credentials=anonymous)
    transport = FirestoreGrpcTransport(channel=grpc.insecure_channel(emulator[-1]))
    client._firestore_api_internal = FirestoreClient(transport=transport)
    return client


def _gets(ours: DatabaseService, theirs: Any) -> dict[str, Run]:
    def mine(inputs: Sequence[str]) -> None:
        for id in inputs:
            ours.get(PATH, id)

    def others(inputs: Sequence[str]) -> None:
        for id in inputs:
            theirs.document(id).get().to_dict()

    return {OURS: mine, THEIRS: others}


def _saves(ours: DatabaseService, theirs: Any, given: dict[str, Any]) -> dict[str, Run]:
    def mine(inputs: Sequence[str]) -> None:
        for id in inputs:
            ours.save(PATH, id, given[id])

    def others(inputs: Sequence[str]) -> None:
        for id in inputs:
            theirs.document(id).set(given[id])

    return {OURS: mine, THEIRS: others}


def _bulks(ours: DatabaseService, client: Any, theirs: Any, given: dict[str, Any]) -> dict[str, Run]:
    def mine(inputs: Sequence[str]) -> None:
        for ids in inputs:
            ours.write_batch(PATH, [{**given[id], "_id": id} for id in ids.split(",")])

    def others(inputs: Sequence[str]) -> None:
        for ids in inputs:
            _write(client, theirs, {id: given[id] for id in ids.split(",")})

    return {OURS: mine, THEIRS: others}


def _pages(ours: DatabaseService, theirs: Any) -> dict[str, Run]:
    from google.cloud.firestore_v1.base_query import FieldFilter

    def mine(inputs: Sequence[str]) -> None:
        for status in inputs:
            ours.query(PATH, Query(where=(where("status").eq(status),), order_by=("name",), limit=PAGE))

    def others(inputs: Sequence[str]) -> None:
        for status in inputs:
            query = theirs.where(filter=FieldFilter("status", "==", status)).order_by("name").limit(PAGE)
            assert len([snapshot.to_dict() for snapshot in query.stream()]) == PAGE

    return {OURS: mine, THEIRS: others}


def _picks(inputs: Sequence[str], chance: random.Random, number: int) -> list[str]:
    return chance.choices(inputs, k=number)


def _write(client: Any, collection: Any, given: dict[str, Any]) -> None:
    batch = client.batch()
    for id, document in given.items():
        batch.set(collection.document(id), document)
    batch.commit()


def _chunks(items: list[str], size: int) -> Iterator[list[str]]:
    return (items[start : start + size] for start in range(0, len(items), size))
