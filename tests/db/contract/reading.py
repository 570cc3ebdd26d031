"""Reading: what get, get_many, read_together and list_all promise."""

from copy import deepcopy

import pytest

from app.db import DatabaseService, NotFound, Put, TooLarge
from tests.db.contract.given import NOTES, OTHERS, PEOPLE, READERS, Reader, body, fill

EVERY_READER = pytest.mark.parametrize("read", READERS.values(), ids=list(READERS))


class TestReading:
    def test_get_answers_the_document_with_its_id_and_revision(self, service: DatabaseService) -> None:
        saved = service.save(NOTES, "a", {"name": "Ada", "tags": ["x", {"y": None}]})
        assert service.get(NOTES, "a") == {
            "_id": "a",
            "_rev": saved["rev"],
            "name": "Ada",
            "tags": ["x", {"y": None}],
        }

    def test_a_missing_document_is_not_found_and_the_error_names_it(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {})
        with pytest.raises(NotFound) as caught:
            service.get(NOTES, "b")
        assert (caught.value.collection, caught.value.id) == (NOTES, "b")

    @EVERY_READER
    @pytest.mark.parametrize("collection", [NOTES, PEOPLE, "acme/never_declared"])
    def test_a_collection_that_was_never_written_is_empty(
        self, service: DatabaseService, read: Reader, collection: str
    ) -> None:
        assert read(service, collection, "a") is None

    @EVERY_READER
    @pytest.mark.parametrize("collection", [NOTES, PEOPLE, "acme/never_declared"])
    def test_every_way_of_reading_shows_the_same(self, service: DatabaseService, read: Reader, collection: str) -> None:
        service.save(collection, "other", {"name": "Bob"})
        rev = service.save(collection, "a", {"name": "Ada", "n": 1})["rev"]
        assert read(service, collection, "a") == {"_id": "a", "_rev": rev, "name": "Ada", "n": 1}

    @EVERY_READER
    def test_a_deleted_document_is_gone_for_every_way_of_reading(self, service: DatabaseService, read: Reader) -> None:
        service.save(NOTES, "a", {"name": "Ada"})
        service.save(NOTES, "b", {"name": "Bob"})
        service.delete(NOTES, "a")
        assert read(service, NOTES, "a") is None
        assert read(service, NOTES, "b") is not None

    @EVERY_READER
    def test_reads_return_copies(self, service: DatabaseService, read: Reader) -> None:
        service.save(NOTES, "a", {"name": "Ada", "tags": ["x"], "deep": {"list": [{"n": 1}]}})
        # A copy of the copy: two reads of one shared object would agree with each other.
        before = deepcopy(read(service, NOTES, "a"))
        mine = read(service, NOTES, "a")
        assert mine is not None
        mine["name"] = "changed"
        mine["tags"].append("y")
        mine["deep"]["list"][0]["n"] = 2
        mine["deep"]["more"] = True
        del mine["_rev"]
        assert read(service, NOTES, "a") == before

    def test_get_many_answers_those_found_in_the_order_asked_for(self, service: DatabaseService) -> None:
        fill(service, NOTES, {id: {"name": id} for id in "abcd"})
        found = service.get_many(NOTES, ["d", "missing", "a", "d", "c"])
        assert list(found) == ["d", "a", "c"]
        assert all(document["_id"] == id and document["name"] == id for id, document in found.items())

    def test_get_many_of_no_ids_answers_nothing(self, service: DatabaseService) -> None:
        assert service.get_many(NOTES, []) == {}

    def test_get_many_takes_any_iterable_and_many_ids(self, service: DatabaseService) -> None:
        fill(service, NOTES, {f"d{n:04}": {"n": n} for n in range(1_500)})
        found = service.get_many(NOTES, (f"d{n:04}" for n in range(0, 3_000, 2)))
        assert list(found) == [f"d{n:04}" for n in range(0, 1_500, 2)]
        assert [document["n"] for document in found.values()] == list(range(0, 1_500, 2))


class TestReadTogether:
    def test_answers_in_the_order_of_the_keys_with_none_for_absent(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"name": "Ada"})
        service.save(OTHERS, "a", {"name": "Alan"})
        service.save(PEOPLE, "a", {"name": "Anna"})
        keys = [(PEOPLE, "a"), (NOTES, "b"), (NOTES, "a"), (OTHERS, "a"), (NOTES, "a")]
        names = [None if found is None else found["name"] for found in service.read_together(keys)]
        assert names == ["Anna", None, "Ada", "Alan", "Ada"]

    def test_of_nothing_is_nothing(self, service: DatabaseService) -> None:
        assert service.read_together([]) == []

    def test_reads_a_hundred_and_refuses_one_more(self, service: DatabaseService) -> None:
        fill(service, NOTES, {f"{n}": {"n": n} for n in range(101)})
        found = service.read_together([(NOTES, f"{n}") for n in range(100)])
        assert [document and document["n"] for document in found] == list(range(100))
        with pytest.raises(TooLarge):
            service.read_together([(NOTES, f"{n}") for n in range(101)])

    def test_refuses_more_than_four_megabytes(self, service: DatabaseService) -> None:
        for n in range(13):
            service.save(NOTES, f"{n}", {"text": "x" * 330_000})
        assert len(service.read_together([(NOTES, f"{n}") for n in range(12)])) == 12
        with pytest.raises(TooLarge):
            service.read_together([(NOTES, f"{n}") for n in range(13)])

    def test_what_was_committed_together_can_be_read_together(self, service: DatabaseService) -> None:
        full = {"text": "x" * (40_000 - len('{"text":""}') - 32)}
        keys = [(NOTES, f"{n}") for n in range(100)]
        service.commit([Put(collection, id, full) for collection, id in keys])
        assert None not in service.read_together(keys)


class TestListing:
    def test_every_document_comes_once_in_id_order_by_code_point(self, service: DatabaseService) -> None:
        ids = [
            "b",
            "a",
            "B",
            "ä",
            "a\u0308",
            "😀",
            "\uffff",
            "aa",
            "a b",
            "10",
            "9",
            "~",
            "é",
            "\x00",
            "a\x00b",
            "a\x00",
        ]
        fill(service, NOTES, {id: {"name": id} for id in ids})
        listed = list(service.list_all(NOTES))
        assert [document["_id"] for document in listed] == sorted(ids)
        assert all(document["name"] == document["_id"] for document in listed)

    def test_a_long_collection_is_listed_without_gaps(self, service: DatabaseService) -> None:
        ids = [f"{n:05}" for n in range(1_701)]
        fill(service, NOTES, {id: {} for id in ids})
        assert [document["_id"] for document in service.list_all(NOTES)] == ids

    def test_documents_written_and_deleted_meanwhile_leave_the_others_exactly_once(
        self, service: DatabaseService
    ) -> None:
        ids = [f"{n:05}" for n in range(1_200)]
        fill(service, NOTES, {id: {} for id in ids})
        seen = []
        for position, document in enumerate(service.list_all(NOTES)):
            seen.append(document["_id"])
            if position % 100 == 0:
                service.save(NOTES, f"{position:05}-new", {})
                service.delete(NOTES, f"{1_199 - position // 100:05}")
        stayed = set(ids[:1_188])
        assert [id for id in seen if id in stayed] == sorted(stayed)
        assert len(seen) == len(set(seen))

    def test_a_listing_that_is_given_up_blocks_nobody(self, service: DatabaseService) -> None:
        fill(service, NOTES, {f"{n}": {} for n in range(700)})
        listing = service.list_all(NOTES)
        next(listing)
        service.save(NOTES, "0", {"n": 1})
        del listing
        service.save(NOTES, "1", {"n": 1})
        assert body(service.get(NOTES, "1")) == {"n": 1}
