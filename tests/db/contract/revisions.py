"""Revisions: when a write conflicts, and what the token is."""

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

    @pytest.mark.parametrize("rev", [None, "", ".hint", "x" * 201])
    def test_a_document_without_a_good_revision_is_refused(self, service: DatabaseService, rev: str | None) -> None:
        (outcome,) = service.write_batch(OTHERS, [{"_id": "a", "_rev": rev}], keep_revisions=True)
        assert isinstance(outcome.error, InvalidDocument)
        assert outcome.error.path == "_rev"
        assert ids_of(service, OTHERS) == []
