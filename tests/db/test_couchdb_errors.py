"""Each kind of failure of a real CouchDB, provoked, and what it becomes."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast
from urllib.parse import quote

import pytest

from app.db import Collection, NotFound, Put, Query, Schema, TooLarge, Unavailable, open_database
from app.db.backends.couchdb import CouchDatabase
from app.db.backends.couchdb_errors import HttpFailure, translate
from app.db.backends.http_pool import Reply
from app.db.errors import DatabaseError, InvalidDocument, NotWritable, Throttled, Unauthorised
from app.db.names import parse_name
from app.errors import WherryError
from tests.couchdb_installed import installed
from tests.db.contract.given import NOTES, make_schema
from tests.db.couchdb_fixtures import backend, couchdb_url
from tests.db.couchdb_proxy import Proxy
from tests.db.couchdb_server import CouchBackend, Server, free_port
from tests.servers import require
from tests.waiting import wait_until

__all__ = ["backend", "couchdb_url"]


def changed(backend: CouchBackend, old: str, new: str) -> str:
    """The backend's URL with a part replaced."""
    url = f"{backend.url}/{backend.prefix}"
    assert old in url
    return url.replace(old, new)


def test_a_wrong_password_names_the_settings_and_so_does_being_locked_out_for_it(backend: CouchBackend) -> None:
    stranger = f"couchdb://nobody-{backend.prefix}:wrong@{backend.url.rpartition('@')[2]}/{backend.prefix}"
    with closing(open_database(stranger, make_schema())) as service:
        calls = [
            lambda: service.get(NOTES, "a"),
            lambda: service.save(NOTES, "a", {}),
            lambda: list(service.list_all(NOTES)),
        ]
        for call in calls * 3:
            with pytest.raises(Unauthorised, match=r"COUCHDB_USER .*COUCHDB_PASSWORD") as caught:
                call()
            assert caught.value.outcome is None


def test_a_user_without_rights_is_told_so(backend: CouchBackend) -> None:
    with closing(backend.open(make_schema())) as prepared:
        prepared.prepare()
    session = backend.session()
    session.request("PUT", "/_users")
    name = f"guest-{backend.prefix}"
    user = {"name": name, "password": "guest", "roles": [], "type": "user"}
    session.json("PUT", f"/_users/org.couchdb.user%3A{name}", user)
    service = open_database(f"couchdb://{name}:guest@{backend.url.split('@')[1]}/{backend.prefix}", make_schema())
    for call in (lambda: service.get(NOTES, "a"), lambda: service.save(NOTES, "a", {})):
        with pytest.raises(Unauthorised, match="lacks a right"):
            call()
    assert not all(finding.ok for finding in service.doctor())
    service.close()
    session.close()


def test_a_member_who_was_named_when_preparing_may_use_the_databases_and_not_make_them(backend: CouchBackend) -> None:
    name = f"app-{backend.prefix}"
    admin = open_database(f"{backend.url}/{backend.prefix}?member={name}", make_schema(), create_missing=False)
    admin.prepare()
    session = backend.session()
    session.request("PUT", "/_users")
    user = {"name": name, "password": "app", "roles": [], "type": "user"}
    session.json("PUT", f"/_users/org.couchdb.user%3A{name}", user)
    url = f"couchdb://{quote(name)}:app@{backend.url.split('@')[1]}/{backend.prefix}"
    service = open_database(url, make_schema(), create_missing=False)
    service.commit([Put(NOTES, "a", {"name": "x"}), Put("people", "a", {"name": "y"})])
    assert service.query(NOTES, Query(order_by=("name",))).documents[0]["_id"] == "a"
    assert service.count(NOTES) == (1, True)
    assert [finding for finding in service.doctor() if not finding.ok] == []
    assert service.prepare() == []
    with pytest.raises(Unavailable, match="wherry db prepare"):
        service.save("acme/undeclared", "a", {})
    with pytest.raises(Unauthorised):
        service.prepare(Schema([Collection("more", "tenant")]))
    for one in (admin, service, session):
        one.close()


def test_a_collection_that_is_not_prepared_names_the_command(backend: CouchBackend) -> None:
    service = backend.open(make_schema(), create_missing=False)
    for call in (lambda: service.get(NOTES, "a"), lambda: service.save(NOTES, "a", {}), lambda: service.count(NOTES)):
        with pytest.raises(Unavailable, match="wherry db prepare") as caught:
            call()
        assert caught.value.retry_after > 0
    service.close()


def test_a_database_that_goes_away_under_a_process_is_made_again_or_named(backend: CouchBackend) -> None:
    service, strict = backend.open(make_schema()), backend.open(make_schema(), create_missing=False)
    service.save(NOTES, "a", {})
    assert strict.get(NOTES, "a")["_id"] == "a"
    backend.remove()

    def told() -> bool:
        with pytest.raises(Unavailable) as caught:
            strict.get(NOTES, "a")
        message = str(caught.value)
        # CouchDB takes a database apart bit by bit, and may answer 500 meanwhile.
        assert "wherry db prepare" in message or message == "CouchDB failed to answer."
        return "wherry db prepare" in message

    wait_until(told)
    with pytest.raises(NotFound):
        service.get(NOTES, "a")
    service.close()
    strict.close()


def test_nobody_at_the_port_is_unavailable_and_says_which_setting() -> None:
    service = open_database(f"couchdb://127.0.0.1:{free_port()}/wherry", make_schema())
    for call in (lambda: service.get(NOTES, "a"), lambda: service.save(NOTES, "a", {}), service.ping):
        with pytest.raises(Unavailable, match="COUCHDB_URL") as caught:
            call()
        assert (caught.value.outcome, caught.value.status) == (None, 503)
        assert caught.value.retry_after > 0
    (finding,) = service.doctor()
    assert not finding.ok


def test_an_unknown_host_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="COUCHDB_URL"):
        open_database("couchdb://no-such-host.invalid:5984/wherry").ping()


def test_a_server_that_speaks_no_tls_fails_with_a_sentence_about_it(backend: CouchBackend) -> None:
    service = open_database(f"{backend.url}/{backend.prefix}?tls=1")
    with pytest.raises(Unavailable, match="TLS"):
        service.ping()


@pytest.mark.parametrize(
    "url",
    [
        "couchdb://host",
        "couchdb:///prefix",
        "couchdb://host/Prefix",
        "couchdb://host/1",
        "couchdb://host/p?colour=red",
        "couchdb://host/p?timeout=soon",
        "couchdb://host/p?timeout=-1",
        "couchdb://host:99999/p",
        "couchdb://host/p?tls=1&ca=no-such-file.pem",
    ],
)
def test_a_url_that_cannot_be_is_refused_in_one_sentence_without_the_password(url: str) -> None:
    with pytest.raises(WherryError) as caught:
        open_database(url.replace("//", "//user:s3cret@"))
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def small(couchdb_url: str) -> Iterator[CouchBackend]:
    """A server of its own that takes documents up to 20 kB and answers slowly to nothing."""
    require("couchdb")
    path = installed()
    if path is None:
        pytest.skip("TEST_COUCHDB_URL names a server whose configuration is not ours to change")
    server = Server(path, "[couchdb]\nmax_document_size = 20000\n")
    server.start()
    yield CouchBackend(server.url, "small")
    server.remove()


def test_a_server_with_a_lower_limit_answers_too_large_and_bulk_writes_name_the_document(small: CouchBackend) -> None:
    service = small.open(make_schema())
    with pytest.raises(TooLarge, match="max_document_size"):
        service.save(NOTES, "a", {"text": "x" * 30_000})
    documents = [{"_id": f"{n:02}", "text": "x" * (30_000 if n == 7 else 10)} for n in range(20)]
    outcomes = service.write_batch(NOTES, documents)
    assert [outcome.id for outcome in outcomes if outcome.error is not None] == ["07"]
    assert isinstance(outcomes[7].error, TooLarge)
    assert service.count(NOTES) == (19, True)
    with pytest.raises(TooLarge):
        service.commit([Put(NOTES, "00", {"n": 1}), Put(NOTES, "01", {"text": "x" * 30_000})])
    assert "n" not in service.get(NOTES, "00")
    service.close()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (HttpFailure(400, "doc_validation", "Bad special document member: _x"), InvalidDocument),
        (HttpFailure(401, "unauthorized", ""), Unauthorised),
        (HttpFailure(403, "forbidden", ""), Unauthorised),
        (HttpFailure(413, "document_too_large", ""), TooLarge),
        (HttpFailure(429, "too_many_requests", "", 7.0), Throttled),
        (HttpFailure(500, "enospc", ""), NotWritable),
        (HttpFailure(507, "insufficient_storage", "disk full"), NotWritable),
        (HttpFailure(500, "unknown_error", ""), Unavailable),
        (HttpFailure(503, "service unvailable", ""), Unavailable),
        (ValueError("not JSON"), Unavailable),
    ],
)
def test_answers_that_a_healthy_server_cannot_be_made_to_give(answer: Exception, kind: type[DatabaseError]) -> None:
    error = translate(answer)
    assert type(error) is kind
    if isinstance(error, Throttled):
        assert error.retry_after == 7.0


def test_a_gateway_that_answers_with_a_page_is_unavailable(backend: CouchBackend) -> None:
    proxy = Proxy(int(backend.url.rpartition(":")[2]))
    proxy.forward = lambda request: b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\n<h1/>"  # type: ignore[method-assign]
    service = open_database(changed(backend, backend.url.rpartition(":")[2], str(proxy.port)), make_schema())
    with pytest.raises(Unavailable, match="failed to answer"):
        service.get(NOTES, "a")
    service.close()
    proxy.close()


PAGE_404 = b"HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\n<h1>404</h1>"


def test_a_404_that_is_not_couchdbs_is_an_outage_and_not_a_missing_document(backend: CouchBackend) -> None:
    schema = make_schema()
    with closing(backend.open(schema)) as direct:
        direct.prepare()
        rev = direct.save(NOTES, "a", {"n": 1})["rev"]
    proxy = Proxy(int(backend.url.rpartition(":")[2]))
    url = changed(backend, backend.url.rpartition(":")[2], str(proxy.port))
    with closing(proxy), closing(cast(CouchDatabase, open_database(url, schema))) as service:
        assert service.get(NOTES, "a")["n"] == 1
        service.commit([Put(NOTES, "a", {"n": 2}, rev), Put(NOTES, "b", {"n": 2})])
        (record,) = service._cells.list_records(1)
        rev = service.get(NOTES, "a")["_rev"]
        proxy.decide = lambda method, path: PAGE_404
        for call in (
            lambda: service.get(NOTES, "a"),
            lambda: service.save(NOTES, "a", {"n": 3, "_rev": rev}),
            lambda: service.save(NOTES, "a", {"n": 3}),
            lambda: service.delete(NOTES, "a", rev),
            lambda: service.update(NOTES, "a", lambda document: document),
            lambda: service._cells.read_cells([(parse_name(NOTES), "a")]),
            lambda: service._cells.read_record(record.tx),
            lambda: service.get("acme/tasks", "a"),  # the registry
        ):
            with pytest.raises(Unavailable, match="not CouchDB") as caught:
                call()
            assert caught.value.outcome is None
        proxy.decide = lambda method, path: "pass"
        assert service.get(NOTES, "a")["n"] == 2
        assert service._cells.read_record("never") is None


def test_a_record_is_not_missing_where_its_database_is(backend: CouchBackend) -> None:
    with closing(cast(CouchDatabase, backend.open(make_schema(), create_missing=False))) as service:
        with pytest.raises(Unavailable, match="wherry db prepare"):
            service._cells.read_record("never")
        service.prepare()
        assert service._cells.read_record("never") is None


def test_an_error_in_the_place_of_one_document_of_several_is_an_outage(
    backend: CouchBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(cast(CouchDatabase, backend.open(make_schema()))) as service:
        service.save(NOTES, "a", {})
        send = service.session.request
        failed = b'{"id":"x","rev":"undefined","error":"internal_server_error","reason":"x"}'

        def request(method: str, path: str, *args: Any, **kwargs: Any) -> Reply:
            if path.endswith("/_bulk_get"):
                return Reply(200, b"", b'{"results":[{"id":"x","docs":[{"error":%b}]}]}' % failed)
            return send(method, path, *args, **kwargs)

        monkeypatch.setattr(service.session, "request", request)
        with pytest.raises(Unavailable):
            service.get_many(NOTES, ["a", "b"])
