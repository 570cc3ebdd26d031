"""Writing: save, create, delete, update and write_batch."""

from typing import Any

import pytest

from app.db import Conflict, DatabaseService, InvalidDocument, NotFound, Put, Query, TooLarge, where
from tests.db.contract.given import NOTES, READERS, WRITERS, Writer, body, fill, ids_of

EVERY_WRITER = pytest.mark.parametrize("write", WRITERS.values(), ids=list(WRITERS))


class TestWriting:
    @EVERY_WRITER
    def test_every_way_of_writing_stores_the_same_and_answers_the_revision(
        self, service: DatabaseService, write: Writer
    ) -> None:
        document = {"name": "Ada", "n": 1.5, "none": None, "list": [1, [2, {"x": True}]], "é": "ü"}
        rev = write(service, NOTES, "a", document)
        for read in READERS.values():
            assert read(service, NOTES, "a") == {**document, "_id": "a", "_rev": rev}

    @EVERY_WRITER
    def test_what_was_given_is_not_changed_and_not_kept(self, service: DatabaseService, write: Writer) -> None:
        given: dict[str, Any] = {"name": "Ada", "tags": ["x"], "price": 2.0}
        write(service, NOTES, "a", given)
        assert given == {"name": "Ada", "tags": ["x"], "price": 2.0}
        assert type(given["price"]) is float
        given["tags"].append("y")
        assert service.get(NOTES, "a")["tags"] == ["x"]

    def test_a_document_that_was_read_and_is_written_again_is_not_changed(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"n": 1, "price": 2.5})
        mine = service.get(NOTES, "a")
        before = dict(mine)
        for write in (
            lambda: service.save(NOTES, "a", mine),
            lambda: service.create(NOTES, "b", {**mine, "_id": "b"}),
            lambda: service.commit([Put(NOTES, "a", mine, service.get(NOTES, "a")["_rev"])]),
            lambda: service.write_batch(NOTES, [mine]),
            lambda: service.write_batch(NOTES, [mine], keep_revisions=True),
        ):
            write()
            assert mine == before

    @EVERY_WRITER
    def test_an_empty_document_can_be_stored(self, service: DatabaseService, write: Writer) -> None:
        write(service, NOTES, "a", {})
        assert body(service.get(NOTES, "a")) == {}

    def test_save_answers_the_id_and_the_revision(self, service: DatabaseService) -> None:
        saved = service.save(NOTES, "a", {})
        assert saved == {"id": "a", "rev": service.get(NOTES, "a")["_rev"]}

    def test_save_replaces_and_does_not_merge(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"name": "Ada", "n": 1})
        service.save(NOTES, "a", {"name": "Alan"})
        assert body(service.get(NOTES, "a")) == {"name": "Alan"}
        assert ids_of(service, NOTES) == ["a"]

    def test_create_refuses_an_existing_document_and_leaves_it(self, service: DatabaseService) -> None:
        service.create(NOTES, "a", {"n": 1})
        before = service.get(NOTES, "a")
        with pytest.raises(Conflict) as caught:
            service.create(NOTES, "a", {"n": 2})
        assert caught.value.keys == ((NOTES, "a"),)
        assert service.get(NOTES, "a") == before

    def test_create_ignores_a_revision(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"n": 1})
        copy = service.get(NOTES, "a")
        with pytest.raises(Conflict):
            service.create(NOTES, "a", copy)
        service.create(NOTES, "b", {**copy, "_id": "b"})
        assert service.get(NOTES, "b")["n"] == 1

    def test_a_document_can_be_created_again_after_it_was_deleted(self, service: DatabaseService) -> None:
        service.create(NOTES, "a", {"n": 1})
        service.delete(NOTES, "a")
        service.create(NOTES, "a", {"n": 2})
        assert service.get(NOTES, "a")["n"] == 2

    def test_deleting_what_is_absent_is_not_found(self, service: DatabaseService) -> None:
        with pytest.raises(NotFound):
            service.delete(NOTES, "a")
        service.save(NOTES, "a", {})
        service.delete(NOTES, "a")
        with pytest.raises(NotFound):
            service.delete(NOTES, "a")

    def test_an_id_inside_the_document_must_be_the_one_it_is_stored_under(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"_id": "a", "n": 1})
        with pytest.raises(InvalidDocument) as caught:
            service.save(NOTES, "a", {"_id": "b", "n": 2})
        assert caught.value.path == "_id"
        assert service.get(NOTES, "a")["n"] == 1

    def test_a_document_that_was_read_can_be_saved_again(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"n": 1})
        document = service.get(NOTES, "a")
        document["n"] += 1
        rev = service.save(NOTES, "a", document)["rev"]
        assert service.get(NOTES, "a") == {"_id": "a", "_rev": rev, "n": 2}


class TestUpdating:
    def test_update_changes_and_answers_the_saved_document(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"n": 1, "name": "Ada"})
        saved = service.update(NOTES, "a", lambda document: {**document, "n": document["n"] + 1, "price": 2.0})
        assert body(saved) == {"n": 2, "name": "Ada", "price": 2}
        assert type(saved["price"]) is int
        assert saved == service.get(NOTES, "a")

    def test_update_of_an_absent_document_is_not_found_and_changes_nothing(self, service: DatabaseService) -> None:
        with pytest.raises(NotFound):
            service.update(NOTES, "a", lambda document: document)
        assert ids_of(service, NOTES) == []

    def test_update_tries_again_when_somebody_else_was_faster(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"n": 0, "other": 0})
        calls = []

        def change(document: dict[str, Any]) -> dict[str, Any]:
            calls.append(document["n"])
            if len(calls) < 3:
                service.save(NOTES, "a", {"n": document["n"], "other": len(calls)})
            return {**document, "n": document["n"] + 1}

        saved = service.update(NOTES, "a", change)
        assert (body(saved), len(calls)) == ({"n": 1, "other": 2}, 3)

    def test_update_may_answer_a_new_object_without_id_and_revision(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"n": 1})
        assert body(service.update(NOTES, "a", lambda _: {"n": 2})) == {"n": 2}

    def test_update_whose_change_raises_writes_nothing(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"n": 1})
        before = service.get(NOTES, "a")

        def fail(document: dict[str, Any]) -> dict[str, Any]:
            document["n"] = 2
            raise LookupError

        with pytest.raises(LookupError):
            service.update(NOTES, "a", fail)
        assert service.get(NOTES, "a") == before

    def test_update_of_a_document_deleted_meanwhile_is_not_found(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"n": 1})

        def change(document: dict[str, Any]) -> dict[str, Any]:
            service.delete(NOTES, "a")
            return document

        with pytest.raises(NotFound):
            service.update(NOTES, "a", change)
        assert ids_of(service, NOTES) == []


class TestWritingInBulk:
    def test_there_is_an_answer_for_every_document_in_order(self, service: DatabaseService) -> None:
        service.save(NOTES, "b", {"n": 0})
        outcomes = service.write_batch(NOTES, [{"_id": id, "n": 1} for id in "cab"])
        assert [(outcome.id, outcome.error) for outcome in outcomes] == [("c", None), ("a", None), ("b", None)]
        assert {outcome.id: outcome.rev for outcome in outcomes} == {
            document["_id"]: document["_rev"] for document in service.list_all(NOTES)
        }
        assert [document["n"] for document in service.list_all(NOTES)] == [1, 1, 1]

    def test_a_refused_document_does_not_stop_the_others(self, service: DatabaseService) -> None:
        documents: list[Any] = [
            {"_id": "a"},
            {"_id": "b", "when": object()},
            {"n": 1},
            "no document",
            {"_id": "c", "text": "x" * 400_000},
            {"_id": "a", "n": 2},
            {"_id": "d"},
        ]
        outcomes = service.write_batch(NOTES, documents)
        kinds = [type(outcome.error) for outcome in outcomes]
        invalid, good = InvalidDocument, type(None)
        assert kinds == [good, invalid, invalid, invalid, TooLarge, invalid, good]
        assert [outcome.rev is None for outcome in outcomes] == [kind is not good for kind in kinds]
        assert ids_of(service, NOTES) == ["a", "d"]
        assert body(service.get(NOTES, "a")) == {}

    def test_revisions_are_ignored_unless_they_are_kept(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"n": 1})
        old = service.get(NOTES, "a")
        service.save(NOTES, "a", {"n": 2})
        (outcome,) = service.write_batch(NOTES, [{**old, "n": 3}])
        assert outcome.rev not in (None, old["_rev"])
        assert service.get(NOTES, "a") == {"_id": "a", "_rev": outcome.rev, "n": 3}

    def test_nothing_written_is_no_answer(self, service: DatabaseService) -> None:
        assert service.write_batch(NOTES, []) == []

    def test_a_generator_of_many_documents_is_written(self, service: DatabaseService) -> None:
        outcomes = service.write_batch(NOTES, ({"_id": f"{n:05}", "name": f"n{n}"} for n in range(2_345)))
        assert len(outcomes) == 2_345
        assert service.count(NOTES, up_to=5_000) == (2_345, True)

    def test_indexes_follow_a_bulk_write(self, service: DatabaseService) -> None:
        fill(service, NOTES, {"a": {"status": "open"}, "b": {"status": "open"}})
        fill(service, NOTES, {"a": {"status": "closed"}})
        assert ids_of(service, NOTES, Query(where=(where("status").eq("open"),))) == ["b"]
        assert ids_of(service, NOTES, Query(where=(where("status").eq("closed"),))) == ["a"]
