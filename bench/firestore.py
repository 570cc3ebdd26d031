"""Client CPU of a Firestore page and get against google-cloud-firestore's own documents.

The server's answers are prepared messages, handed over where each client takes them from gRPC, so that what is measured
is the client alone: making the request, decoding, building documents. Ours carry the revision and index keys besides.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from app.db import Query, where
from app.db.backends.firestore import FirestoreDatabase
from app.db.backends.firestore_codec import encode_id, put_fields
from app.db.backends.firestore_messages import Document, message_classes
from app.db.index_registry import Entry, Leased
from bench.data import COLLECTION, PATH, SCHEMA, TENANT, documents
from bench.figures import Figure
from bench.harness import Effort, Run, measure

PAGE = 100
GOAL = 0.5
OURS, THEIRS = "wherry", "google-cloud-firestore"
_PROJECT = "bench"
_NOTE = "client CPU: prepared answers, no network"


class _Served(FirestoreDatabase):
    """Ours, with prepared answers instead of a channel."""

    def __init__(self, page: list[bytes], one: bytes) -> None:
        super().__init__(_PROJECT, SCHEMA, cursor_secret=b"bench")
        declared = SCHEMA.get(COLLECTION)
        assert declared is not None
        entry = Entry(COLLECTION, "tenant", declared.indexes, declared.indexes)
        self._registry._leased[COLLECTION] = Leased(entry, float("inf"))
        self._registry._scopes[COLLECTION] = "tenant"
        parse_part = message_classes("RunQuery")[1].FromString
        serialize_query = message_classes("RunQuery")[0].SerializeToString
        serialize_get = message_classes("GetDocument")[0].SerializeToString

        def stream_some(_: str, request: Any, end: float) -> tuple[list[Any], bool]:
            serialize_query(request)
            return [parse_part(part) for part in page], True

        def read(_: str, request: Any, end: float) -> Any:
            return Document.FromString(one) if serialize_get(request) else None

        self._client.stream_some = stream_some  # type: ignore[method-assign, assignment]
        self._client.read = read  # type: ignore[method-assign, assignment]


class _Api:
    """The generated client's methods, with prepared answers deserialised as it does."""

    def __init__(self, page: list[bytes], one: bytes) -> None:
        from google.cloud.firestore_v1.types import firestore as messages

        self._messages = messages
        self._page = page
        self._one = one

    def run_query(self, request: Any, **_: Any) -> Iterator[Any]:
        """As the transport hands out a stream."""
        query = self._messages.RunQueryRequest(request)
        assert self._messages.RunQueryRequest.serialize(query)
        return map(self._messages.RunQueryResponse.deserialize, self._page)

    def batch_get_documents(self, request: Any, **_: Any) -> Iterator[Any]:
        """What its ``get`` of one document calls."""
        asked = self._messages.BatchGetDocumentsRequest(request)
        assert self._messages.BatchGetDocumentsRequest.serialize(asked)
        return iter([self._messages.BatchGetDocumentsResponse.deserialize(self._one)])


def run(folder: Path, number: int, effort: Effort) -> Iterator[Figure]:
    """Every figure of this group; ``folder`` is not used, and no more than a page of documents."""
    ours = _ours()
    client, collection, query = _theirs()

    def our_pages(inputs: Sequence[str]) -> None:
        for status in inputs:
            page = ours.query(PATH, Query(where=(where("status").eq(status),), order_by=("name",), limit=PAGE))
            assert len(page.documents) == PAGE

    def their_pages(inputs: Sequence[str]) -> None:
        for status in inputs:
            found = [snapshot.to_dict() for snapshot in query(status).stream()]
            assert len(found) == PAGE

    def our_gets(inputs: Sequence[str]) -> None:
        for id in inputs:
            ours.get(PATH, id)

    def their_gets(inputs: Sequence[str]) -> None:
        for id in inputs:
            collection.document(id).get().to_dict()

    pages: dict[str, Run] = {OURS: our_pages, THEIRS: their_pages}
    gets: dict[str, Run] = {OURS: our_gets, THEIRS: their_gets}
    for title, sides, goal in ((f"page of {PAGE}", pages, GOAL), ("get", gets, None)):
        yield _figure(f"Firestore {title}, wherry / google-cloud-firestore", sides, goal, effort)
    client.close()
    ours.close()


def _figure(name: str, sides: dict[str, Run], goal: float | None, effort: Effort) -> Figure:
    rounds = measure(sides, lambda chance, number: chance.choices(["a1", "b2", "c3"], k=number), effort)
    mine, others = rounds.in_microseconds(OURS), rounds.in_microseconds(THEIRS)
    return Figure.from_rounds(name, mine, others, "us", at_most=goal, note=_NOTE)


def _ours() -> FirestoreDatabase:
    declared = SCHEMA.get(COLLECTION)
    assert declared is not None
    parts = []
    one = b""
    for place, (id, document) in enumerate(islice(documents(PAGE + 1), PAGE)):
        part = message_classes("RunQuery")[1]()
        _store(part.document, f"wherry/db/tenants/{TENANT}/{COLLECTION}", id, place)
        put_fields(part.document.fields, document, "0" * 24, declared.indexes)
        parts.append(part.SerializeToString())
        one = part.document.SerializeToString()
    return _Served(parts, one)


def _theirs() -> tuple[Any, Any, Any]:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import firestore
    from google.cloud.firestore_v1.base_query import FieldFilter

    parts = []
    found = message_classes("BatchGetDocuments")[1]()
    for place, (id, document) in enumerate(islice(documents(PAGE + 1), PAGE)):
        plain = message_classes("RunQuery")[1]()
        put_fields(plain.document.fields, document, "", ())
        for own in [key for key in plain.document.fields if key[0] == "~"]:
            del plain.document.fields[own]
        _store(plain.document, f"tenants/{TENANT}/{COLLECTION}", id, place)
        plain.read_time.seconds = 1
        parts.append(plain.SerializeToString())
        found.found.CopyFrom(plain.document)
        found.read_time.seconds = 1
    client = firestore.Client(project=_PROJECT, credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
    collection = client.collection("tenants").document(TENANT).collection(COLLECTION)
    # Its get looks its answers up by name, so the one that is there is asked for whatever the id.
    one = found.found.name.rpartition("/")[2]
    client._firestore_api_internal = _Api(parts, found.SerializeToString())
    document_of = collection.document

    def the_one(_: str) -> Any:
        return document_of(one)

    collection.document = the_one

    def query(status: str) -> Any:
        return collection.where(filter=FieldFilter("status", "==", status)).order_by("name").limit(PAGE)

    return client, collection, query


def _store(stored: Any, parent: str, id: str, place: int) -> None:
    stored.name = f"projects/{_PROJECT}/databases/(default)/documents/{parent}/{encode_id(id)}"
    stored.create_time.seconds = stored.update_time.seconds = 1_760_000_000 + place
