"""Preparing a CouchDB of which a part is missing, whatever its registry says, and how processes learn of it."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import orjson
import pytest

from app.db import Collection, Index, InvalidQuery, Query, Schema, Unavailable
from app.db.backends import couchdb_collections
from app.db.backends.couchdb import CouchDatabase
from app.db.backends.couchdb_http import Session
from app.db.backends.couchdb_layout import design_name
from app.db.backends.http_pool import Reply
from app.db.errors import Unauthorised
from app.db.names import parse_name
from tests.db.couchdb_fixtures import backend, couchdb_url
from tests.db.couchdb_server import CouchBackend

__all__ = ["backend", "couchdb_url"]

BOATS = "acme/boats"
BY_NAME = Query(order_by=("name",))


def schema(*fields: str) -> Schema:
    return Schema([Collection("boats", "tenant", tuple(Index(field) for field in fields))])


@pytest.fixture
def session(backend: CouchBackend) -> Iterator[Session]:
    with closing(backend.session()) as opened:
        yield opened


@pytest.fixture
def service(backend: CouchBackend) -> Iterator[CouchDatabase]:
    with closing(cast(CouchDatabase, backend.open(schema("name", "kind"), create_missing=False))) as opened:
        opened.prepare()
        opened.save(BOATS, "a", {"name": "a", "kind": "x"})
        yield opened


def remove_design(session: Session, path: str) -> None:
    session.json("DELETE", f"{path}?rev={session.json('GET', path)['_rev']}")


def test_a_process_learns_of_an_index_that_is_prepared_after_its_first_use(
    backend: CouchBackend, service: CouchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = schema("name", "kind", "size")
    now = [1_000.0]
    monkeypatch.setattr(couchdb_collections, "monotonic", lambda: now[0])
    by_size = Query(order_by=("size",))
    service.save(BOATS, "a", {"name": "a", "size": 1})
    with (
        closing(cast(CouchDatabase, backend.open(declared, create_missing=False, strict=True))) as running,
        closing(backend.open(declared, create_missing=False)) as other,
    ):
        with pytest.raises(InvalidQuery, match="no declared index"):
            running.query(BOATS, by_size)
        other.prepare()
        now[0] += 5
        with pytest.raises(InvalidQuery):
            running.query(BOATS, by_size)
        now[0] += 5
        assert [found["_id"] for found in running.query(BOATS, by_size).documents] == ["a"]
        assert running._databases.find("boats") is running._databases.find("boats")
        now[0] += 3_600
        assert not running._places[parse_name(BOATS)].table.outdated


def test_a_new_index_is_registered_when_it_is_built(
    backend: CouchBackend, service: CouchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = design_name(Index("size"))
    registered: list[bool] = []
    with closing(cast(CouchDatabase, backend.open(schema("name", "kind", "size"), create_missing=False))) as other:
        send = other.session.request

        def request(method: str, path: str, *args: Any, **kwargs: Any) -> Reply:
            reply: Reply = send(method, path, *args, **kwargs)
            if new in path and "/_view/" in path:
                (entry,) = service._databases.registered()
                registered.append(new in entry["indexes"])
            return reply

        monkeypatch.setattr(other.session, "request", request)
        other.prepare()
    assert registered[0] is False
    (entry,) = service._databases.registered()
    assert new in entry["indexes"]


@pytest.mark.parametrize(("index", "named"), [(Index("name"), "on name"), (None, "without fields")])
def test_an_index_that_is_registered_and_gone_is_made_again(
    backend: CouchBackend, service: CouchDatabase, session: Session, index: Index | None, named: str
) -> None:
    assert service.prepare(dry_run=True) == []
    remove_design(session, f"/{backend.prefix}-boats/{design_name(index)}")
    with pytest.raises(Unavailable, match="wherry db prepare"):
        service.query(BOATS, BY_NAME) if index else service.count(BOATS)
    (finding,) = [finding for finding in service.doctor() if finding.name == "indexes"]
    assert not finding.ok
    expected = [f"collection boats: index {named} created"]
    assert service.prepare(dry_run=True) == expected
    assert service.prepare() == expected
    assert service.prepare(dry_run=True) == []
    assert service.query(BOATS, BY_NAME).documents[0]["_id"] == "a"
    assert service.count(BOATS) == (1, True)


def test_a_database_that_is_registered_and_gone_is_made_again(
    backend: CouchBackend, service: CouchDatabase, session: Session
) -> None:
    session.json("DELETE", f"/{backend.prefix}-boats")
    expected = [
        "collection boats: created",
        "collection boats: index on name created",
        "collection boats: index on kind created",
    ]
    assert service.prepare(dry_run=True) == expected
    assert service.prepare() == expected
    assert service.count(BOATS) == (0, True)
    assert service.query(BOATS, BY_NAME).documents == []


def test_an_index_that_couchdb_refuses_is_not_registered(
    backend: CouchBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(cast(CouchDatabase, backend.open(schema("name")))) as service:
        send = service.session.request

        def request(method: str, path: str, *args: Any, **kwargs: Any) -> Reply:
            if path.endswith("/_bulk_docs"):
                return Reply(201, b"", b'[{"id":"x","error":"forbidden","reason":"not here"}]')
            return send(method, path, *args, **kwargs)

        with monkeypatch.context() as patched:
            patched.setattr(service.session, "request", request)
            with pytest.raises(Unauthorised):
                service.prepare()
        assert "collection boats: created" in service.prepare(dry_run=True)


def test_the_index_without_fields_is_waited_for_and_examined(
    service: CouchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = service.session.request
    made: list[str] = []

    def request(method: str, path: str, *args: Any, **kwargs: Any) -> Reply:
        made.append(path)
        if path.endswith("/_info") and design_name(None).removeprefix("_design/") in path:
            return Reply(200, b"", orjson.dumps({"view_index": {"updates_pending": {"total": 2_000}}}))
        return send(method, path, *args, **kwargs)

    monkeypatch.setattr(service.session, "request", request)
    service.prepare()
    assert any(design_name(None) in path and "/_view/" in path for path in made)
    (finding,) = [finding for finding in service.doctor() if finding.name == "indexes"]
    assert (finding.ok, finding.detail) == (False, "boats: without fields")


def test_the_member_is_let_into_databases_whose_creation_was_cut_off_and_not_into_others(
    backend: CouchBackend, session: Session
) -> None:
    own = {"members": {"names": ["eve"], "roles": []}, "admins": {"names": [], "roles": []}}
    for name in ("-system", "boats", "cars"):
        session.json("PUT", f"/{backend.prefix}-{name}?n=1")
    session.json("PUT", f"/{backend.prefix}-cars/_security", own)
    asked = Schema([Collection("boats", "tenant"), Collection("cars", "tenant")])
    with closing(CouchBackend(backend.url, backend.prefix, "member=ada").open(asked, create_missing=False)) as service:
        service.prepare()
    names = [
        session.json("GET", f"/{backend.prefix}-{name}/_security")["members"]["names"]
        for name in ("-system", "boats", "cars")
    ]
    assert names == [["ada"], ["ada"], ["eve"]]
