"""Revisions: when a write conflicts, and what the token is."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.db import Check, Conflict, DatabaseService, Delete, InvalidDocument, NotFound, Put
from app.db.documents import split_rev
from tests.db.contract.given import NOTES, OTHERS, READERS, WRITERS, Reader, Writer, ids_of


def conflict(service: DatabaseService, id: str, document: dict[str, object]) -> tuple[tuple[str, str], ...]:
    with pytest.raises(Conflict) as caught:
        service.save(NOTES, id, document)
    return caught.value.keys


class TestRevisions:
    def test_a_save_with_the_current_revision_replaces_it(self, service: DatabaseService) -> None:
        rev = service.save(NOTES, "a", {"n": 1})["rev"]
        again = service.save(NOTES, "a", {"n": 2, "_rev": rev})["rev"]
        assert again != rev
        assert service.get(NOTES, "a") == {"_id": "a", "_rev": again, "n": 2}

    def test_a_save_with_an_old_revision_is_a_conflict_that_names_the_key(self, service: DatabaseService) -> None:
        old = service.save(NOTES, "a", {"n": 1})["rev"]
        service.save(NOTES, "a", {"n": 2, "_rev": old})
        before = service.get(NOTES, "a")
        assert conflict(service, "a", {"n": 3, "_rev": old}) == ((NOTES, "a"),)
        assert service.get(NOTES, "a") == before

    def test_a_save_with_a_revision_never_creates(self, service: DatabaseService) -> None:
        rev = service.save(NOTES, "a", {"n": 1})["rev"]
        assert conflict(service, "b", {"n": 1, "_rev": rev}) == ((NOTES, "b"),)
        assert ids_of(service, NOTES) == ["a"]

    def test_a_revision_of_a_deleted_document_never_brings_it_back(self, service: DatabaseService) -> None:
        rev = service.save(NOTES, "a", {"n": 1})["rev"]
        service.delete(NOTES, "a")
        assert conflict(service, "a", {"n": 2, "_rev": rev}) == ((NOTES, "a"),)
        service.create(NOTES, "a", {"n": 1})
        assert conflict(service, "a", {"n": 2, "_rev": rev}) == ((NOTES, "a"),)

    def test_a_revision_is_good_for_its_own_document_only(self, service: DatabaseService) -> None:
        rev = service.save(NOTES, "a", {"n": 1})["rev"]
        service.save(NOTES, "b", {"n": 1})
        service.save(OTHERS, "a", {"n": 1})
        assert conflict(service, "b", {"n": 2, "_rev": rev})
        with pytest.raises(Conflict):
            service.save(OTHERS, "a", {"n": 2, "_rev": rev})

    @pytest.mark.parametrize("rev", ["x", "0", "1-abc", "null", "' or 1=1 --", "é", "😀", ".", ".x", "*", "%", "\x00"])
    def test_a_revision_that_was_never_given_out_is_a_conflict(self, service: DatabaseService, rev: str) -> None:
        service.save(NOTES, "a", {"n": 1})
        assert conflict(service, "a", {"n": 2, "_rev": rev}) == ((NOTES, "a"),)
        with pytest.raises(Conflict):
            service.delete(NOTES, "a", rev)
        with pytest.raises(Conflict):
            service.commit([Put(NOTES, "a", {}, expect=rev)])
        assert service.get(NOTES, "a")["n"] == 1

    def test_a_delete_with_the_current_revision_deletes(self, service: DatabaseService) -> None:
        rev = service.save(NOTES, "a", {"n": 1})["rev"]
        service.delete(NOTES, "a", rev)
        assert ids_of(service, NOTES) == []

    def test_a_delete_with_an_old_revision_is_a_conflict(self, service: DatabaseService) -> None:
        old = service.save(NOTES, "a", {"n": 1})["rev"]
        service.save(NOTES, "a", {"n": 2})
        with pytest.raises(Conflict) as caught:
            service.delete(NOTES, "a", old)
        assert caught.value.keys == ((NOTES, "a"),)
        assert service.get(NOTES, "a")["n"] == 2

    def test_a_delete_with_a_revision_of_an_absent_document_is_not_found(self, service: DatabaseService) -> None:
        rev = service.save(NOTES, "a", {"n": 1})["rev"]
        service.delete(NOTES, "a")
        with pytest.raises(NotFound):
            service.delete(NOTES, "a", rev)

    @pytest.mark.parametrize("write", WRITERS.values(), ids=list(WRITERS))
    def test_every_write_has_a_new_revision_even_of_the_same_values(
        self, service: DatabaseService, write: Writer
    ) -> None:
        revs = set()
        for _ in range(3):
            revs.add(write(service, NOTES, "a", {"n": 1}))
            service.delete(NOTES, "a")
        service.save(NOTES, "a", {"n": 1})
        same = service.get(NOTES, "a")
        revs |= {same["_rev"], service.save(NOTES, "a", same)["rev"]}
        assert len(revs) == 5

    @pytest.mark.parametrize("read", READERS.values(), ids=list(READERS))
    def test_reading_does_not_change_the_revision(self, service: DatabaseService, read: Reader) -> None:
        rev = service.save(NOTES, "a", {"name": "Ada"})["rev"]
        for _ in range(2):
            document = read(service, NOTES, "a")
            assert document is not None
            assert document["_rev"] == rev

    def test_the_token_alone_decides_a_conflict(self, service: DatabaseService) -> None:
        rev = service.save(NOTES, "a", {"n": 1})["rev"]
        token, _ = split_rev(rev)
        rev = service.save(NOTES, "a", {"n": 2, "_rev": f"{token}.stale"})["rev"]
        token, _ = split_rev(rev)
        (saved,) = service.commit([Put(NOTES, "a", {"n": 3}, expect=token)])
        assert saved is not None
        token, hint = split_rev(saved["rev"])
        assert conflict(service, "a", {"n": 4, "_rev": f"{token}0" + (f".{hint}" if hint else "")})
        service.delete(NOTES, "a", token)

    def test_a_null_revision_is_no_revision(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"n": 1})
        service.save(NOTES, "a", {"n": 2, "_rev": None})
        assert service.get(NOTES, "a")["n"] == 2

    @pytest.mark.parametrize("rev", ["", 1, True, ["x"], {"$gt": ""}, b"x", "x" * 201])
    def test_what_cannot_be_a_revision_is_refused_with_its_path(self, service: DatabaseService, rev: object) -> None:
        service.save(NOTES, "a", {"n": 1})
        with pytest.raises(InvalidDocument) as caught:
            service.save(NOTES, "a", {"n": 2, "_rev": rev})
        assert caught.value.path == "_rev"
        with pytest.raises(InvalidDocument):
            service.delete(NOTES, "a", rev)  # type: ignore[arg-type]
        with pytest.raises(InvalidDocument):
            service.commit([Put(NOTES, "a", {"n": 2}, expect=rev)])  # type: ignore[arg-type]
        with pytest.raises(InvalidDocument):
            service.commit([Delete(NOTES, "a", expect=rev)])  # type: ignore[arg-type]
        with pytest.raises(InvalidDocument):
            service.commit([Check(NOTES, "a", expect=rev)])  # type: ignore[arg-type]
        assert service.get(NOTES, "a")["n"] == 1


class TestKeptRevisions:
    """A migration keeps the tokens, so that an edit that was begun on the source can be finished on the target."""

    def test_a_copy_has_the_tokens_of_its_source(self, service: DatabaseService) -> None:
        for id in "abc":
            service.save(NOTES, id, {"name": id})
        outcomes = service.write_batch(OTHERS, service.list_all(NOTES), keep_revisions=True)
        assert [outcome.error for outcome in outcomes] == [None] * 3
        source = {document["_id"]: document for document in service.list_all(NOTES)}
        for document, outcome in zip(service.list_all(OTHERS), outcomes, strict=True):
            assert outcome.rev == document["_rev"]
            assert split_rev(document["_rev"])[0] == split_rev(source[document["_id"]]["_rev"])[0]
            assert document["name"] == source[document["_id"]]["name"]

    def test_an_edit_begun_on_the_source_is_finished_on_the_copy(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"n": 1})
        edited = service.get(NOTES, "a")
        service.write_batch(OTHERS, [edited], keep_revisions=True)
        service.save(OTHERS, "a", {**edited, "n": 2})
        with pytest.raises(Conflict):
            service.save(OTHERS, "a", {**edited, "n": 3})

    def test_a_kept_revision_replaces_whatever_is_there(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"n": 1})
        source = service.get(NOTES, "a")
        service.save(OTHERS, "a", {"n": 0})
        service.write_batch(OTHERS, [source], keep_revisions=True)
        service.write_batch(OTHERS, [source], keep_revisions=True)
        assert service.get(OTHERS, "a")["n"] == 1

    def test_a_copy_does_not_undo_a_newer_write(self, service: DatabaseService) -> None:
        for id in ("older", "same", "newer", "missing"):
            service.save(NOTES, id, {"n": 1})
        service.write_batch(OTHERS, [service.get(NOTES, "older"), service.get(NOTES, "same")], keep_revisions=True)
        service.save(NOTES, "older", {"n": 2})
        service.save(OTHERS, "newer", {"n": 3})
        copied = list(service.list_all(NOTES))
        outcomes = {one.id: one for one in service.write_batch(OTHERS, copied, only_newer=True)}
        assert {id: one.kept for id, one in outcomes.items()} == {
            "missing": False,
            "newer": True,
            "older": False,
            "same": True,
        }
        found = service.get_many(OTHERS, ["older", "same", "newer", "missing"])
        assert {id: document["n"] for id, document in found.items()} == {
            "older": 2,
            "same": 1,
            "newer": 3,
            "missing": 1,
        }
        for id, one in outcomes.items():
            assert one.error is None
            assert split_rev(str(one.rev))[0] == split_rev(found[id]["_rev"])[0]
        for document in copied:
            if document["_id"] != "newer":
                assert split_rev(document["_rev"])[0] == split_rev(found[document["_id"]]["_rev"])[0]

    def test_a_copy_beside_writers_undoes_none_of_their_writes(self, service: DatabaseService) -> None:
        ids = [f"n{number}" for number in range(30)]
        for id in ids:
            service.save(NOTES, id, {"n": 1})
        copied = list(service.list_all(NOTES))
        service.write_batch(OTHERS, copied, keep_revisions=True)
        with ThreadPoolExecutor(1) as threads:
            copying = threads.submit(lambda: [service.write_batch(OTHERS, copied, only_newer=True) for _ in range(5)])
            for id in ids:
                service.save(OTHERS, id, {"n": 2})
            rounds = copying.result()
        assert all(one.error is None for outcomes in rounds for one in outcomes)
        assert {document["n"] for document in service.list_all(OTHERS)} == {2}

    def test_a_large_copy_is_kept_or_written_document_by_document(self, service: DatabaseService) -> None:
        for id in ("n0", "n1499"):
            service.save(NOTES, id, {"n": 1})
        first = service.get(NOTES, "n0")
        copied = [{"_id": f"n{number}", "_rev": first["_rev"], "n": number} for number in range(1_500)]
        service.save(OTHERS, "n1499", {"n": -1})
        outcomes = service.write_batch(OTHERS, copied, only_newer=True)
        assert [one.id for one in outcomes if one.kept] == ["n1499"]
        assert [one.kept for one in service.write_batch(OTHERS, copied, only_newer=True)] == [True] * 1_500
        assert service.count(OTHERS, up_to=2_000) == (1_500, True)

    @pytest.mark.parametrize("only_newer", [False, True])
    @pytest.mark.parametrize("rev", [None, "", ".hint", "x" * 201])
    def test_a_document_without_a_good_revision_is_refused(
        self, service: DatabaseService, rev: str | None, only_newer: bool
    ) -> None:
        (outcome,) = service.write_batch(
            OTHERS, [{"_id": "a", "_rev": rev}], keep_revisions=not only_newer, only_newer=only_newer
        )
        assert isinstance(outcome.error, InvalidDocument)
        assert outcome.error.path == "_rev"
        assert ids_of(service, OTHERS) == []
