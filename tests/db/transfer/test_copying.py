"""Copying between databases in memory and in files: what arrives, what stands, what is told."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from app.db import DatabaseService, NotFound, open_database
from app.db.transfer.catalogue import collections_of
from app.db.transfer.collections import is_machinery
from tests.db.transfer.kit import SCHEMA, Held, carry, edges, fill, harbour, held, some, sqlite
from tests.db.transfer.sides import source, target

__all__ = ["source", "target"]


class TestCopying:
    def test_everything_arrives_with_its_revisions(self, source: DatabaseService, target: DatabaseService) -> None:
        report = carry(source, target)
        assert held(target) == held(source)
        assert (report.copied, report.same, report.kept, report.rejected) == (55, 0, 0, 0)
        assert report.bytes > 55 * 40
        assert not report.resumed

    def test_documents_at_every_edge_arrive_equal(self, source: DatabaseService, target: DatabaseService) -> None:
        fill(source, "t1/notes", edges(3))
        assert carry(source, target, chunk=7).rejected == 0
        assert held(target) == held(source)

    def test_a_second_copy_finds_everything_there(self, source: DatabaseService, target: DatabaseService) -> None:
        carry(source, target)
        report = carry(source, target)
        assert (report.copied, report.same, report.kept) == (0, 55, 0)

    def test_a_second_copy_brings_what_was_written_since(
        self, source: DatabaseService, target: DatabaseService
    ) -> None:
        carry(source, target)
        source.save("t1/boats", "b00003", {"name": "changed"})
        source.create("t3/boats", "new", {"name": "new"})
        report = carry(source, target)
        assert (report.copied, report.same) == (2, 54)
        assert held(target) == held(source)

    def test_what_is_newer_in_the_target_stands_and_is_told(
        self, source: DatabaseService, target: DatabaseService
    ) -> None:
        carry(source, target)
        target.save("t1/boats", "b00003", {"name": "newer"})
        report = carry(source, target)
        assert (report.copied, report.same, report.kept) == (0, 54, 1)
        assert target.get("t1/boats", "b00003")["name"] == "newer"

    def test_what_was_deleted_in_the_target_since_stays_deleted_and_is_told(
        self, source: DatabaseService, target: DatabaseService, tmp_path: Path
    ) -> None:
        age(source)
        carry(source, target)
        for id in ("b00003", "b00004"):
            target.delete("t1/boats", id)
        source.save("t1/boats", "b00004", {"name": "written since"})
        for dry_run in (True, False):
            report = carry(source, target, dry_run=dry_run, rejects=tmp_path / "rejects.jsonl")
            assert (report.copied, report.same, report.rejected, report.deleted) == (1, 53, 0, 1)
        (line,) = map(orjson.loads, (tmp_path / "rejects.jsonl").read_bytes().splitlines())
        assert line["id"] == "b00003"
        assert "--into-existing" in line["reason"]
        assert without(held(source), {("t1/boats", "b00003")}) == held(target)
        assert carry(source, target, into_existing=True).copied == 1
        assert held(target) == held(source)

    def test_copies_of_some_tenants_and_collections_leave_marks_for_these_alone(
        self, source: DatabaseService, target: DatabaseService
    ) -> None:
        age(source)
        carry(source, target, tenants=("t1",), collections=("boats",))
        carry(source, target, tenants=("t2",), collections=("boats",))
        for tenant in ("t1", "t2"):
            target.delete(f"{tenant}/boats", "b00003")
        report = carry(source, target)
        assert (report.copied, report.same, report.deleted) == (5, 48, 2)
        carry(source, target, tenants=("t1",))
        assert carry(source, target).deleted == 2

    def test_what_does_not_fit_is_not_taken_for_deleted(self, target: DatabaseService, tmp_path: Path) -> None:
        source = sqlite(tmp_path / "spoiled.db")
        harbour(source)
        age(source)
        carry(source, target)
        target.delete("t1/boats", "b00003")
        spoil(source, "UPDATE boats SET data = '{\"_attachments\": {}}' WHERE tenant = 't1' AND id = 'b00003'")
        report = carry(source, target)
        assert (report.rejected, report.deleted) == (1, 0)

    def test_what_was_written_within_a_minute_before_a_copy_may_come_late(
        self, source: DatabaseService, target: DatabaseService
    ) -> None:
        """A write may be begun before a copy and be acknowledged after it has passed: it is not taken for deleted."""
        carry(source, target)
        target.delete("t1/boats", "b00003")
        assert (carry(source, target).copied, held(target)) == (1, held(source))

    def test_told_to_overwrite_the_source_wins(self, source: DatabaseService, target: DatabaseService) -> None:
        carry(source, target)
        target.save("t1/boats", "b00003", {"name": "newer"})
        assert carry(source, target, policy="source").kept == 0
        assert held(target) == held(source)

    def test_what_was_deleted_in_the_source_since_stays_in_the_target(
        self, source: DatabaseService, target: DatabaseService
    ) -> None:
        carry(source, target)
        source.delete("t1/boats", "b00003")
        carry(source, target)
        assert target.get("t1/boats", "b00003")["n"] == 3

    def test_only_the_collections_that_are_asked_for(self, source: DatabaseService, target: DatabaseService) -> None:
        carry(source, target, collections=("harbours", "notes"))
        assert {path for path, _ in held(target)} == {"harbours", "t1/notes"}

    def test_only_the_tenants_that_are_asked_for(self, source: DatabaseService, target: DatabaseService) -> None:
        report = carry(source, target, tenants=("t2",), chunk=4)
        assert {path for path, _ in held(target)} == {"t2/boats"}
        assert report.copied == 25

    def test_indexes_are_there_afterwards(self, source: DatabaseService, target: DatabaseService) -> None:
        carry(source, target)
        assert target.prepare(SCHEMA, dry_run=True) == []

    def test_the_machinery_is_not_carried_along(self, source: DatabaseService, target: DatabaseService) -> None:
        carry(source, target)
        third = open_database("memory:", SCHEMA)
        carry(target, third)
        assert held(third) == held(source)
        assert [one.name for one in collections_of(third)] == ["boats", "harbours", "notes"]
        with pytest.raises(NotFound):
            third.get("migration_checkpoints", "harbours_of_another")

    def test_an_empty_source_is_no_mistake(self, target: DatabaseService) -> None:
        report = carry(open_database("memory:", SCHEMA), target)
        assert (report.copied, held(target)) == (0, {})

    def test_several_workers_bring_the_same(self, source: DatabaseService, target: DatabaseService) -> None:
        fill(source, "t4/boats", some(300))
        carry(source, target, workers=5, chunk=11)
        assert held(target) == held(source)


class TestADryRun:
    def test_it_tells_what_would_be_done_and_writes_nothing(
        self, source: DatabaseService, target: DatabaseService
    ) -> None:
        carry(source, target, collections=("boats",))
        target.save("t1/boats", "b00003", {"name": "newer"})
        source.save("t1/boats", "b00004", {"name": "changed"})
        before = held(target)
        report = carry(source, target, dry_run=True)
        assert (report.copied, report.same, report.kept) == (1 + 5, 48, 1)
        assert held(target) == before

    def test_a_file_that_is_not_there_is_not_made(self, source: DatabaseService, tmp_path: Path) -> None:
        target = sqlite(tmp_path / "nothing.db", create_missing=False)
        assert carry(source, target, dry_run=True).copied == 55
        assert not (tmp_path / "nothing.db").exists()

    def test_it_leaves_no_mark_on_either_side(self, source: DatabaseService, target: DatabaseService) -> None:
        carry(source, target, dry_run=True)
        assert not any(is_machinery(one.name) for one in [*source.collections(), *target.collections()])


class TestDocumentsThatDoNotFit:
    @pytest.fixture
    def spoiled(self, tmp_path: Path) -> Iterator[DatabaseService]:
        """A file into which somebody else has written."""
        path = tmp_path / "spoiled.db"
        opened = sqlite(path)
        harbour(opened)
        spoil(opened, "UPDATE boats SET data = '{\"_attachments\": {}}' WHERE tenant = 't1' AND id = 'b00001'")
        spoil(opened, "UPDATE boats SET data = '{\"n\": 9007199254740993}' WHERE tenant = 't1' AND id = 'b00002'")
        spoil(opened, "UPDATE boats SET data = json_object('x', printf('%400000d', 1)) WHERE id = 'b00003'")
        spoil(opened, "UPDATE boats SET tenant = 'a/b' WHERE tenant = 't2' AND id = 'b00004'")
        spoil(opened, "UPDATE harbours SET tenant = 't1' WHERE id = 'b00001'")
        yield opened
        opened.close()

    def test_they_are_left_out_and_reported_and_the_rest_arrives(
        self, spoiled: DatabaseService, target: DatabaseService, tmp_path: Path
    ) -> None:
        rejects = tmp_path / "rejects.jsonl"
        report = carry(spoiled, target, rejects=rejects)
        assert (report.copied, report.rejected) == (55 - 6, 6)
        told = {
            (line["collection"], line["id"]): line["reason"]
            for line in map(orjson.loads, rejects.read_bytes().splitlines())
        }
        assert {key: reason.partition(":")[0] for key, reason in told.items() if key[1] != "b00003"} == {
            ("t1/boats", "b00001"): "_attachments",
            ("t1/boats", "b00002"): "n",
            ("a/b/boats", "b00004"): "tenant",
            ("t1/harbours", "b00001"): "t1/harbours",
        }
        assert "at most 350,000" in told["t2/boats", "b00003"]
        assert {one[:2] for one in report.rejections} == set(told)
        assert set(held(spoiled)) - set(held(target)) == set(told)

    def test_a_dry_run_tells_the_same_and_writes_no_file(
        self, spoiled: DatabaseService, target: DatabaseService, tmp_path: Path
    ) -> None:
        rejects = tmp_path / "rejects.jsonl"
        report = carry(spoiled, target, rejects=rejects, dry_run=True)
        assert (report.copied, report.rejected) == (55 - 6, 6)
        assert not rejects.exists()

    def test_without_any_there_is_no_file(
        self, source: DatabaseService, target: DatabaseService, tmp_path: Path
    ) -> None:
        carry(source, target, rejects=tmp_path / "rejects.jsonl")
        assert not (tmp_path / "rejects.jsonl").exists()


def age(service: DatabaseService) -> None:
    """Give every document a revision of long ago."""
    for (path, _), document in held(service).items():
        token = f"{int(document['_rev'][:13], 16) - 10**9:013x}{document['_rev'][13:]}"
        (outcome,) = service.write_batch(path, [{**document, "_rev": token}], keep_revisions=True)
        assert outcome.error is None


def without(found: Held, keys: set[tuple[str, str]]) -> Held:
    return {key: document for key, document in found.items() if key not in keys}


def spoil(service: DatabaseService, statement: str) -> None:
    """Write past the contract."""
    service._connection().execute(statement)  # type: ignore[attr-defined]
