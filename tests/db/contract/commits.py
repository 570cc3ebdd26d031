"""Commits: all or nothing, under every expectation."""

from typing import Any

import pytest

from app.db import (
    ABSENT,
    ANY,
    Check,
    Conflict,
    DatabaseService,
    Delete,
    InvalidDocument,
    InvalidQuery,
    Put,
    Query,
    TooLarge,
    where,
)
from tests.db.contract.given import NOTES, OTHERS, PEOPLE, body, fill, ids_of, scanned

NEVER = "0123456789abcdef01234567"


def everything(service: DatabaseService) -> dict[tuple[str, str], dict[str, Any]]:
    """All documents of the collections that these tests use."""
    names = ("notes", "people", "tasks")
    return {(path, document["_id"]): document for name in names for path, document in scanned(service, name)}


class TestCommits:
    def test_a_commit_writes_over_collections_and_tenants(self, service: DatabaseService) -> None:
        old = service.save(NOTES, "old", {"n": 0})["rev"]
        kept = service.save(PEOPLE, "ada", {"n": 0})["rev"]
        answers = service.commit(
            [
                Put(NOTES, "a", {"n": 1}),
                Delete(NOTES, "old", old),
                Put(OTHERS, "a", {"n": 2}),
                Check(PEOPLE, "ada", kept),
                Put("acme/tasks", "a", {"n": 3}, ABSENT),
            ]
        )
        assert [answer and answer["id"] for answer in answers] == ["a", None, "a", None, "a"]
        found = everything(service)
        assert {key: document["n"] for key, document in found.items()} == {
            (NOTES, "a"): 1,
            (OTHERS, "a"): 2,
            (PEOPLE, "ada"): 0,
            ("acme/tasks", "a"): 3,
        }
        revs = [answer["rev"] for answer in answers if answer is not None]
        assert [found[NOTES, "a"]["_rev"], found[OTHERS, "a"]["_rev"], found["acme/tasks", "a"]["_rev"]] == revs
        assert found[PEOPLE, "ada"]["_rev"] == kept

    def test_an_empty_commit_answers_nothing(self, service: DatabaseService) -> None:
        assert service.commit([]) == []

    def test_a_commit_of_checks_only_writes_nothing(self, service: DatabaseService) -> None:
        rev = service.save(NOTES, "a", {})["rev"]
        before = everything(service)
        assert service.commit([Check(NOTES, "a", rev), Check(NOTES, "b", ABSENT)]) == [None, None]
        assert everything(service) == before

    def test_a_put_answers_a_new_revision_each_time(self, service: DatabaseService) -> None:
        answers = [service.commit([Put(NOTES, "a", {"n": 1})])[0] for _ in range(3)]
        assert len({answer["rev"] for answer in answers if answer is not None}) == 3

    def test_what_was_given_is_not_kept(self, service: DatabaseService) -> None:
        given = {"tags": ["x"]}
        service.commit([Put(NOTES, "a", given), Put(NOTES, "b", given)])
        given["tags"].append("y")
        assert body(service.get(NOTES, "a")) == body(service.get(NOTES, "b")) == {"tags": ["x"]}

    def test_indexes_follow_a_commit(self, service: DatabaseService) -> None:
        fill(service, NOTES, {"a": {"status": "open"}, "b": {"status": "open"}, "c": {"status": "closed"}})
        service.commit([Put(NOTES, "a", {"status": "closed"}), Delete(NOTES, "c"), Put(NOTES, "d", {"status": "open"})])
        assert ids_of(service, NOTES, Query(where=(where("status").eq("open"),))) == ["b", "d"]
        assert ids_of(service, NOTES, Query(where=(where("status").eq("closed"),))) == ["a"]


CURRENT = object()
"""Stands for the document's present revision in the tables below."""


class TestExpectations:
    @pytest.mark.parametrize("there", [True, False], ids=["there", "absent"])
    @pytest.mark.parametrize("expect", [ANY, ABSENT, CURRENT, NEVER], ids=["any", "absent", "current", "another"])
    @pytest.mark.parametrize("kind", [Put, Delete, Check])
    @pytest.mark.parametrize("alone", [True, False], ids=["alone", "beside another"])
    def test_every_expectation_holds_or_is_a_conflict(
        self, service: DatabaseService, there: bool, expect: Any, kind: Any, alone: bool
    ) -> None:
        if kind is Check and expect is ANY:
            with pytest.raises(InvalidDocument):
                service.commit([Check(NOTES, "a", ANY)])
            return
        current = NEVER
        if there:
            current = service.save(NOTES, "a", {"n": 0})["rev"]
        holds = {ANY: True, ABSENT: not there, CURRENT: there}.get(expect, False)
        revision = current if expect is CURRENT else expect
        write = Put(NOTES, "a", {"n": 1}, revision) if kind is Put else kind(NOTES, "a", revision)
        writes: list[Any] = [write] if alone else [Put(PEOPLE, "before", {}), write, Put(OTHERS, "after", {})]
        before = everything(service)
        if not holds:
            with pytest.raises(Conflict) as caught:
                service.commit(writes)
            assert caught.value.keys == ((NOTES, "a"),)
            assert everything(service) == before
            return
        service.commit(writes)
        after = everything(service)
        assert {key for key in after if key[0] != NOTES} == (
            set() if alone else {(PEOPLE, "before"), (OTHERS, "after")}
        )
        if kind is Put:
            assert after[NOTES, "a"]["n"] == 1
        elif kind is Delete:
            assert (NOTES, "a") not in after
        else:
            assert after.get((NOTES, "a")) == before.get((NOTES, "a"))

    @pytest.mark.parametrize("alone", [True, False], ids=["alone", "beside another"])
    @pytest.mark.parametrize("kind", [Put, Delete, Check])
    def test_a_revision_that_was_replaced_is_a_conflict(self, service: DatabaseService, kind: Any, alone: bool) -> None:
        old = service.save(NOTES, "a", {"n": 0})["rev"]
        service.save(NOTES, "a", {"n": 1})
        write = Put(NOTES, "a", {"n": 2}, old) if kind is Put else kind(NOTES, "a", old)
        before = everything(service)
        with pytest.raises(Conflict) as caught:
            service.commit([write] if alone else [Put(PEOPLE, "before", {}), write])
        assert caught.value.keys == ((NOTES, "a"),)
        assert everything(service) == before

    def test_a_put_of_a_document_that_was_read_expects_its_revision(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"n": 1})
        mine = service.get(NOTES, "a")
        service.save(NOTES, "a", {"n": 2})
        with pytest.raises(Conflict):
            service.commit([Put(NOTES, "a", {**mine, "n": 3})])
        assert service.get(NOTES, "a")["n"] == 2
        service.commit([Put(NOTES, "a", {**service.get(NOTES, "a"), "n": 3})])
        assert service.get(NOTES, "a")["n"] == 3

    def test_a_stated_expectation_goes_before_the_documents_revision(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"n": 1})
        mine = service.get(NOTES, "a")
        with pytest.raises(Conflict):
            service.commit([Put(NOTES, "a", mine, ABSENT)])
        rev = service.save(NOTES, "a", {"n": 2})["rev"]
        service.commit([Put(NOTES, "a", {**mine, "n": 3}, rev)])
        assert service.get(NOTES, "a")["n"] == 3

    def test_a_conflict_names_every_key_that_reading_again_shows(self, service: DatabaseService) -> None:
        stale = service.save(NOTES, "a", {})["rev"]
        current = service.save(NOTES, "a", {})["rev"]
        good = service.save(NOTES, "b", {})["rev"]
        service.save(PEOPLE, "c", {})
        writes: list[Any] = [
            Check(NOTES, "b", good),
            Put(NOTES, "a", {}, stale),
            Put(PEOPLE, "c", {}, ABSENT),
            Put(NOTES, "free", {}, ABSENT),
            Delete(OTHERS, "gone", NEVER),
            Check(NOTES, "missing", NEVER),
        ]
        with pytest.raises(Conflict) as caught:
            service.commit(writes)
        assert caught.value.keys == ((NOTES, "a"), (PEOPLE, "c"), (OTHERS, "gone"), (NOTES, "missing"))
        assert service.get(NOTES, "a")["_rev"] == current


class TestAllOrNothing:
    @pytest.mark.parametrize("place", [0, 1, 49, 98, 99])
    def test_one_conflict_anywhere_leaves_everything_as_it_was(self, service: DatabaseService, place: int) -> None:
        fill(service, NOTES, {f"{n:02}": {"status": "open", "n": 0} for n in range(0, 100, 2)})
        before = everything(service)
        writes: list[Any] = [
            Put(NOTES, f"{n:02}", {"status": "new", "n": 1}) if n % 4 else Delete(NOTES, f"{n:02}") for n in range(100)
        ]
        writes[place] = Check(NOTES, f"{place:02}", NEVER)
        with pytest.raises(Conflict):
            service.commit(writes)
        assert everything(service) == before
        assert ids_of(service, NOTES, Query(where=(where("status").eq("new"),))) == []
        assert service.count(NOTES, (where("status").eq("open"),)) == (50, True)

    @pytest.mark.parametrize(
        ("bad", "error"),
        [
            (Put(NOTES, "z", {"bad": object()}), InvalidDocument),
            (Put(NOTES, "z", {"_private": 1}), InvalidDocument),
            (Put(NOTES, "", {}), InvalidDocument),
            (Put(NOTES, "z", {"text": "x" * 350_000}), TooLarge),
            (Put("/notes", "z", {}), InvalidQuery),
            (Put("acme/people", "z", {}), InvalidQuery),
            (Delete("notes", "z"), InvalidQuery),
            (Put(NOTES, "z", {}, expect=None), InvalidDocument),  # type: ignore[arg-type]
            (Check(NOTES, "z", ANY), InvalidDocument),
        ],
        ids=repr,
    )
    def test_one_bad_entry_leaves_everything_as_it_was(self, service: DatabaseService, bad: Any, error: Any) -> None:
        service.save(NOTES, "b", {"n": 0})
        before = everything(service)
        with pytest.raises(error):
            service.commit([Put(NOTES, "a", {"n": 1}), Delete(NOTES, "b"), bad])
        assert everything(service) == before

    def test_a_hundred_entries_are_taken_and_one_more_is_too_large(self, service: DatabaseService) -> None:
        service.commit([Put(NOTES, f"{n}", {"n": n}) for n in range(100)])
        assert service.count(NOTES) == (100, True)
        with pytest.raises(TooLarge):
            service.commit([Put(OTHERS, f"{n}", {"n": n}) for n in range(101)])
        assert service.count(OTHERS) == (0, True)

    def test_four_megabytes_are_taken_and_more_is_too_large(self, service: DatabaseService) -> None:
        writes = [Put(NOTES, f"{n}", {"text": "x" * 330_000}) for n in range(13)]
        service.commit(writes[:12])
        with pytest.raises(TooLarge):
            service.commit([Put(OTHERS, write.id, write.document) for write in writes])
        assert (service.count(NOTES), service.count(OTHERS)) == ((12, True), (0, True))

    def test_the_strictest_count_decides_what_four_megabytes_are(self, service: DatabaseService) -> None:
        numbers = {"numbers": [1] * 43_000}  # 86 kB of JSON, 129 kB for DynamoDB, 344 kB for Firestore
        with pytest.raises(TooLarge):
            service.commit([Put(NOTES, f"{n}", numbers) for n in range(40)])
        assert service.count(NOTES) == (0, True)

    def test_no_key_stands_twice(self, service: DatabaseService) -> None:
        twice: list[list[Any]] = [
            [Put(NOTES, "a", {"n": 1}), Put(NOTES, "a", {"n": 2})],
            [Put(NOTES, "a", {"n": 1}), Delete(NOTES, "a")],
            [Check(NOTES, "a", ABSENT), Put(NOTES, "a", {})],
        ]
        for writes in twice:
            with pytest.raises(InvalidDocument):
                service.commit(writes)
        service.commit([Put(NOTES, "a", {}), Put(OTHERS, "a", {}), Put("acme/tasks", "a", {})])
        assert len(everything(service)) == 3
