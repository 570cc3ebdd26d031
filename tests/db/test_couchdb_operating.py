"""Operating Wherry on CouchDB: copies, what an answer of 202 means, the doctor, settings."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, cast

import pytest

from app.db import NotFound, Put, Unavailable, get_database_service
from app.db.backends.couchdb import CouchDatabase
from app.db.backends.couchdb_collections import Collections
from app.db.backends.http_pool import Reply
from app.db.errors import NotWritable
from app.errors import WherryError
from tests.db.contract.given import NOTES, PEOPLE, make_schema
from tests.db.couchdb_fixtures import backend, couchdb_url
from tests.db.couchdb_server import CouchBackend

__all__ = ["backend", "couchdb_url"]


@pytest.fixture
def service(backend: CouchBackend) -> Iterator[CouchDatabase]:
    with closing(cast(CouchDatabase, backend.open(make_schema()))) as opened:
        opened.prepare()
        opened.save(NOTES, "a", {"name": "a"})
        yield opened


def test_a_database_with_several_copies_is_read_and_not_written(
    backend: CouchBackend, service: CouchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = Collections._identity
    monkeypatch.setattr(Collections, "_identity", lambda self, path: (identity(self, path)[0], 3))
    with closing(backend.open(make_schema())) as copied:
        assert copied.get(NOTES, "a")["name"] == "a"
        for write in (
            lambda: copied.save(NOTES, "a", {}),
            lambda: copied.delete(NOTES, "a"),
            lambda: copied.commit([Put(NOTES, "a", {}), Put(PEOPLE, "a", {})]),
            lambda: copied.write_batch(NOTES, [{"_id": "b"}]),
        ):
            with pytest.raises(NotWritable, match="copies=any"):
                write()
    assert service.get(NOTES, "a")["name"] == "a"
    with closing(CouchBackend(backend.url, backend.prefix, "?copies=any").open(make_schema())) as accepted:
        accepted.save(NOTES, "a", {"name": "b"})
        accepted.commit([Put(NOTES, "a", {"name": "c"}), Put(PEOPLE, "a", {"name": "c"})])
    assert service.get(NOTES, "a")["name"] == "c"


def test_preparing_waits_for_an_index_that_takes_longer_than_couchdb_lets_a_request_wait(
    service: CouchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = service.session.request
    given_up = [
        Reply(500, b"", b'{"error":"timeout","reason":"The request could not be processed in time."}'),
        Reply(504, b"", b"<html>Gateway time-out</html>"),
    ]

    def request(method: str, path: str, *args: Any, **kwargs: Any) -> Reply:
        return given_up.pop() if "/_view/" in path and given_up else send(method, path, *args, **kwargs)

    monkeypatch.setattr(service.session, "request", request)
    assert service.prepare() == []
    assert given_up == []


def test_preparing_does_not_wait_for_an_index_that_cannot_be_built(
    service: CouchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = service.session.request

    def request(method: str, path: str, *args: Any, **kwargs: Any) -> Reply:
        broken = Reply(500, b"", b'{"error":"query_server_error","reason":"gone"}')
        return broken if "/_view/" in path else send(method, path, *args, **kwargs)

    monkeypatch.setattr(service.session, "request", request)
    with pytest.raises(Unavailable):
        service.prepare()


def test_a_write_that_is_accepted_and_not_stored_has_an_unknown_outcome(
    service: CouchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.commit([Put(NOTES, "a", {"name": "a"}), Put(PEOPLE, "a", {"name": "a"})])
    send = service.session.request

    def request(method: str, path: str, *args: Any, **kwargs: Any) -> Reply:
        reply = send(method, path, *args, **kwargs)
        return reply._replace(status=202) if reply.status in (200, 201) and method in ("PUT", "DELETE") else reply

    monkeypatch.setattr(service.session, "request", request)
    for write in (lambda: service.save(NOTES, "a", {}), lambda: service.delete(NOTES, "a")):
        with pytest.raises(Unavailable) as caught:
            write()
        assert caught.value.outcome == "unknown"
    with pytest.raises(NotFound):
        service.get(NOTES, "a")


def test_the_doctor_names_what_is_missing_and_what_to_do(backend: CouchBackend) -> None:
    with closing(backend.open(make_schema())) as service:
        found = {finding.name: finding for finding in service.doctor()}
        assert found["reachable"].ok
        assert not found["indexes"].ok
        assert "wherry db prepare" in found["indexes"].remedy
        service.prepare()
        found = {finding.name: finding for finding in service.doctor()}
        assert [finding for finding in found.values() if not finding.ok] == []
        assert found.keys() >= {
            "reachable", "version", "clock", "authorised", "permissions", "copies", "space", "compaction", "indexes",
        }  # fmt: skip


def test_the_doctor_with_a_wrong_password_says_so(backend: CouchBackend) -> None:
    address = backend.url.rpartition("@")[2]
    wrong = CouchBackend(f"couchdb://nobody-{backend.prefix}:wrong@{address}", backend.prefix)
    with closing(wrong.open(make_schema())) as service:
        bad = [finding for finding in service.doctor() if not finding.ok]
        assert bad
        assert any("COUCHDB_PASSWORD" in finding.detail + finding.remedy for finding in bad)


@dataclass(frozen=True)
class Settings:
    couchdb_url: str
    couchdb_user: str = ""
    couchdb_password: str = ""
    couchdb_prefix: str = "wherry"
    threads: int = 8
    database_provider: str = "couchdb"
    database_create_missing: bool = True
    database_metrics: bool = False
    secret_key: str = "s" * 32


def test_the_settings_lead_to_the_same_data_as_the_url(backend: CouchBackend, service: CouchDatabase) -> None:
    user, password = backend.url.partition("//")[2].partition("@")[0].split(":")
    address = backend.url.rpartition("@")[2]
    settings = Settings(f"http://{address}", user, password.replace("%20", " "), backend.prefix)
    with closing(get_database_service(settings, make_schema())) as chosen:
        assert chosen.get(NOTES, "a") == service.get(NOTES, "a")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (Settings("http://ada:s3cret@127.0.0.1:5984"), "COUCHDB_USER"),
        (Settings("http://127.0.0.1:5984?colour=red"), "COUCHDB_URL"),
        (Settings("http://127.0.0.1:port"), "COUCHDB_URL"),
        (Settings("http://"), "COUCHDB_URL"),
        (Settings("http://127.0.0.1:5984", couchdb_prefix="Wherry!"), "COUCHDB_PREFIX"),
    ],
)
def test_a_setting_that_cannot_be_is_named_in_one_sentence(settings: Settings, named: str) -> None:
    with pytest.raises(WherryError, match=named) as caught:
        get_database_service(settings, make_schema())
    assert "s3cret" not in str(caught.value)
