"""Dumping and restoring databases in memory and in files: what is in the dump, what arrives, what is refused."""

from pathlib import Path
from typing import Any

import pytest

from app.db import DatabaseService, NotFound, Unavailable, open_database
from app.db.transfer.digests import Digests
from app.db.transfer.dump_contents import Manifest, rows_of
from app.db.transfer.dump_format import Damaged
from app.db.transfer.dump_reader import DumpDamaged, DumpReader
from app.db.transfer.dumping import DumpOptions, DumpReport, dump
from app.db.transfer.entries import entry_of
from app.db.transfer.errors import TransferRefused
from app.db.transfer.progress import Silent
from app.db.transfer.restoring import RestoreOptions, RestoreReport, restore
from app.db.transfer.verifying import VerifyOptions, verify
from tests.db.transfer.kit import SCHEMA, Faulty, edges, fill, harbour, held, some
from tests.db.transfer.odd import odd
from tests.db.transfer.sides import source, target

__all__ = ["source", "target"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.dump"


def dumped(source: DatabaseService, file: Path, **options: Any) -> DumpReport:
    return dump(source, file, DumpOptions(**{"patience": 1.0, **options}), Silent(), name="sqlite:///x", schema=SCHEMA)


def restored(file: Path, target: DatabaseService, **options: Any) -> RestoreReport:
    return restore(file, target, RestoreOptions(**{"patience": 1.0, **options}), Silent(), SCHEMA)


def manifest(file: Path) -> Manifest:
    with DumpReader(file) as reader:
        return reader.check()


class TestDumping:
    def test_everything_arrives_with_its_revisions(
        self, source: DatabaseService, target: DatabaseService, file: Path
    ) -> None:
        report = dumped(source, file)
        assert (report.documents, report.left_out) == (55, 0)
        assert report.size == file.stat().st_size
        carried = restored(file, target).carried
        assert (carried.copied, carried.same, carried.kept, carried.rejected) == (55, 0, 0, 0)
        assert held(target) == held(source)
        assert verify(source, target, VerifyOptions(), Silent()).equal

    def test_documents_at_every_edge_arrive_equal(
        self, source: DatabaseService, target: DatabaseService, file: Path
    ) -> None:
        fill(source, "t1/notes", edges(4))
        dumped(source, file)
        assert restored(file, target).carried.rejected == 0
        assert held(target) == held(source)

    def test_more_than_a_block_arrives(self, source: DatabaseService, target: DatabaseService, file: Path) -> None:
        fill(source, "t2/notes", [{"_id": str(place), "text": "x" * 3_000} for place in range(900)])
        dumped(source, file)
        first, last = manifest(file).blocks["notes"]
        assert last > first
        restored(file, target)
        assert held(target) == held(source)

    def test_an_empty_database_makes_an_empty_dump(self, target: DatabaseService, file: Path) -> None:
        assert dumped(open_database("memory:", SCHEMA), file).documents == 0
        assert restored(file, target).carried.copied == 0

    def test_an_empty_collection_is_made_with_its_indexes(
        self, source: DatabaseService, target: DatabaseService, file: Path
    ) -> None:
        source.delete("harbours", "b00000")
        source.delete("harbours", "b00001")
        dumped(source, file)
        restored(file, target)
        assert {"boats", "harbours", "notes"} <= {one.name for one in target.collections()}

    def test_the_manifest_tells_what_is_in_it(self, source: DatabaseService, file: Path) -> None:
        dumped(source, file)
        found = manifest(file)
        assert found.head["source"] == "sqlite:///x"
        assert found.head["only"] == {"collections": None, "tenants": None}
        assert found.head["collections"][0] == {
            "name": "boats",
            "scope": "tenant",
            "indexes": [["name"], ["kind", "name"]],
        }
        assert found.end["collections"] == {"boats": 50, "harbours": 2, "notes": 3}
        assert {path: row[0] for path, row in found.tallies.items()} == {
            "t1/boats": 25, "t2/boats": 25, "harbours": 2, "t1/notes": 3,
        }  # fmt: skip

    def test_the_digests_are_those_of_the_documents(self, source: DatabaseService, file: Path) -> None:
        dumped(source, file)
        found = manifest(file)
        digests = Digests(bytes.fromhex(found.head["digest_key"]))
        digests.add((path, entry_of(document)) for (path, _), document in held(source).items())
        assert {path: [*digests.of(path)[:2], digests.of(path).hex] for path in digests} == found.tallies

    def test_only_what_is_asked_for_is_dumped(
        self, source: DatabaseService, target: DatabaseService, file: Path
    ) -> None:
        assert dumped(source, file, tenants=("t1",)).documents == 28
        assert set(manifest(file).tallies) == {"t1/boats", "t1/notes"}
        assert dumped(source, file, collections=("harbours",), force=True).documents == 2
        with pytest.raises(TransferRefused, match="baots"):
            dumped(source, file, collections=("baots",), force=True)

    def test_what_could_be_restored_nowhere_is_left_out_and_told(self, file: Path, tmp_path: Path) -> None:
        source = odd({"n": 2**60})
        source.save("t1/boats", "good", {"name": "good"})
        report = dumped(source, file, rejects=tmp_path / "rejects.jsonl")
        assert (report.documents, report.left_out) == (1, 1)
        assert "2^53" in report.rejections[0].reason
        assert "odd" in (tmp_path / "rejects.jsonl").read_text()

    @pytest.mark.parametrize("path", ["t/1/boats", "boats"])
    def test_what_is_under_a_path_that_none_can_have_is_left_out_and_told(self, file: Path, path: str) -> None:
        source = odd({"n": 1}, tenant=path.rpartition("/")[0])
        source.save("t1/boats", "good", {"name": "good"})
        report = dumped(source, file)
        assert (report.documents, report.left_out) == (1, 1)
        assert (report.rejections[0].collection, report.rejections[0].id) == (path, "odd")
        assert set(manifest(file).tallies) == {"t1/boats"}

    def test_an_outage_leaves_no_file(self, file: Path, tmp_path: Path) -> None:
        source = Faulty(SCHEMA)
        harbour(source)

        def down(what: str, name: str, number: int) -> None:
            if name == "harbours":
                raise Unavailable("gone", retry_after=0.01)

        source.judge = down
        with pytest.raises(Unavailable, match="gone"):
            dumped(source, file, patience=0.05)
        assert list(tmp_path.iterdir()) == []

    def test_a_short_outage_is_waited_for(self, file: Path) -> None:
        source = Faulty(SCHEMA)
        harbour(source)
        outages = iter([True, False, True])

        def shaky(what: str, name: str, number: int) -> None:
            if next(outages, False):
                raise Unavailable("gone", retry_after=0.01)

        source.judge = shaky
        assert dumped(source, file).documents == 55

    def test_a_folder_that_is_not_there_is_told(self, source: DatabaseService, tmp_path: Path) -> None:
        with pytest.raises(TransferRefused, match="cannot be written"):
            dumped(source, tmp_path / "none" / "a.dump")


class TestRestoring:
    def test_a_second_restore_finds_everything_there(
        self, source: DatabaseService, target: DatabaseService, file: Path
    ) -> None:
        dumped(source, file)
        restored(file, target)
        carried = restored(file, target).carried
        assert (carried.copied, carried.same) == (0, 55)

    def test_a_target_with_other_documents_is_refused(
        self, source: DatabaseService, target: DatabaseService, file: Path
    ) -> None:
        dumped(source, file)
        target.create("t9/boats", "mine", {"name": "mine"})
        before = held(target)
        with pytest.raises(TransferRefused, match="--into-existing"):
            restored(file, target)
        assert held(target) == before
        restored(file, target, into_existing=True)
        assert held(target) == before | held(source)

    def test_what_is_newer_stands_unless_it_is_overwritten(
        self, source: DatabaseService, target: DatabaseService, file: Path
    ) -> None:
        dumped(source, file)
        restored(file, target)
        target.save("t1/boats", "b00003", {"name": "newer"})
        assert restored(file, target).carried.kept == 1
        assert target.get("t1/boats", "b00003")["name"] == "newer"
        restored(file, target, overwrite=True)
        assert held(target) == held(source)

    def test_what_was_deleted_after_a_restore_stays_deleted_and_is_told(
        self, source: DatabaseService, target: DatabaseService, file: Path
    ) -> None:
        dumped(source, file)
        restored(file, target)
        target.delete("t1/boats", "b00003")
        before = held(target)
        for dry_run in (True, False):
            carried = restored(file, target, dry_run=dry_run).carried
            assert (carried.copied, carried.same, carried.deleted) == (0, 54, 1)
            assert carried.rejections[0].id == "b00003"
        assert held(target) == before
        restored(file, target, into_existing=True)
        assert held(target) == held(source)

    def test_a_dry_run_writes_nothing_and_tells_what_it_would(
        self, source: DatabaseService, target: DatabaseService, file: Path
    ) -> None:
        dumped(source, file)
        report = restored(file, target, dry_run=True)
        assert (report.carried.copied, report.carried.same) == (55, 0)
        assert held(target) == {}
        assert report.carried.done

    def test_one_tenant_is_restored_alone(self, source: DatabaseService, target: DatabaseService, file: Path) -> None:
        dumped(source, file)
        restored(file, target, tenants=("t2",))
        assert {path for path, _ in held(target)} == {"t2/boats"}
        with pytest.raises(TransferRefused, match="t7"):
            restored(file, target, tenants=("t7",))

    def test_one_collection_is_restored_alone(
        self, source: DatabaseService, target: DatabaseService, file: Path
    ) -> None:
        dumped(source, file)
        restored(file, target, collections=("notes",))
        assert {path for path, _ in held(target)} == {"t1/notes"}
        with pytest.raises(TransferRefused, match="baots"):
            restored(file, target, collections=("baots",))

    def test_a_document_that_the_target_refuses_is_told_and_the_rest_goes_on(self, file: Path) -> None:
        source = odd({"_bad": 1, "name": "odd"})
        source.save("t1/boats", "good", {"name": "good"})
        dumped(source, file)
        target = open_database("memory:", SCHEMA)
        carried = restored(file, target).carried
        assert (carried.copied, carried.rejected) == (1, 1)
        assert carried.rejections[0].id == "odd"
        assert target.get("t1/boats", "good")
        with pytest.raises(NotFound):
            target.get("t1/boats", "odd")

    def test_one_that_was_cut_off_goes_on_where_it_was(self, source: DatabaseService, file: Path) -> None:
        fill(source, "t1/notes", some(3_000))
        dumped(source, file)
        target = Faulty(SCHEMA)
        calls = iter(range(100))

        def breaks(what: str, name: str, number: int) -> None:
            if what == "write_batch" and next(calls) == 5:
                raise KeyboardInterrupt

        target.judge = breaks
        with pytest.raises(KeyboardInterrupt):
            restored(file, target, workers=1)
        target.judge = lambda what, name, number: None
        carried = restored(file, target, workers=1).carried
        assert carried.resumed
        assert held(target) == held(source)
        assert carried.moved < 3_055

    def test_a_file_that_changes_after_it_was_checked_is_noticed(self, file: Path) -> None:
        source = open_database("memory:", SCHEMA)
        fill(source, "t1/notes", [{"_id": str(place), "text": "x" * 3_000} for place in range(3_000)])
        dumped(source, file)
        target = Faulty(SCHEMA)

        def meanwhile(what: str, name: str, number: int) -> None:
            if what == "write_batch" and not target.sizes:
                data = bytearray(file.read_bytes())
                data[-800] ^= 1
                file.write_bytes(data)

        target.judge = meanwhile
        with pytest.raises(DumpDamaged, match="block"):
            restored(file, target, workers=1)
        assert held(target).items() <= held(source).items()

    def test_one_that_goes_on_names_the_files_of_rejects_of_before(self, file: Path, tmp_path: Path) -> None:
        source = odd({"_bad": 1, "name": "odd"})
        fill(source, "t1/notes", some(3))
        dumped(source, file)
        target = Faulty(SCHEMA)

        def breaks(what: str, name: str, number: int) -> None:
            if what == "write_batch" and name == "t1/notes":
                raise KeyboardInterrupt

        target.judge = breaks
        with pytest.raises(KeyboardInterrupt):
            restored(file, target, workers=1, rejects=tmp_path / "first.jsonl")
        target.judge = lambda what, name, number: None
        report = restored(file, target, workers=1, rejects=tmp_path / "second.jsonl")
        assert (report.carried.rejected, report.carried.rejections) == (1, ())
        assert report.rejects == (str(tmp_path / "first.jsonl"),)
        assert "odd" in (tmp_path / "first.jsonl").read_text()
        again = restored(file, target, rejects=tmp_path / "third.jsonl")
        assert again.rejects == (str(tmp_path / "third.jsonl"),)

    @pytest.mark.parametrize("replaced", [True, False], ids=["by another file", "in its place"])
    def test_another_dump_that_gets_the_name_meanwhile_is_not_restored(self, file: Path, replaced: bool) -> None:
        """Its blocks are sound, and it ends sooner than the one that was checked."""
        source, other = open_database("memory:", SCHEMA), open_database("memory:", SCHEMA)
        for service, number in ((source, 3_000), (other, 1_000)):
            fill(service, "harbours", some(5))
            fill(service, "t1/notes", [{"_id": f"{place:05}", "text": "x" * 3_000} for place in range(number)])
        newer = file.with_name("newer.dump")
        dumped(source, file)
        dumped(other, newer)
        target = open_database("memory:", SCHEMA)

        class Checked(Silent):
            """At the end of the check, the other one is there."""

            def end(self) -> None:
                if newer.exists():
                    newer.replace(file) if replaced else file.write_bytes(newer.read_bytes())
                    newer.unlink(missing_ok=True)

        if replaced:
            restore(file, target, RestoreOptions(), Checked(), SCHEMA)
            assert held(target) == held(source)
        else:
            with pytest.raises(DumpDamaged, match="block"):
                restore(file, target, RestoreOptions(), Checked(), SCHEMA)
            assert held(target).items() <= held(source).items()

    def test_a_line_that_is_no_document_is_refused(self) -> None:
        for lines in (
            b"", b"1\n", b"[1,2]\n", b'["harbours",3]\n', b'["harbours"]\n', b"{\n", b'["A b/",{}]\n',
            b'["harbours",{"a":1\n"b":2}]\n',
        ):  # fmt: skip
            with pytest.raises(Damaged, match="no document"):
                rows_of(lines)

    def test_an_outage_is_told_and_the_rest_comes_later(self, source: DatabaseService, file: Path) -> None:
        dumped(source, file)
        target = Faulty(SCHEMA)

        def down(what: str, name: str, number: int) -> None:
            if what == "write_batch":
                raise Unavailable("gone", retry_after=0.01)

        target.judge = down
        with pytest.raises(Unavailable, match="gone"):
            restored(file, target, patience=0.05)
        target.judge = lambda what, name, number: None
        restored(file, target)
        assert held(target) == held(source)
