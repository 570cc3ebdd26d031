"""What a plan says before anything moves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db import Collection, DatabaseService, Index, Schema, open_database
from app.db.errors import NotWritable, Unavailable
from app.db.transfer.collections import SCRATCH, STATE
from app.db.transfer.planning import Plan, PlanOptions, plan
from app.db.transfer.progress import Silent
from tests.db.transfer.kit import SCHEMA, Faulty, carry, edges, fill, harbour, held, some, sqlite


@pytest.fixture
def source(tmp_path: Path) -> Iterator[DatabaseService]:
    opened = sqlite(tmp_path / "source.db")
    harbour(opened)
    yield opened
    opened.close()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[DatabaseService]:
    opened = sqlite(tmp_path / "target.db", create_missing=False)
    yield opened
    opened.close()


def planned(source: DatabaseService, target: DatabaseService, schema: Schema = SCHEMA, **options: object) -> Plan:
    return plan(source, target, PlanOptions(**{"patience": 0.2, **options}), Silent(), schema)  # type: ignore[arg-type]


class TestWhatThereIs:
    def test_counts_bytes_tenants_and_the_largest_document(
        self, source: DatabaseService, target: DatabaseService
    ) -> None:
        source.save("t2/notes", "large", {"text": "x" * 5_000})
        made = planned(source, target)
        boats, harbours, notes = made.collections
        assert (boats.name, boats.scope, boats.documents, boats.tenants) == ("boats", "tenant", 50, 2)
        assert (harbours.scope, harbours.documents, harbours.tenants) == ("installation", 2, 0)
        assert (notes.documents, notes.tenants) == (4, 2)
        assert notes.largest is not None
        assert notes.largest[:2] == ("t2/notes", "large")
        assert 5_000 < notes.largest[2] < 5_200
        assert made.documents == 56
        assert made.bytes == sum(one.bytes for one in made.collections)
        assert made.well

    def test_only_what_is_asked_for(self, source: DatabaseService, target: DatabaseService) -> None:
        made = planned(source, target, tenants=("t2",), collections=("boats",))
        assert [(one.name, one.documents) for one in made.collections] == [("boats", 25)]

    def test_documents_at_every_edge_fit(self, source: DatabaseService, target: DatabaseService) -> None:
        fill(source, "t1/notes", edges(2))
        assert planned(source, target).unfit == 0

    def test_what_is_outside_the_contract_is_named(self, source: DatabaseService, target: DatabaseService) -> None:
        connection = source._connection()  # type: ignore[attr-defined]
        connection.execute("UPDATE boats SET data = '{\"_spoiled\": 1}' WHERE id = 'b00001'")
        connection.execute("UPDATE harbours SET tenant = 't1' WHERE id = 'b00001'")
        made = planned(source, target)
        assert (made.unfit, made.well, made.problems) == (3, False, ())
        told = {one[:2] for survey in made.collections for one in survey.examples}
        assert told == {("t1/boats", "b00001"), ("t2/boats", "b00001"), ("t1/harbours", "b00001")}


class TestTheTarget:
    def test_what_the_copy_would_create(self, source: DatabaseService, target: DatabaseService) -> None:
        target.prepare(Schema([Collection("boats", "tenant", (Index("name"),))]))
        assert planned(source, target).missing == (
            "collection boats: index on kind,name created",
            "collection harbours: created",
            "collection harbours: index on name created",
            "collection notes: created",
        )

    def test_a_file_that_is_not_there_yet_is_fine_and_not_made_without_a_sample(
        self, source: DatabaseService, target: DatabaseService, tmp_path: Path
    ) -> None:
        made = planned(source, target, sample=False)
        assert (made.well, made.seconds) == (True, None)
        assert "--no-sample" in made.sample
        assert not (tmp_path / "target.db").exists()

    def test_the_same_database(self, source: DatabaseService, tmp_path: Path) -> None:
        carry(source, sqlite(tmp_path / "other.db"))  # gives the source an identity
        made = planned(source, sqlite(tmp_path / "source.db", create_missing=False))
        assert "same database" in made.problems[0]
        assert not made.well

    def test_a_target_that_does_not_answer(self, source: DatabaseService) -> None:
        target = open_database("couchdb://u:secret@127.0.0.1:1/nobody", create_missing=False)
        made = planned(source, target)
        assert made.problems[0].startswith("TARGET: CouchDB cannot be reached")
        assert made.documents == 55

    def test_a_target_with_other_data(self, source: DatabaseService, target: DatabaseService) -> None:
        target.prepare(SCHEMA)
        target.save("t9/boats", "mine", {})
        assert "--into-existing" in planned(source, target).problems[0]
        assert planned(source, target, into_existing=True).well

    def test_a_collection_of_another_owner(self, source: DatabaseService, tmp_path: Path) -> None:
        target = sqlite(tmp_path / "target.db", Schema())
        target.prepare(Schema([Collection("boats", "installation")]))
        assert "'boats' belongs to the tenant" in planned(source, target, Schema()).problems[0]

    def test_without_rights(self, source: DatabaseService) -> None:
        target = Faulty(SCHEMA)
        target.judge = lambda what, name, number: forbid(what == "write_batch")
        made = planned(source, target)
        assert made.problems == ("TARGET cannot be written: The file cannot be written.",)
        assert held(target) == {}

    def test_without_room(
        self, source: DatabaseService, target: DatabaseService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = type("Usage", (), {"free": 3_000})()
        monkeypatch.setattr("app.db.backends.sqlite_doctor.shutil.disk_usage", lambda path: room)
        problems = planned(source, target).problems
        assert any("TARGET has 3.0 kB of room" in problem for problem in problems)

    def test_a_source_that_does_not_answer_is_an_error(self, target: DatabaseService, tmp_path: Path) -> None:
        with pytest.raises(Unavailable):
            planned(sqlite(tmp_path / "nothing.db", create_missing=False), target)


class TestTheSample:
    def test_it_tells_a_time_and_leaves_nothing(self, source: DatabaseService, target: DatabaseService) -> None:
        made = planned(source, target)
        assert made.seconds is not None
        assert made.seconds >= 0
        assert "55 documents written" in made.sample
        assert held(target) == {}
        assert target.scan(SCRATCH).documents == []
        assert STATE not in {one.name for one in source.collections()}

    def test_what_an_earlier_one_left_behind_is_removed(self, source: DatabaseService, target: DatabaseService) -> None:
        planned(source, target)
        fill(target, SCRATCH, some(250))
        planned(source, target)
        assert target.scan(SCRATCH).documents == []

    def test_of_many_documents_it_takes_some_from_everywhere(self, target: DatabaseService) -> None:
        source = open_database("memory:", SCHEMA)
        fill(source, "t1/boats", some(5_000))
        made = planned(source, target)
        number = int(made.sample.split()[0].replace(",", ""))
        assert 400 <= number <= 1_000

    def test_an_empty_source_has_none(self, target: DatabaseService) -> None:
        made = planned(open_database("memory:", SCHEMA), target)
        assert (made.well, made.seconds, made.documents) == (True, None, 0)


def forbid(condition: bool) -> None:
    if condition:
        raise NotWritable("The file cannot be written.")
