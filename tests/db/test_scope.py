"""The tenant-bound view."""

from typing import Any

import pytest

from app.db import (
    ABSENT,
    Check,
    Delete,
    InvalidQuery,
    NotFound,
    Put,
    Query,
    TenantDatabase,
    open_tenant,
    where,
)
from app.db.backends.memory import MemoryDatabase
from tests.db.contract.given import body, make_schema
from tests.db.contract.hostile import TENANTS


@pytest.fixture
def service() -> MemoryDatabase:
    return MemoryDatabase(make_schema())


def test_a_bare_name_is_this_tenants_collection_in_every_method(service: MemoryDatabase) -> None:
    service.save("other/notes", "a", {"by": "other"})
    acme = TenantDatabase(service, "acme")
    rev = acme.create("notes", "a", {"by": "acme", "status": "open"})["rev"]
    assert acme.get("notes", "a")["_rev"] == rev
    assert list(acme.get_many("notes", ["a", "b"])) == ["a"]
    assert acme.read_together([("notes", "b"), ("notes", "a")])[0] is None
    assert [one["by"] for one in acme.list_all("notes")] == ["acme"]
    assert [one["by"] for one in acme.query("notes", Query(where=(where("status").eq("open"),))).documents] == ["acme"]
    assert acme.count("notes", (where("status").eq("open"),)) == (1, True)
    acme.save("notes", "b", {"by": "acme"})
    acme.update("notes", "b", lambda document: {**document, "n": 1})
    acme.commit([Put("notes", "c", {"by": "acme"}, ABSENT), Delete("notes", "b"), Check("notes", "a", rev)])
    (outcome,) = acme.write_batch("notes", [{"_id": "d", "by": "acme"}])
    assert outcome.error is None
    acme.delete("notes", "a", rev)
    assert [body(one) for one in service.list_all("acme/notes")] == [{"by": "acme"}, {"by": "acme"}]
    assert [body(one) for one in service.list_all("other/notes")] == [{"by": "other"}]


@pytest.mark.parametrize("tenant", [None, "", "a/b", "/", 1, b"a", ["a"], "\x00", "x" * 129, True])
def test_no_empty_or_impossible_tenant_is_opened(service: MemoryDatabase, tenant: Any) -> None:
    with pytest.raises(InvalidQuery):
        TenantDatabase(service, tenant)
    with pytest.raises(InvalidQuery):
        open_tenant(service, tenant)


def test_only_a_tenant_that_exists_is_opened(service: MemoryDatabase) -> None:
    with pytest.raises(NotFound):
        open_tenant(service, "acme")
    service.save("tenants", "acme", {"name": "Acme"})
    assert open_tenant(service, "acme").tenant_id == "acme"
    for other in ("Acme", "acm", "acme ", "a%", "*", "a_me", "a.me"):
        with pytest.raises(NotFound):
            open_tenant(service, other)


@pytest.mark.parametrize(
    "name", ["other/notes", "/notes", "notes/", "", None, "../notes", "Notes", "a/b/c", b"notes", 1]
)
def test_no_name_leads_out_of_the_tenant(service: MemoryDatabase, name: Any) -> None:
    service.save("other/notes", "a", {})
    acme = TenantDatabase(service, "acme")
    calls = [
        lambda: acme.get(name, "a"),
        lambda: acme.get_many(name, ["a"]),
        lambda: acme.read_together([(name, "a")]),
        lambda: acme.list_all(name),
        lambda: acme.query(name, Query()),
        lambda: acme.count(name),
        lambda: acme.save(name, "a", {}),
        lambda: acme.create(name, "b", {}),
        lambda: acme.delete(name, "a"),
        lambda: acme.update(name, "a", lambda document: document),
        lambda: acme.commit([Put(name, "a", {})]),
        lambda: acme.commit([Delete(name, "a")]),
        lambda: acme.commit([Check(name, "a", ABSENT)]),
        lambda: acme.write_batch(name, [{"_id": "a"}]),
    ]
    for call in calls:
        with pytest.raises(InvalidQuery):
            call()
    assert [body(one) for one in service.list_all("other/notes")] == [{}]


def test_an_installations_collection_is_not_a_tenants(service: MemoryDatabase) -> None:
    with pytest.raises(InvalidQuery):
        TenantDatabase(service, "acme").get("people", "a")


def test_tenants_that_look_alike_stay_apart(service: MemoryDatabase) -> None:
    views = [TenantDatabase(service, tenant) for tenant in TENANTS]
    for view in views:
        view.save("notes", "a", {"by": view.tenant_id})
    for view in views:
        assert view.get("notes", "a")["by"] == view.tenant_id
        assert view.count("notes") == (1, True)
