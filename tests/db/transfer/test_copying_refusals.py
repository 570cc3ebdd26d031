"""What a copy refuses before anything moves."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db import Collection, DatabaseService, Schema, Unavailable, open_database
from app.db.errors import NotWritable
from app.db.transfer.checkpoints import Checkpoints
from app.db.transfer.collections import CHECKPOINTS, STATE, machinery
from app.db.transfer.copying import CopyOptions, copy
from app.db.transfer.errors import TransferRefused
from app.db.transfer.identity import ensure_identity, looks_same, read_identity, same_database
from app.db.transfer.live.state import CURRENT, State
from app.db.transfer.progress import Silent
from tests.db.transfer.kit import SCHEMA, carry, harbour, held, sqlite


@pytest.fixture
def source(tmp_path: Path) -> Iterator[DatabaseService]:
    opened = sqlite(tmp_path / "source.db")
    harbour(opened)
    yield opened
    opened.close()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[DatabaseService]:
    opened = sqlite(tmp_path / "target.db")
    yield opened
    opened.close()


class TestTheSameDatabase:
    @pytest.mark.parametrize("dry_run", [False, True])
    def test_it_is_refused_by_another_path(self, source: DatabaseService, tmp_path: Path, dry_run: bool) -> None:
        ensure_identity(source)
        (tmp_path / "link.db").symlink_to(tmp_path / "source.db")
        before = held(source)
        with pytest.raises(TransferRefused, match="same database"):
            carry(source, sqlite(tmp_path / "link.db"), dry_run=dry_run)
        assert held(source) == before

    def test_it_is_refused_where_it_never_had_an_identity(self, source: DatabaseService, tmp_path: Path) -> None:
        with pytest.raises(TransferRefused, match="same database"):
            carry(source, sqlite(tmp_path / "source.db"))

    def test_a_copy_of_the_file_is_another_database_and_gets_an_identity_of_its_own(
        self, source: DatabaseService, tmp_path: Path
    ) -> None:
        own = ensure_identity(source)
        source.close()
        shutil.copy(tmp_path / "source.db", tmp_path / "copy.db")
        copied = sqlite(tmp_path / "copy.db")
        assert looks_same(source, copied)
        assert not same_database(source, copied)
        assert (read_identity(source), read_identity(copied) != own) == (own, True)

    def test_a_source_that_may_not_be_written_to_is_read_all_the_same(
        self, source: DatabaseService, target: DatabaseService, tmp_path: Path
    ) -> None:
        source.close()
        (tmp_path / "source.db").chmod(0o400)
        source.prepare = refuse_to_prepare  # type: ignore[method-assign]
        carry(source, target, source_name="the harbour")
        assert held(target) == held(source)
        assert read_identity(source) is None
        # The same name is taken for the same source.
        assert carry(source, target, source_name="the harbour").same == 55
        with pytest.raises(TransferRefused, match="of another source"):
            carry(source, target, source_name="the other harbour")


def refuse_to_prepare(*_: object, **__: object) -> list[str]:
    raise NotWritable("The database's file cannot be written: check its rights.")


class TestATargetWithOtherData:
    def test_it_is_refused_with_the_names_of_the_collections(
        self, source: DatabaseService, target: DatabaseService
    ) -> None:
        target.save("t9/boats", "mine", {"n": 1})
        with pytest.raises(TransferRefused, match=r"\(boats\).*--into-existing"):
            carry(source, target)
        assert set(held(target)) == {("t9/boats", "mine")}

    def test_a_dry_run_refuses_too(self, source: DatabaseService, target: DatabaseService) -> None:
        target.save("t9/boats", "mine", {"n": 1})
        with pytest.raises(TransferRefused, match="--into-existing"):
            carry(source, target, dry_run=True)

    def test_told_so_a_copy_goes_in_beside_it(self, source: DatabaseService, target: DatabaseService) -> None:
        target.save("t9/boats", "mine", {"n": 1})
        target.save("t1/boats", "b00001", {"newer": True})
        report = carry(source, target, into_existing=True)
        assert (report.copied, report.kept) == (54, 1)
        assert target.get("t1/boats", "b00001")["newer"]
        assert ("t9/boats", "mine") in held(target)

    def test_data_of_another_source_is_refused(
        self, source: DatabaseService, target: DatabaseService, tmp_path: Path
    ) -> None:
        other = sqlite(tmp_path / "other.db")
        harbour(other)
        carry(other, target)
        with pytest.raises(TransferRefused, match="of another source"):
            carry(source, target)

    def test_empty_collections_are_no_data(self, source: DatabaseService, target: DatabaseService) -> None:
        target.prepare(SCHEMA)
        assert carry(source, target).copied == 55


class TestVersions:
    def test_marks_of_a_newer_release_are_refused(self, source: DatabaseService, target: DatabaseService) -> None:
        ensure_identity(target)
        target.update(STATE, "identity", lambda document: {**document, "format": 2})
        with pytest.raises(TransferRefused, match=r"TARGET was last used by another release.* format 2"):
            carry(source, target)
        assert held(target) == {}

    def test_checkpoints_of_a_newer_release_are_refused(self, source: DatabaseService, target: DatabaseService) -> None:
        target.prepare(machinery(CHECKPOINTS))
        target.save(CHECKPOINTS, ":run", {"format": 7})
        with pytest.raises(TransferRefused, match="format 7"):
            carry(source, target)

    def test_a_file_of_a_newer_layout_is_refused_at_once(self, source: DatabaseService, tmp_path: Path) -> None:
        newer = sqlite(tmp_path / "newer.db")
        newer.prepare(SCHEMA)
        newer._connection().execute("PRAGMA user_version = 99")  # type: ignore[attr-defined]
        newer.close()
        with pytest.raises(Unavailable, match="layout 99"):
            carry(source, newer, patience=0.2)


class TestOtherRefusals:
    def test_a_collection_with_another_owner_in_the_target(self, source: DatabaseService, tmp_path: Path) -> None:
        target = sqlite(tmp_path / "target.db", Schema())
        target.prepare(Schema([Collection("boats", "installation")]))
        with pytest.raises(
            TransferRefused, match="'boats' belongs to the tenant in the source and to the installation"
        ):
            copy(source, target, CopyOptions(patience=0.2), Silent(), Schema())

    def test_a_collection_with_another_owner_in_the_declaration(self, source: DatabaseService) -> None:
        schema = Schema([Collection("boats", "installation")])
        with pytest.raises(TransferRefused, match="'boats' belongs to the tenant"):
            copy(source, open_database("memory:"), CopyOptions(), Silent(), schema)

    def test_a_target_in_a_live_migration(self, source: DatabaseService, target: DatabaseService) -> None:
        target.prepare(machinery(STATE))
        target.save(STATE, CURRENT, State("capturing", 1, "sqlite:///other.db", "source", "m").document())
        with pytest.raises(TransferRefused, match="live migration"):
            carry(source, target)

    @pytest.mark.parametrize(
        ("options", "named"),
        [
            ({"collections": ("baots",)}, "no collection 'baots'. There are: boats, harbours, notes"),
            ({"collections": ("migration_state",)}, "machinery"),
            ({"collections": ()}, "--collections"),
            ({"tenants": ("",)}, "--tenants"),
            ({"tenants": ("a/b",)}, "--tenants"),
            ({"tenants": ("t1",), "collections": ("harbours",)}, "'harbours' is the installation's"),
            ({"workers": 0}, "--workers"),
            ({"rate": 0.0}, "--rate"),
            ({"rate": float("nan")}, "--rate"),
            ({"chunk": 0}, "--chunk"),
        ],
    )
    def test_options_that_make_no_sense_are_named(
        self, source: DatabaseService, target: DatabaseService, options: dict[str, object], named: str
    ) -> None:
        with pytest.raises(TransferRefused, match=named):
            carry(source, target, **options)
        assert held(target) == {}

    def test_a_source_that_is_not_there(self, target: DatabaseService, tmp_path: Path) -> None:
        with pytest.raises(Unavailable, match="not there"):
            carry(sqlite(tmp_path / "nothing.db", create_missing=False), target)
        assert Checkpoints(target).read_run() is None
