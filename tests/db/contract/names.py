"""Names and tenancy: hostile tenants, ids, fields and collections, over every method."""

from collections.abc import Callable
from typing import Any

import pytest

from app.db import (
    ABSENT,
    Check,
    Collection,
    Conflict,
    DatabaseService,
    Delete,
    Index,
    InvalidDocument,
    InvalidQuery,
    NotFound,
    Put,
    Query,
    Schema,
    where,
)
from tests.db.contract.backend import ContractBackend
from tests.db.contract.given import NOTES, PEOPLE, READERS, Reader, body, fill, ids_of, scanned
from tests.db.contract.hostile import IDS, KEYS, TENANTS


def path(tenant: str) -> str:
    return f"{tenant}/notes"


@pytest.fixture
def tenants(service: DatabaseService) -> DatabaseService:
    """Every hostile tenant has documents "x" and "y" that carry its name."""
    for tenant in TENANTS:
        given = {"name": tenant, "status": "open", "kind": "note"}
        fill(service, path(tenant), {"x": {**given, "value": 1}, "y": {**given, "value": 2}})
    return service


class TestTenants:
    @pytest.mark.parametrize("read", READERS.values(), ids=list(READERS))
    def test_every_way_of_reading_sees_its_own_tenant_only(self, tenants: DatabaseService, read: Reader) -> None:
        for tenant in TENANTS:
            document = read(tenants, path(tenant), "x")
            assert document is not None
            assert document["name"] == tenant

    def test_lists_and_queries_and_counts_see_their_own_tenant_only(self, tenants: DatabaseService) -> None:
        status, kind, name = where("status").eq("open"), where("kind").eq("note"), where("name").prefix("")
        queries = [
            Query(),
            Query(where=(status,)),
            Query(where=(status,), order_by=("name",)),
            Query(where=(status, kind), order_by=("name",)),
            Query(where=(where("status").in_(["open", "closed"]),), order_by=("name",), descending=True),
            Query(order_by=("value",), limit=1),
            Query(where=(name,), order_by=("name",)),
            Query(where=(where("value").exists(),)),
            Query(where=(where("name").gte(""),), order_by=("name",), limit=1),
        ]
        for tenant in TENANTS:
            own = [document["name"] for document in tenants.list_all(path(tenant))]
            assert own == [tenant, tenant]
            for query in queries:
                assert sorted(ids_of(tenants, path(tenant), query)) == ["x", "y"], (tenant, query)
            for conditions in ((), (status,), (where("value").gt(0),), (where("name").eq(tenant),)):
                assert tenants.count(path(tenant), conditions) == (2, True), (tenant, conditions)
            other = next(name for name in TENANTS if name != tenant)
            assert tenants.count(path(tenant), (where("name").eq(other),)) == (0, True)

    def test_writes_touch_their_own_tenant_only(self, tenants: DatabaseService) -> None:
        for place, tenant in enumerate(TENANTS):
            tenants.save(path(tenant), "x", {"name": tenant, "place": place})
            tenants.update(path(tenant), "x", lambda document: {**document, "updated": True})
            tenants.delete(path(tenant), "y")
            tenants.create(path(tenant), "z", {"name": tenant})
        for place, tenant in enumerate(TENANTS):
            assert [body(document) for document in tenants.list_all(path(tenant))] == [
                {"name": tenant, "place": place, "updated": True},
                {"name": tenant},
            ]

    def test_commits_and_bulk_writes_touch_their_own_tenant_only(self, tenants: DatabaseService) -> None:
        for tenant in TENANTS:
            tenants.commit([Put(path(tenant), "x", {"by": tenant}), Delete(path(tenant), "y")])
            tenants.write_batch(path(tenant), [{"_id": "b", "by": tenant}])
        for tenant in TENANTS:
            found = [(document["_id"], document["by"]) for document in tenants.list_all(path(tenant))]
            assert found == [("b", tenant), ("x", tenant)]

    def test_a_commit_over_all_of_them_keeps_them_apart(self, tenants: DatabaseService) -> None:
        tenants.commit([Put(path(tenant), "x", {"by": tenant}) for tenant in TENANTS])
        together = tenants.read_together([(path(tenant), "x") for tenant in TENANTS])
        assert [document and document["by"] for document in together] == list(TENANTS)

    def test_a_scan_names_every_document_by_its_own_tenant(self, tenants: DatabaseService) -> None:
        found = [(name, document["_id"], document["name"]) for name, document in scanned(tenants, "notes", 7)]
        assert sorted(found) == sorted((path(tenant), id, tenant) for tenant in TENANTS for id in "xy")

    def test_a_cursor_of_one_tenant_is_refused_by_another(self, tenants: DatabaseService) -> None:
        page = tenants.query(path("abc"), Query(order_by=("name",), limit=1))
        with pytest.raises(InvalidQuery) as caught:
            tenants.query(path("a.c"), Query(order_by=("name",), limit=1, cursor=page.cursor))
        assert caught.value.name == "cursor"

    @pytest.mark.parametrize(
        "tenant", ["", "a/b", "/", "a/", "/a", "x" * 129, "é" * 65, "a\x00b", "\n", "\ud800", "\u200f", "a\u2028"]
    )
    def test_what_cannot_be_a_tenant_is_refused_by_every_method(self, service: DatabaseService, tenant: str) -> None:
        assert_refused(service, f"{tenant}/notes")


class TestCollections:
    @pytest.mark.parametrize(
        "name",
        [
            "", "/", "Notes", "notes ", " notes", "no-tes", "no.tes", "_notes", "1notes", "nötes", "notes\n", "x" * 61,
            "a//notes", "acme/", "acme/Notes", "acme/_design", "acme/sqlite_master", "sqlite_notes", "acme/../notes",
            "%2f", "acme/notes\x00", "$cmd", "acme/notes;", None, 1, b"notes",
        ],
        ids=repr,
    )  # fmt: skip
    def test_what_cannot_be_a_collection_is_refused_by_every_method(self, service: DatabaseService, name: Any) -> None:
        assert_refused(service, name)

    def test_a_collection_is_the_installations_or_the_tenants_never_both(self, service: DatabaseService) -> None:
        service.save(PEOPLE, "a", {"name": "Ada"})
        service.save(NOTES, "a", {"name": "note"})
        assert_refused(service, "acme/people")
        assert_refused(service, "notes")
        assert body(service.get(PEOPLE, "a")) == {"name": "Ada"}

    def test_an_undeclared_collection_is_whose_it_was_at_its_first_write(self, service: DatabaseService) -> None:
        service.save("acme/drafts", "a", {})
        service.save("visits", "a", {})
        assert_refused(service, "drafts")
        assert_refused(service, "acme/visits")
        assert ids_of(service, "other/drafts") == []

    def test_an_installation_collection_works_as_a_tenants_does(self, service: DatabaseService) -> None:
        fill(service, PEOPLE, {"b": {"name": "Bob", "status": "in"}, "a": {"name": "Ada", "status": "in"}})
        query = Query(where=(where("status").eq("in"),), order_by=("name",), descending=True, limit=1)
        assert ids_of(service, PEOPLE, query) == ["b", "a"]
        assert service.count(PEOPLE, (where("status").eq("in"),)) == (2, True)
        service.commit([Put(PEOPLE, "c", {}, expect=ABSENT), Delete(PEOPLE, "a")])
        assert [document["_id"] for document in service.list_all(PEOPLE)] == ["b", "c"]
        assert [name for name, _ in scanned(service, PEOPLE)] == [PEOPLE, PEOPLE]


class TestIds:
    def test_every_id_is_itself_in_every_method(self, service: DatabaseService) -> None:
        fill(service, NOTES, {id: {"name": id, "status": "open"} for id in IDS})
        ordered = sorted(IDS)
        assert [document["_id"] for document in service.list_all(NOTES)] == ordered
        assert ids_of(service, NOTES, Query(limit=7)) == ordered
        assert ids_of(service, NOTES, Query(limit=7, descending=True)) == ordered[::-1]
        assert ids_of(service, NOTES, Query(where=(where("status").eq("open"),), limit=7)) == ordered
        assert list(service.get_many(NOTES, IDS)) == list(IDS)
        assert {document["_id"] for _, document in scanned(service, NOTES, 7)} == set(IDS)
        for id in IDS:
            assert service.get(NOTES, id)["name"] == id
            assert service.get(NOTES, id)["_id"] == id

    def test_no_id_stands_for_another(self, service: DatabaseService) -> None:
        for id in IDS:
            assert service.get_many(NOTES, IDS) == {}
            service.create(NOTES, id, {"name": id})
            assert list(service.get_many(NOTES, IDS)) == [id]
            with pytest.raises(Conflict) as caught:
                service.create(NOTES, id, {})
            assert caught.value.keys == ((NOTES, id),)
            service.update(NOTES, id, lambda document: {**document, "n": 1})
            service.delete(NOTES, id)
            with pytest.raises(NotFound):
                service.get(NOTES, id)

    def test_every_id_can_be_committed_checked_and_deleted(self, service: DatabaseService) -> None:
        first, second = IDS[:50], IDS[50:]
        saved = [one for part in (first, second) for one in service.commit([Put(NOTES, id, {}, ABSENT) for id in part])]
        revs = {one["id"]: one["rev"] for one in saved if one is not None}
        assert list(revs) == list(IDS)
        for part in (first, second):
            service.commit([Check(NOTES, id, revs[id]) for id in part])
            together = service.read_together([(NOTES, id) for id in part])
            assert [document and document["_rev"] for document in together] == [revs[id] for id in part]
            service.commit([Delete(NOTES, id, revs[id]) for id in part])
        assert ids_of(service, NOTES) == []

    @pytest.mark.parametrize(
        "id", ["", "x" * 513, "é" * 257, "😀" * 129, "\ud800", "a\udc00", None, 1, b"a", ["a"], True]
    )
    def test_what_cannot_be_an_id_is_refused_by_every_method(self, service: DatabaseService, id: Any) -> None:
        calls: list[Callable[[], object]] = [
            lambda: service.get(NOTES, id),
            lambda: service.get_many(NOTES, ["a", id]),
            lambda: service.read_together([(NOTES, "a"), (NOTES, id)]),
            lambda: service.save(NOTES, id, {}),
            lambda: service.create(NOTES, id, {}),
            lambda: service.delete(NOTES, id),
            lambda: service.update(NOTES, id, lambda document: document),
            lambda: service.commit([Put(NOTES, "a", {}), Put(NOTES, id, {})]),
            lambda: service.commit([Delete(NOTES, id)]),
            lambda: service.commit([Check(NOTES, id, ABSENT)]),
        ]
        for call in calls:
            with pytest.raises(InvalidDocument) as caught:
                call()
            assert caught.value.path == "_id"
        (outcome,) = service.write_batch(NOTES, [{"_id": id}])
        assert isinstance(outcome.error, InvalidDocument)
        assert ids_of(service, NOTES) == []


class TestFieldNames:
    ADDRESSABLE = tuple(key for key in KEYS if "." not in key)

    def test_every_key_can_be_asked_for(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {key: place for place, key in enumerate(KEYS)} | {"inner": {key: key for key in KEYS}})
        service.save(NOTES, "b", {"name": "without"})
        for place, key in enumerate(KEYS):
            if "." in key:
                continue
            assert ids_of(service, NOTES, Query(where=(where(key).eq(place),))) == ["a"], key
            assert ids_of(service, NOTES, Query(where=(where(f"inner.{key}").prefix(key),))) == ["a"], key
            assert ids_of(service, NOTES, Query(where=(where(key).exists(False),))) == ["b"], key
            (document,) = service.query(NOTES, Query(where=(where(key).exists(),), fields=(f"inner.{key}",))).documents
            assert body(document) == {"inner": {key: key}}

    def test_every_key_can_be_indexed(self, backend: ContractBackend) -> None:
        keys = [key for key in self.ADDRESSABLE if "," not in key]
        indexes = tuple(Index(key) for key in keys) + tuple(Index("status", key) for key in keys[:20])
        service = backend.open(Schema([Collection("odd", "tenant", indexes)]), strict=True)
        fill(service, "acme/odd", {"b": dict.fromkeys(keys, 2), "a": dict.fromkeys(keys, 1), "c": {"status": "open"}})
        for key in keys:
            assert ids_of(service, "acme/odd", Query(order_by=(key,))) == ["a", "b"], key
            assert ids_of(service, "acme/odd", Query(where=(where(key).eq(2),))) == ["b"], key
        service.close()

    @pytest.mark.parametrize(
        "field", ["", ".", "a.", ".a", "a..b", "_id", "_rev", "_x", "~x", "\ud800", "x" * 256, ".".join("a" * 21)]
    )
    def test_what_cannot_be_a_field_is_an_invalid_query(self, field: str) -> None:
        for ask in (where, Index, lambda name: Query(order_by=(name,)), lambda name: Query(fields=(name,))):
            with pytest.raises(InvalidQuery):
                ask(field)

    @pytest.mark.parametrize("field", [None, 1, b"a", ["a"], {"$gt": ""}, ("a",)], ids=repr)
    def test_a_field_that_is_no_text_is_an_invalid_query(self, field: Any) -> None:
        for ask in (where, lambda name: Query(order_by=(name,)), lambda name: Query(fields=(name,))):
            with pytest.raises(InvalidQuery):
                ask(field)


def assert_refused(service: DatabaseService, name: Any) -> None:
    """Every method refuses the collection's name with an InvalidQuery and writes nothing."""
    calls: list[Callable[[], object]] = [
        lambda: service.get(name, "a"),
        lambda: service.get_many(name, ["a"]),
        lambda: service.read_together([(name, "a")]),
        lambda: list(service.list_all(name)),
        lambda: service.query(name, Query()),
        lambda: service.query(name, Query(order_by=("name",))),
        lambda: service.count(name),
        lambda: service.save(name, "a", {}),
        lambda: service.create(name, "a", {}),
        lambda: service.delete(name, "a"),
        lambda: service.update(name, "a", lambda document: document),
        lambda: service.commit([Put(name, "a", {})]),
        lambda: service.commit([Delete(name, "a")]),
        lambda: service.commit([Check(name, "a", ABSENT)]),
        lambda: service.write_batch(name, [{"_id": "a"}]),
    ]
    for call in calls:
        with pytest.raises(InvalidQuery):
            call()
