"""Verifying: what is equal is called equal, what differs is found and told, and what is repaired is equal."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.db import Collection, DatabaseService, Page, Query, Schema, Unavailable, open_database
from app.db.backends.memory import MemoryDatabase
from app.db.capabilities import ScanPage
from app.db.documents import Document
from app.db.transfer.differences import Secrets
from app.db.transfer.errors import TransferRefused
from app.db.transfer.progress import Silent
from app.db.transfer.verify_report import VerifyReport, to_json
from app.db.transfer.verifying import VerifyOptions, verify
from app.db.writes import Outcome, Saved, Write
from tests.db.transfer.kit import SCHEMA, Faulty, carry, edges, fill, harbour, held, some, sqlite
from tests.db.transfer.odd import odd


@pytest.fixture
def source(tmp_path: Path) -> Iterator[DatabaseService]:
    opened = sqlite(tmp_path / "source.db")
    harbour(opened)
    yield opened
    opened.close()


@pytest.fixture(params=["memory", "sqlite"])
def target(request: pytest.FixtureRequest, tmp_path: Path, source: DatabaseService) -> Iterator[DatabaseService]:
    """A copy of the source."""
    opened = open_database("memory:", SCHEMA) if request.param == "memory" else sqlite(tmp_path / "target.db")
    carry(source, opened)
    yield opened
    opened.close()


def compared(
    source: DatabaseService, target: DatabaseService, secrets: Secrets | None = None, **options: Any
) -> VerifyReport:
    return verify(
        source, target, VerifyOptions(**{"patience": 1.0, "pause": 0.0, **options}), Silent(), secrets, SCHEMA
    )


def kinds(report: VerifyReport) -> list[tuple[str, str, str]]:
    return [(one.path, one.id, one.kind) for one in report.differences]


class TestEqual:
    def test_a_copy_is_equal_to_its_source(self, source: DatabaseService, target: DatabaseService) -> None:
        report = compared(source, target)
        assert report.equal
        assert report.documents == (55, 55)
        assert [one.path for one in report.compared] == ["harbours", "t1/boats", "t1/notes", "t2/boats"]
        assert all(one.source == one.target for one in report.compared)

    def test_documents_at_every_edge_are_equal(self, source: DatabaseService, target: DatabaseService) -> None:
        fill(source, "t1/notes", edges(2))
        carry(source, target)
        assert compared(source, target).equal

    def test_the_order_of_writing_does_not_matter(self, source: DatabaseService) -> None:
        target = open_database("memory:", SCHEMA)
        for (path, _), document in sorted(held(source).items(), reverse=True):
            target.write_batch(path, [document], keep_revisions=True)
        assert compared(source, target).equal

    def test_two_empty_databases_are_equal(self) -> None:
        assert compared(open_database("memory:", SCHEMA), open_database("memory:", SCHEMA)).equal

    def test_the_machinery_is_not_compared(self, source: DatabaseService, target: DatabaseService) -> None:
        names = {one.name for one in target.collections()} - {one.name for one in source.collections()}
        assert all(name.startswith("migration_") for name in names)
        assert compared(source, target).equal

    def test_only_what_is_asked_for_is_compared(self, source: DatabaseService, target: DatabaseService) -> None:
        target.save("t2/boats", "b00001", {"name": "other"})
        target.save("harbours", "b00001", {"name": "other"})
        assert compared(source, target, tenants=("t1",)).equal
        assert compared(source, target, collections=("notes",)).equal
        assert not compared(source, target, collections=("boats",)).equal
        assert not compared(source, target, tenants=("t1", "t2")).equal
        assert [one.path for one in compared(source, target, tenants=("t1",)).compared] == ["t1/boats", "t1/notes"]


class TestDifferences:
    def test_each_kind_is_told_with_its_document(self, source: DatabaseService, target: DatabaseService) -> None:
        changed = target.get("t1/boats", "b00003")
        target.save("t1/boats", "b00003", {"name": "changed", "n": 3})
        target.save("t1/boats", "b00005", source.get("t1/boats", "b00005") | {"_rev": None})
        target.delete("t2/boats", "b00007")
        target.create("harbours", "extra", {"name": "extra"})
        report = compared(source, target)
        assert not report.equal
        assert report.differing == {"different": 1, "revision": 1, "missing": 1, "extra": 1}
        assert kinds(report) == [
            ("harbours", "extra", "extra"),
            ("t1/boats", "b00003", "different"),
            ("t1/boats", "b00005", "revision"),
            ("t2/boats", "b00007", "missing"),
        ]
        different = report.differences[1]
        assert [(one.field, one.source, one.target) for one in different.fields][1:] == [
            ("kind", '"wherry"', "(absent)"),
            ("name", '"boat 3"', '"changed"'),
        ]
        assert different.source == changed["_rev"]
        assert different.newer

    def test_content_that_differs_under_one_revision_is_found(
        self, source: DatabaseService, target: DatabaseService
    ) -> None:
        document: Document = target.get("t1/boats", "b00003")
        target.write_batch("t1/boats", [document | {"n": 4}], keep_revisions=True)
        (difference,) = compared(source, target).differences
        assert (difference.kind, difference.newer) == ("different", False)
        assert [(one.field, one.source, one.target) for one in difference.fields] == [("n", "3", "4")]

    def test_two_documents_that_changed_places_are_found(
        self, source: DatabaseService, target: DatabaseService
    ) -> None:
        one, other = target.get("t1/boats", "b00001"), target.get("t1/boats", "b00002")
        target.write_batch("t1/boats", [one | {"_id": "b00002"}, other | {"_id": "b00001"}], keep_revisions=True)
        assert compared(source, target).differing == {"different": 2}

    def test_a_collection_that_one_side_lacks_is_missing_or_extra_as_a_whole(self, source: DatabaseService) -> None:
        empty = open_database("memory:", SCHEMA, create_missing=False)
        report = compared(source, empty, listed=5)
        assert report.differing == {"missing": 55}
        assert len(report.differences) == 5
        assert compared(empty, source).differing == {"extra": 55}

    def test_secrets_are_never_told(self, source: DatabaseService, target: DatabaseService) -> None:
        target.save("t1/boats", "b00003", {"name": "hush"})
        report = compared(source, target, {"boats": {"name"}})
        assert "hush" not in str(to_json(report))
        assert "boat 3" not in str(to_json(report))

    def test_a_document_that_nobody_may_store_is_compared_too(self) -> None:
        source, target = (odd({"n": 2**60}), odd({"n": 2**60}))
        assert compared(source, target).equal
        assert compared(source, odd({"n": 2**60 + 1})).differing == {"different": 1}

    def test_an_unknown_collection_is_named(self, source: DatabaseService, target: DatabaseService) -> None:
        with pytest.raises(TransferRefused, match="baots"):
            compared(source, target, collections=("baots",))

    def test_a_collection_of_another_scope_is_refused(self, source: DatabaseService) -> None:
        target = open_database("memory:", Schema([Collection("boats", "installation")]))
        target.save("boats", "a", {})
        with pytest.raises(TransferRefused, match="boats"):
            compared(source, target)


class TestWrittenMeanwhile:
    def test_what_is_equal_at_the_second_look_is_not_reported(self, source: DatabaseService) -> None:
        target = _Written(SCHEMA)
        carry(source, target)
        source.save("t1/boats", "b00003", {"name": "new"})
        target.after_query = lambda: target.write_batch(
            "t1/boats", [source.get("t1/boats", "b00003")], keep_revisions=True
        )
        report = compared(source, target)
        assert report.equal
        assert (report.settled, report.differences) == (1, ())

    def test_what_is_equal_at_the_third_look_is_not_reported(self, source: DatabaseService) -> None:
        target = _Written(SCHEMA)
        carry(source, target)
        source.save("t1/boats", "b00003", {"name": "new"})
        target.after_get_many = lambda: target.write_batch(
            "t1/boats", [source.get("t1/boats", "b00003")], keep_revisions=True
        )
        assert compared(source, target, pause=0.01).settled == 1

    def test_what_changes_at_every_look_is_reported_and_marked(self, source: DatabaseService) -> None:
        target = _Written(SCHEMA)
        carry(source, target)
        target.save("t1/boats", "b00004", {"name": "stays"})
        source.save("t1/boats", "b00003", {"name": "new"})
        target.after_get_many = lambda: target.save("t1/boats", "b00003", {"name": "again"})
        report = compared(source, target)
        assert not report.equal
        assert report.moving == 1
        assert [(one.id, one.moving) for one in report.differences] == [("b00003", True), ("b00004", False)]


class TestRepairing:
    def test_the_target_is_equal_afterwards(self, source: DatabaseService, target: DatabaseService) -> None:
        target.save("t1/boats", "b00003", {"name": "changed"})
        target.save("t1/boats", "b00005", source.get("t1/boats", "b00005") | {"_rev": None})
        target.delete("t2/boats", "b00007")
        report = compared(source, target, repair=True)
        assert report.equal
        assert report.repaired is not None
        assert (report.repaired.written, report.repaired.removed) == (3, 0)
        assert len(report.repairs) == 3
        assert held(target) == held(source)

    def test_what_is_extra_is_removed_only_when_asked(self, source: DatabaseService, target: DatabaseService) -> None:
        target.create("t1/boats", "extra", {"name": "extra"})
        report = compared(source, target, repair=True)
        assert (report.equal, report.differing) == (False, {"extra": 1})
        assert compared(source, target, repair=True, remove_extra=True).equal
        assert held(target) == held(source)

    def test_what_is_newer_stands_when_asked(self, source: DatabaseService, target: DatabaseService) -> None:
        target.save("t1/boats", "b00003", {"name": "newer"})
        target.delete("t1/boats", "b00004")
        report = compared(source, target, repair=True, keep_newer=True)
        assert report.differing == {"different": 1}
        assert report.repaired is not None
        assert (report.repaired.written, report.repaired.newer) == (1, 1)
        assert target.get("t1/boats", "b00003")["name"] == "newer"

    def test_what_becomes_newer_between_the_look_and_the_write_stands_too(self, source: DatabaseService) -> None:
        target = _Meddled(SCHEMA)
        carry(source, target)
        target.delete("t1/boats", "b00003")  # missing
        source.save("t1/boats", "b00004", {"name": "newer in the source"})
        target.write_batch("t1/boats", [target.get("t1/boats", "b00005") | {"n": 99}], keep_revisions=True)

        def meddle() -> None:
            for id in ("b00003", "b00004", "b00005"):
                target.save("t1/boats", id, {"name": "newest"})

        target.meddle = meddle
        report = compared(source, target, repair=True, keep_newer=True)
        assert report.repaired is not None
        assert (report.repaired.written, report.differing) == (0, {"different": 3})
        assert {target.get("t1/boats", id)["name"] for id in ("b00003", "b00004", "b00005")} == {"newest"}

    def test_other_contents_under_the_same_revision_are_repaired_beside_newer_ones(
        self, source: DatabaseService, target: DatabaseService
    ) -> None:
        target.write_batch("t1/boats", [target.get("t1/boats", "b00005") | {"n": 99}], keep_revisions=True)
        report = compared(source, target, repair=True, keep_newer=True)
        assert report.equal
        assert report.repaired is not None
        assert report.repaired.written == 1

    def test_an_empty_target_is_filled(self, source: DatabaseService, tmp_path: Path) -> None:
        target = sqlite(tmp_path / "new.db", create_missing=False)
        target.prepare(Schema())
        assert compared(source, target, repair=True).equal
        assert held(target) == held(source)
        target.close()

    def test_more_than_is_looked_at_together_is_repaired(self, source: DatabaseService) -> None:
        fill(source, "t1/boats", some(1_500))
        target = open_database("memory:", SCHEMA)
        carry(source, target)
        for place in range(0, 1_500, 2):
            target.delete("t1/boats", f"b{place:05}")
        report = compared(source, target, repair=True)
        assert report.equal
        assert report.repaired is not None
        assert report.repaired.written == 750

    def test_a_document_that_the_target_refuses_is_told_and_the_rest_goes_on(self) -> None:
        source, target = odd({"n": 2**60}), open_database("memory:", SCHEMA)
        source.save("t1/boats", "good", {"name": "good"})
        report = compared(source, target, repair=True)
        assert report.differing == {"missing": 1}
        assert report.repaired is not None
        assert (report.repaired.written, report.repaired.refused) == (1, 1)
        assert "2^53" in report.repaired.refusals[0].reason


class TestOutages:
    def test_a_database_that_does_not_answer_is_not_called_empty(self, source: DatabaseService) -> None:
        target = Faulty(SCHEMA)
        carry(source, target)

        def down(what: str, name: str, number: int) -> None:
            raise Unavailable("gone", retry_after=0.01)

        target.judge = down
        with pytest.raises(Unavailable, match="gone"):
            compared(source, target, patience=0.1)

    def test_a_short_outage_is_waited_for(self, source: DatabaseService) -> None:
        target = Faulty(SCHEMA)
        carry(source, target)
        outages = iter([True, True, False, True])

        def shaky(what: str, name: str, number: int) -> None:
            if next(outages, False):
                raise Unavailable("gone", retry_after=0.01)

        target.judge = shaky
        assert compared(source, target).equal


class _Written(MemoryDatabase):
    """Somebody else writes to it after it was asked for something."""

    after_query: Callable[[], object] = staticmethod(lambda: None)
    after_get_many: Callable[[], object] = staticmethod(lambda: None)

    def query(self, collection: str, query: Query) -> Page:
        page = super().query(collection, query)
        self.after_query()
        return page

    def get_many(self, collection: str, ids: Iterable[str]) -> dict[str, Document]:
        found = super().get_many(collection, ids)
        self.after_get_many()
        return found


class TestUnreachable:
    """What reading the whole collection meets, and no id leads to."""

    @pytest.mark.parametrize(
        ("path", "id", "reason"),
        [
            ("foo/boats", "", "an id is not empty"),
            ("t1/boats", "", "an id is not empty"),
            ("t1/boats", "x" * 600, "at most 512 bytes"),
            ("a/b/boats", "b1", "no slash"),
            ("boats", "b1", "belongs to the tenant"),
            ("t1/boats", "hidden", "looking for its id does not"),
        ],
    )
    def test_it_makes_the_databases_differ(self, source: DatabaseService, path: str, id: str, reason: str) -> None:
        strewn = _Strewn(SCHEMA)
        carry(source, strewn)
        strewn.strewn = [(path, {"_id": id, "_rev": "1-abc", "name": "by hand"})]
        for report, tokens in (
            (compared(source, strewn), (None, "1-abc")),
            (compared(strewn, source), ("1-abc", None)),
        ):
            assert not report.equal
            assert report.differing == {"unreachable": 1}
            (one,) = report.differences
            assert (one.path, one.id, one.kind, one.source, one.target) == (path, id, "unreachable", *tokens)
            assert reason in one.reason
            (told,) = to_json(report)["differences"]
            assert (told["kind"], told["reason"]) == ("unreachable", one.reason)

    def test_an_id_that_can_be_none_is_told_of_where_a_walk_meets_it(
        self, source: DatabaseService, tmp_path: Path
    ) -> None:
        target = sqlite(tmp_path / "target.db")
        carry(source, target)
        target._connection().execute("UPDATE notes SET id = '' WHERE id = 'b00001'")  # type: ignore[attr-defined]
        report = compared(source, target, repair=True, remove_extra=True)
        assert kinds(report) == [("t1/notes", "", "unreachable")]
        assert "not empty" in report.differences[0].reason
        target.close()

    def test_a_repair_leaves_it_alone_and_says_so(self, source: DatabaseService) -> None:
        strewn = _Strewn(SCHEMA)
        carry(source, strewn)
        strewn.strewn = [("t1/boats", {"_id": "", "_rev": "1-abc"})]
        report = compared(source, strewn, repair=True, remove_extra=True)
        assert report.differing == {"unreachable": 1}

    def test_the_same_on_both_sides_is_equal(self, source: DatabaseService) -> None:
        sides = _Strewn(SCHEMA), _Strewn(SCHEMA)
        for side in sides:
            carry(source, side)
            side.strewn = [("foo/boats", {"_id": "", "_rev": "1-abc"})]
        assert compared(*sides).equal

    def test_one_that_was_written_meanwhile_does_not_hide_it(self, source: DatabaseService) -> None:
        strewn = _Strewn(SCHEMA)
        carry(source, strewn)
        strewn.strewn = [("t1/boats", {"_id": "", "_rev": "1-abc"})]
        source.save("t1/boats", "b00003", {"name": "new"})
        strewn.after_query = lambda: strewn.write_batch(
            "t1/boats", [source.get("t1/boats", "b00003")], keep_revisions=True
        )
        report = compared(source, strewn)
        assert (report.settled, report.differing) == (1, {"unreachable": 1})

    def test_digests_that_differ_for_no_reason_are_not_equal(self, source: DatabaseService) -> None:
        strewn = _Strewn(SCHEMA)
        carry(source, strewn)
        strewn.strewn = [("t1/boats", source.get("t1/boats", "b00003"))]  # comes twice
        report = compared(source, strewn)
        assert [(one.path, one.id, one.kind, one.moving) for one in report.differences] == [
            ("t1/boats", "", "unreachable", False)
        ]

    def test_what_is_equal_when_it_is_read_once_more_is_equal(self, source: DatabaseService) -> None:
        strewn = _Strewn(SCHEMA)
        carry(source, strewn)
        strewn.strewn = [("t1/boats", {"_id": "gone", "_rev": "1-abc"})]
        strewn.after_query = strewn.strewn.clear
        report = compared(source, strewn)
        assert report.equal
        assert all(one.source == one.target for one in report.compared)

    def test_a_document_that_is_deleted_while_it_is_looked_up_is_none(self, source: DatabaseService) -> None:
        strewn = _Strewn(SCHEMA)
        carry(source, strewn)
        strewn.strewn = [("t1/boats", {"_id": "gone", "_rev": "1-abc"})]
        strewn.after_get_many = strewn.strewn.clear
        assert compared(source, strewn).equal


class _Meddled(MemoryDatabase):
    """Somebody else writes to it just before it is written to; a first try ends in an outage."""

    meddle: Callable[[], None] | None = None

    def write_batch(
        self,
        collection: str,
        documents: Iterable[Document],
        keep_revisions: bool = False,
        only_newer: bool = False,
    ) -> list[Outcome]:
        self._meddle()
        return super().write_batch(collection, documents, keep_revisions, only_newer)

    def commit(self, writes: Sequence[Write]) -> list[Saved | None]:
        self._meddle()
        return super().commit(writes)

    def _meddle(self) -> None:
        if self.meddle is not None:
            meddle, self.meddle = self.meddle, None
            meddle()
            raise Unavailable("gone", retry_after=0.01)


class _Strewn(_Written):
    """Another program has left documents in it that only a scan meets."""

    def __init__(self, schema: Schema) -> None:
        super().__init__(schema)
        self.strewn: list[tuple[str, Document]] = []

    def scan(self, name: str, after: str | None = None, limit: int = 500) -> ScanPage:
        page = super().scan(name, after, limit)
        mine = [(path, dict(document)) for path, document in self.strewn if path.rpartition("/")[2] == name]
        return page if page.after is not None else page._replace(documents=[*page.documents, *mine])
