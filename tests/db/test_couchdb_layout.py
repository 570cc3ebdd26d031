"""How documents lie in CouchDB: ids, hints, and keys that the server computes as we do."""

import random
from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import pytest

from app.db import Collection, Conflict, DatabaseService, Index, InvalidQuery, Put, Query, Schema
from app.db.backends.couchdb import CouchDatabase
from app.db.backends.couchdb_layout import (
    answers_alone,
    check_prefix,
    count_fields,
    design_name,
    document_key,
    make_hint,
    open_hint,
    split_key,
    tenant_key,
)
from app.db.documents import split_rev
from app.db.fields import parse_field
from app.db.names import Name
from app.db.sortkeys import encode_fields
from tests.db.contract.given import NOTES, OTHERS, make_schema
from tests.db.contract.hostile import IDS, KEYS, SCALARS, TENANTS
from tests.db.couchdb_fixtures import backend, couchdb_url
from tests.db.couchdb_server import CouchBackend

__all__ = ["backend", "couchdb_url"]

NAMES = [Name("", "people"), *(Name(tenant, "notes") for tenant in TENANTS)]


def test_every_pair_of_tenant_and_id_has_a_key_of_its_own_that_leads_back() -> None:
    keys = {document_key(name, id): (name.tenant, id) for name in NAMES for id in IDS}
    assert len(keys) == len(NAMES) * len(IDS)
    assert {key: split_key(key) for key in keys} == keys
    assert not any(key.startswith("_") for key in keys)


def test_the_keys_of_a_tenant_are_together_and_in_the_order_of_the_ids() -> None:
    keys = sorted((document_key(name, id).encode(), name, id) for name in NAMES for id in IDS)
    for name in NAMES:
        places = [place for place, (_, owner, _) in enumerate(keys) if owner == name]
        assert places == list(range(places[0], places[0] + len(IDS)))
        assert [keys[place][2] for place in places] == sorted(IDS)
    assert all(tenant_key(name.tenant).count(":") == 1 for name in NAMES)


def test_a_hint_is_good_for_its_own_document_token_and_database_only() -> None:
    rev = "12-0123456789abcdef0123456789abcdef"
    hint = make_hint(rev, "token", "acme:a", 7)
    assert open_hint(hint, "token", "acme:a", 7) == rev
    for other in (("tokem", "acme:a", 7), ("token", "acme:b", 7), ("token", "acme:a", 8)):
        assert open_hint(hint, *other) == ""
    for bad in ("", "x", rev, hint[:-1], hint + "0", "1-" + hint, rev + "-0000000g"):
        assert open_hint(bad, "token", "acme:a", 7) == ""


@pytest.mark.parametrize("prefix", ["", "Wherry", "1a", "_a", "a b", "a/b", "a" * 62, "ä", "a\n"])
def test_a_prefix_that_no_database_name_can_begin_with_names_the_setting(prefix: str) -> None:
    with pytest.raises(InvalidQuery, match="COUCHDB_PREFIX"):
        check_prefix(prefix)


def test_an_index_row_answers_alone_what_it_holds() -> None:
    cut = {"_id": "a:1", "name": "x", "~cut": ["text", "tags"]}
    assert answers_alone({"_id": "a:1", "text": "x"}, None)
    assert answers_alone(cut, ("name", "missing"))
    assert not answers_alone(cut, None)
    assert not answers_alone(cut, ("name", "text"))
    assert not answers_alone(cut, ("tags.first",))
    assert not answers_alone({**cut, "~cut": None}, ("name",))
    assert not answers_alone({**cut, "~cut": ["~i"]}, ("name",))


def test_another_index_and_no_index_have_designs_of_their_own() -> None:
    indexes = [None, Index("a"), Index("b"), Index("a", "b"), Index("b", "a"), Index("a.b"), Index("A")]
    assert len({design_name(index) for index in indexes}) == len(indexes)


@pytest.fixture
def service(backend: CouchBackend) -> Iterator[CouchDatabase]:
    with closing(cast(CouchDatabase, backend.open(make_schema()))) as opened:
        yield opened


def values() -> Iterator[Any]:
    """Hostile scalars, and numbers and texts at random."""
    yield from SCALARS
    chosen = random.Random(20260102)
    for _ in range(300):
        yield chosen.choice((-1, 1)) * chosen.random() * 10.0 ** chosen.randint(-124, 124)
        yield chosen.randint(-(2**53) + 1, 2**53 - 1)
        yield chosen.choice((-1, 1)) * 2.0 ** chosen.randint(-400, 400)
        length = chosen.choice((1, 3, 100, 238, 239, 240, 241, 300))
        yield "".join(chosen.choice(("a", "\x00", "é", "€", "😀", "\uffff", "\x7f", "\x80")) for _ in range(length))
    yield from ([], {}, [1], {"a": 1})


def test_the_server_computes_the_keys_that_we_compute(service: CouchDatabase) -> None:
    fields = tuple(parse_field(field) for field in ("value",))
    documents = {f"{n:05}": {"value": value} for n, value in enumerate(values())}
    service.write_batch(NOTES, [{**document, "_id": id} for id, document in documents.items()])
    service.prepare()
    stored = {document["_id"]: document for document in service.list_all(NOTES)}
    table = service._databases.find("notes")
    assert table is not None
    rows = service.session.json("GET", table.view(Index("value")) + "?reduce=false")["rows"]
    found = {split_key(row["id"])[1]: row["key"] for row in rows}
    ours = {id: encode_fields(document, fields) for id, document in stored.items()}
    expected = {id: f"kacme:{key.hex()}" for id, key in ours.items() if key is not None}
    assert found == expected
    assert len(found) == len(documents) - 4


# A dot is a step into an object, so a field whose name has one cannot be addressed.
@pytest.mark.parametrize("key", [key for key in KEYS if "." not in key])
def test_the_server_finds_a_field_of_any_name(backend: CouchBackend, key: str) -> None:
    schema = Schema([Collection("odd", "tenant", (Index(key), Index(f"in.{key}")))])
    with closing(cast(CouchDatabase, backend.open(schema))) as service:
        service.save("acme/odd", "a", {key: "x", "in": {key: "y"}})
        table = service._databases.find("odd")
        assert table is not None
        for index, value in ((Index(key), "x"), (Index(f"in.{key}"), "y")):
            (row,) = service.session.json("GET", table.view(index) + "?reduce=false")["rows"]
            assert row["key"] == "kacme:40" + value.encode().hex() + "0001"


def test_documents_are_readable_in_the_databases_own_console(service: CouchDatabase, backend: CouchBackend) -> None:
    service.save(NOTES, "a", {"name": "Ada", "tags": ["x"]})
    session = backend.session()
    stored = session.json("GET", f"/{backend.prefix}-notes/acme%3Aa")
    session.close()
    assert {name: value for name, value in stored.items() if name[0] not in "_~"} == {"name": "Ada", "tags": ["x"]}
    assert sorted(name for name in stored if name[0] in "_~") == ["_id", "_rev", "~t"]


def test_a_document_that_was_written_by_hand_is_found_and_can_be_saved(
    service: CouchDatabase, backend: CouchBackend
) -> None:
    service.prepare()
    session = backend.session()
    session.json("PUT", f"/{backend.prefix}-notes/acme%3Aa", {"name": "by hand"})
    session.close()
    found = service.get(NOTES, "a")
    assert found["name"] == "by hand"
    assert service.query(NOTES, Query(order_by=("name",))).documents == [found]
    service.save(NOTES, "a", {**found, "name": "saved"})
    with pytest.raises(Conflict):
        service.save(NOTES, "a", {**found, "name": "late"})


def test_a_revision_of_another_document_or_of_a_copy_never_creates_one(
    service: CouchDatabase, backend: CouchBackend
) -> None:
    rev = service.save(NOTES, "a", {"n": 1})["rev"]
    _, hint = split_rev(rev)
    assert hint
    elsewhere: DatabaseService = CouchBackend(backend.url, backend.prefix + "x").open(make_schema())
    with closing(elsewhere):
        elsewhere.prepare()
        for target, collection, id in ((service, NOTES, "b"), (service, OTHERS, "a"), (elsewhere, NOTES, "a")):
            with pytest.raises(Conflict):
                target.save(collection, id, {"n": 2, "_rev": rev})
            with pytest.raises(Conflict):
                target.commit([Put(collection, id, {"n": 2}, rev)])
            kept = ["a"] if target is service and collection == NOTES else []
            assert [document["_id"] for document in target.list_all(collection)] == kept
    CouchBackend(backend.url, backend.prefix + "x").remove()


def test_the_fields_of_a_joined_key_can_be_counted() -> None:
    chance = random.Random(3)
    for number in range(5):
        for _ in range(50):
            fields = {str(place): chance.choice(SCALARS) for place in range(number)}
            joined = encode_fields(fields, tuple((name,) for name in fields))
            assert joined is not None
            assert count_fields(joined) == number
