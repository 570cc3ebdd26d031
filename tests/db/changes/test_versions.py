"""Entities with a version: older documents are brought up as they are read, and by a numbered change."""

from typing import ClassVar

import pytest
from pydantic import Field

from app.db import DatabaseService, Index, Query, open_database, where
from app.db.changes import upgrade_documents
from app.db.documents import Document
from app.db.entities import Entity, NewerDocument, UnreadableEntity, schema_of
from app.db.errors import InvalidQuery
from app.db.unit_of_work import UnitOfWork

PATH = "t1/crates"


def _several_marks(document: Document) -> Document:
    return {"marks": [document.pop("mark")], **document}


def _weight_in_grams(document: Document) -> Document:
    document["grams"] = document.pop("kilos") * 1_000
    return document


class Crate(Entity):
    collection = "crates"
    indexes: ClassVar = (Index("grams"),)
    document_version = 3
    upgrades: ClassVar = {1: _several_marks, 2: _weight_in_grams}
    name: str
    marks: list[str] = Field(default_factory=list)
    grams: int = 0


class CrateOfThePast(Entity):
    collection = "crates"
    name: str
    mark: str = ""
    kilos: int = 0


@pytest.fixture
def database() -> DatabaseService:
    service = open_database("memory:", schema_of(Crate), strict=True)
    with UnitOfWork(service, tenant_id="t1") as uow:
        uow.store(CrateOfThePast).add(CrateOfThePast(id="old", name="Old", mark="x", kilos=2))
        uow.commit()
    service.save(PATH, "mid", {**service.get(PATH, "old"), "_id": "mid", "_rev": None} | SECOND)
    with UnitOfWork(service, tenant_id="t1") as uow:
        uow.store(Crate).add(Crate(id="new", name="New", marks=["z"], grams=5))
        uow.commit()
    return service


SECOND = {"name": "Mid", "marks": ["y"], "document_version": 2, "kilos": 1}


def unit(database: DatabaseService) -> UnitOfWork:
    return UnitOfWork(database, tenant_id="t1")


def test_older_documents_are_read_in_the_present_form(database: DatabaseService) -> None:
    crates = unit(database).store(Crate).get_many(["old", "mid", "new"])
    assert {id: (crate.marks, crate.grams) for id, crate in crates.items()} == {
        "old": (["x"], 2_000),
        "mid": (["y"], 1_000),
        "new": (["z"], 5),
    }


def test_rows_are_read_in_the_present_form_too(database: DatabaseService) -> None:
    rows = unit(database).store(Crate).rows(Query(fields=("name", "grams"))).items
    assert {row.id: row.grams for row in rows} == {"old": 2_000, "mid": 1_000, "new": 5}


def test_reading_writes_nothing(database: DatabaseService) -> None:
    before = database.get(PATH, "old")
    with unit(database) as uow:
        uow.store(Crate).save(uow.store(Crate).get("old"))
        uow.commit()
    assert database.get(PATH, "old") == before


def test_a_change_stores_the_whole_in_the_present_form(database: DatabaseService) -> None:
    database.update(PATH, "old", lambda document: {**document, "unknown": "kept"})
    with unit(database) as uow:
        crate = uow.store(Crate).get("old")
        crate.name = "Older"
        uow.store(Crate).save(crate)
        uow.commit()
    stored = database.get(PATH, "old")
    assert (stored["marks"], stored["grams"], stored["document_version"]) == (["x"], 2_000, 3)
    assert "mark" not in stored
    assert "kilos" not in stored
    assert stored["unknown"] == "kept"


def test_a_document_of_a_newer_release_is_not_guessed_at(database: DatabaseService) -> None:
    database.save(PATH, "future", {"name": "Future", "document_version": 4})
    for entity in (Crate, CrateOfThePast):
        with pytest.raises(NewerDocument, match="4"):
            unit(database).store(entity).get("future")


def test_a_document_that_an_upgrade_cannot_take_is_named(database: DatabaseService) -> None:
    database.save(PATH, "broken", {"name": "Broken"})
    with pytest.raises(UnreadableEntity, match=r"'broken'.*version 1"):
        unit(database).store(Crate).get("broken")


def test_a_change_brings_all_documents_up_at_once(database: DatabaseService) -> None:
    counts = upgrade_documents(database, Crate, dry_run=False, place="0001_crates")
    assert (counts.seen, counts.changed) == (3, 2)
    assert [document["document_version"] for document in database.list_all(PATH)] == [3, 3, 3]
    found = unit(database).store(Crate).find(Query(where=(where("grams").gte(1_000),), order_by=("grams",)))
    assert [crate.id for crate in found.items] == ["mid", "old"]


def test_a_declaration_needs_an_upgrade_from_each_version() -> None:
    with pytest.raises(TypeError, match="upgrades"):

        class Lacking(Entity):
            collection = "lacking"
            document_version = 3
            upgrades: ClassVar = {1: _several_marks}


def test_the_version_is_no_field_to_ask_for(database: DatabaseService) -> None:
    with pytest.raises(InvalidQuery):
        unit(database).store(Crate).find(Query(where=(where("document_version").eq(3),)))
