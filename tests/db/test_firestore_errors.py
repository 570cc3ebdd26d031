"""Firestore's errors as the contract's: provoked on the emulator, or by a server that answers with a given status."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from google.cloud.firestore_v1.types import firestore as raw

from app.db import (
    Conflict,
    DatabaseService,
    InvalidDocument,
    NotFound,
    Put,
    Query,
    TooLarge,
    Unavailable,
    open_database,
)
from app.db.backends.firestore_messages import CommitRequest, grpc
from app.db.errors import Throttled, Unauthorised
from app.errors import WherryError
from tests.db.contract.given import NOTES, OTHERS, make_schema
from tests.db.firestore_fixtures import backend, firestore_url
from tests.db.firestore_server import FirestoreBackend
from tests.db.refusing_servers import refusing_firestore

__all__ = ["backend", "firestore_url"]


@pytest.fixture
def service(backend: FirestoreBackend) -> Iterator[DatabaseService]:
    with closing(backend.open(make_schema())) as opened:
        opened.prepare()
        yield opened


@contextmanager
def answering(status: Any, details: str) -> Iterator[DatabaseService]:
    """A service on a server that answers every call with one status."""
    with refusing_firestore(status, details) as address:
        url = f"firestore://some-project/wherry?emulator={address}"
        with closing(open_database(url, make_schema(), deadline=1.0)) as service:
            yield service


class TestProvoked:
    def test_a_stale_revision_a_duplicate_and_a_missing_document(self, service: DatabaseService) -> None:
        old = service.create(NOTES, "a", {"n": 1})["rev"]
        service.save(NOTES, "a", {"n": 2, "_rev": old})
        with pytest.raises(Conflict) as stale:
            service.save(NOTES, "a", {"n": 3, "_rev": old})
        assert stale.value.keys == ((NOTES, "a"),)
        assert isinstance(stale.value.__cause__ or stale.value.__context__, grpc.RpcError)
        with pytest.raises(Conflict):
            service.create(NOTES, "a", {})
        with pytest.raises(NotFound):
            service.get(NOTES, "b")
        with pytest.raises(NotFound):
            service.delete(NOTES, "b")

    def test_another_documents_hint_of_the_same_commit_is_no_way_around_the_token(
        self, service: DatabaseService
    ) -> None:
        one, other = service.commit([Put(NOTES, "a", {"n": 1}), Put(OTHERS, "a", {"n": 1})])
        assert one
        assert other
        assert one["rev"].split(".")[1].split("-")[:2] == other["rev"].split(".")[1].split("-")[:2]
        with pytest.raises(Conflict):
            service.save(NOTES, "a", {"n": 2, "_rev": other["rev"]})
        forged = one["rev"].split(".")[0] + "." + other["rev"].split(".")[1]
        assert service.save(NOTES, "a", {"n": 2, "_rev": forged})

    def test_too_large_for_the_emulator(self, service: DatabaseService, backend: FirestoreBackend) -> None:
        client: Any = service._client  # type: ignore[attr-defined]
        for number, size in ((1, 1_100_000), (5, 900_000)):
            request = CommitRequest(database=client.root)
            for n in range(number):
                update = request.writes.add().update
                update.name = f"{client.root}/documents/raw/{n}"
                update.fields["text"].string_value = "x" * size
            with pytest.raises(grpc.RpcError) as caught:
                client.write("Commit", request, time.monotonic() + 10)
            assert isinstance(service._translate(caught.value), TooLarge)  # type: ignore[attr-defined]

    @pytest.mark.parametrize("project", ["Bad Project", "a/b"])
    def test_a_project_that_cannot_be(self, backend: FirestoreBackend, project: str) -> None:
        emulator = urlsplit(backend.url).query.removeprefix("emulator=")
        from app.db.backends.firestore import FirestoreDatabase

        with closing(FirestoreDatabase(project, emulator=emulator)) as service:
            with pytest.raises((Unavailable, InvalidDocument)):
                service.get(NOTES, "a")
            assert not all(finding.ok for finding in service.doctor())

    def test_credentials_that_the_server_refuses(self, service: DatabaseService) -> None:
        client: Any = service._client  # type: ignore[attr-defined]
        client._metadata = (("authorization", "Bearer wrong"),)
        for call in (lambda: service.get(NOTES, "a"), lambda: service.save(NOTES, "a", {})):
            with pytest.raises(Unauthorised) as caught:
                call()
            assert "FIRESTORE_CREDENTIALS" in str(caught.value)

    @pytest.mark.slow
    def test_a_document_that_a_transaction_has_locked_is_throttled(self, backend: FirestoreBackend) -> None:
        """The emulator lets a write wait two seconds for the lock."""
        with closing(backend.open(make_schema(), deadline=8.0)) as service:
            service.save(NOTES, "a", {"n": 1})
            client: Any = service._client  # type: ignore[attr-defined]
            channel = grpc.insecure_channel(client.emulator)
            path = "/google.firestore.v1.Firestore/"

            def call(kind: Any, name: str, request: Any, answer: Any) -> Any:
                made = kind(
                    path + name, request_serializer=type(request).SerializeToString, response_deserializer=answer
                )
                return made(request, timeout=10, metadata=client._metadata)

            begin = raw.BeginTransactionRequest.meta.pb(database=client.root)
            begun = call(
                channel.unary_unary, "BeginTransaction", begin, raw.BeginTransactionResponse.meta.pb.FromString
            )
            document = service._paths.document(service._name(NOTES), "a")  # type: ignore[attr-defined]
            read = raw.BatchGetDocumentsRequest.meta.pb(
                database=client.root, documents=[document], transaction=begun.transaction
            )
            list(
                call(channel.unary_stream, "BatchGetDocuments", read, raw.BatchGetDocumentsResponse.meta.pb.FromString)
            )
            with pytest.raises(Throttled) as caught:
                service.save(NOTES, "a", {"n": 2})
            assert caught.value.outcome is None
            channel.close()
            assert service.get(NOTES, "a")["n"] == 1


NO_TOKEN = "Getting metadata from plugin failed with error: "
STATUSES = [
    (grpc.StatusCode.PERMISSION_DENIED, "Missing or insufficient permissions.", Unauthorised, "roles/datastore.user"),
    (grpc.StatusCode.UNAUTHENTICATED, "Request had invalid credentials.", Unauthorised, "FIRESTORE_CREDENTIALS"),
    (grpc.StatusCode.NOT_FOUND, "The database (default) does not exist", Unavailable, "FIRESTORE_PROJECT"),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, "Quota exceeded.", Throttled, "fewer"),
    (grpc.StatusCode.FAILED_PRECONDITION, "The query requires an index.", Unavailable, "firestore.indexes.json"),
    (grpc.StatusCode.FAILED_PRECONDITION, "This is a Datastore Mode database", Unavailable, "native mode"),
    (grpc.StatusCode.UNAVAILABLE, "The service is currently unavailable.", Unavailable, "does not answer"),
    # What is said before anything was sent: of the host, and of the host that gives out tokens.
    (grpc.StatusCode.UNAVAILABLE, f"{NO_TOKEN}('invalid_grant: Invalid JWT Signature.')", Unauthorised, "CREDENTIALS"),
    (grpc.StatusCode.UNAVAILABLE, f"{NO_TOKEN}HTTPSConnectionPool: Max retries exceeded", Unavailable, "be reached"),
    (grpc.StatusCode.UNAVAILABLE, f"{NO_TOKEN}Max retries exceeded (SSLError(certificate))", Unavailable, "TLS"),
    (grpc.StatusCode.UNAVAILABLE, "errors resolving host:443: address lookup failed", Unavailable, "be reached"),
    (grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses; Tls handshake failed", Unavailable, "TLS"),
]


class TestEveryStatus:
    @pytest.mark.parametrize(("status", "details", "error", "words"), STATUSES, ids=lambda part: str(part)[:40])
    def test_is_one_sentence_with_a_remedy_and_a_finding(
        self, status: Any, details: str, error: type[Unavailable], words: str
    ) -> None:
        with answering(status, details) as service:
            for call in (lambda: service.get("users", "a"), lambda: service.query("users", Query())):
                with pytest.raises(error) as caught:
                    call()
                assert words in str(caught.value)
                assert caught.value.retry_after > 0
                assert caught.value.__cause__ is not None
            assert any(words in finding.detail for finding in service.doctor() if not finding.ok)

    def test_a_write_that_was_refused_is_known_not_to_be_done(self) -> None:
        with answering(grpc.StatusCode.PERMISSION_DENIED, "no") as service:
            for call in (lambda: service.save("users", "a", {}), lambda: service.delete("users", "a")):
                with pytest.raises(Unauthorised) as caught:
                    call()
                assert caught.value.outcome is None


class TestSettings:
    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("firestore://", "FIRESTORE_PROJECT"),
            ("firestore:///wherry", "FIRESTORE_PROJECT"),
            ("firestore://project/a/b", "FIRESTORE_PREFIX"),
            ("firestore://project/wherry?region=x", "region"),
        ],
    )
    def test_a_wrong_url_is_one_sentence_that_names_the_setting(self, url: str, words: str) -> None:
        with pytest.raises(WherryError, match=words):
            open_database(url)

    def test_credentials_that_are_not_there_are_one_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "bad.json").write_text("{}")
        for file in ("bad.json", "missing.json"):
            with closing(open_database(f"firestore://project/wherry?credentials={tmp_path / file}")) as service:
                with pytest.raises(Unauthorised, match="FIRESTORE_CREDENTIALS"):
                    service.get("users", "a")
                (finding,) = service.doctor()
                assert not finding.ok
                assert "FIRESTORE_CREDENTIALS" in finding.detail
