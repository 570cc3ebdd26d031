"""Numbered changes: made once, in order, resumed where one was cut off, and recorded with the documents."""

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from app.db import DatabaseService, open_database
from app.db.changes import Change, ChangeError, change_documents, find_changes, make_changes, read_record
from app.db.changes.record import LONGEST_SILENCE, RECORD
from app.db.documents import Document
from app.db.transfer.collections import STEPS

TENANTS = ("acme", "beta")


@pytest.fixture(params=["memory:", "sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseService]:
    url = f"sqlite:///{tmp_path}/changes.sqlite3" if request.param == "sqlite" else "memory:"
    service = open_database(url)
    for tenant in TENANTS:
        for number in range(700):
            service.save(f"{tenant}/notes", f"n{number:03}", {"text": f"Note {number}"})
    yield service
    service.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "changes"
    folder.mkdir()
    write(folder, "0001_lower_case", "text = document['text'].lower()")
    write(folder, "0002_lengths", "length = len(document['text'])")
    return folder


def write(folder: Path, name: str, line: str) -> None:
    field = line.partition(" ")[0]
    (folder / f"{name}.py").write_text(
        dedent(f"""
        from app.db.changes import change_documents

        def run(database, dry_run):
            return change_documents(database, "notes", change, dry_run=dry_run, place=__file__)

        def change(document):
            {line}
            return {{**document, "{field}": {field}}}
        """)
    )


def texts(database: DatabaseService) -> set[str]:
    return {document["text"] for tenant in TENANTS for document in database.list_all(f"{tenant}/notes")}


def lower(document: Document) -> Document:
    return {**document, "text": document["text"].lower()}


def test_changes_are_made_in_order_and_once(database: DatabaseService, folder: Path) -> None:
    changes = find_changes(folder)
    made = list(make_changes(database, changes))
    assert [(change.name, told) for change, told in made] == [
        ("0001_lower_case", "1,400 of 1,400 documents changed"),
        ("0002_lengths", "1,400 of 1,400 documents changed"),
    ]
    assert database.get("beta/notes", "n699") | {"_rev": ""} == {
        "_id": "n699",
        "_rev": "",
        "text": "note 699",
        "length": 8,
    }
    assert list(make_changes(database, changes)) == []
    record = read_record(database)
    assert {name: (one.state, one.digest) for name, one in record.items()} == {
        change.name: ("done", change.digest) for change in changes
    }


def test_a_dry_run_says_what_would_be_changed_and_writes_nothing(database: DatabaseService, folder: Path) -> None:
    before = {document["_id"]: document for document in database.list_all("acme/notes")}
    collections = database.collections()
    told = [told for _, told in make_changes(database, find_changes(folder), dry_run=True)]
    assert told == ["1,400 of 1,400 documents changed"] * 2
    assert {document["_id"]: document for document in database.list_all("acme/notes")} == before
    assert database.collections() == collections


def test_a_document_that_needs_no_change_is_not_written(database: DatabaseService) -> None:
    database.save("acme/notes", "n000", {"text": "low already"})
    rev = database.get("acme/notes", "n000")["_rev"]
    counts = change_documents(database, "notes", lower, dry_run=False, place="a")
    assert (counts.seen, counts.changed) == (1_400, 1_399)
    assert database.get("acme/notes", "n000")["_rev"] == rev


def test_a_pass_that_was_cut_off_goes_on_where_it_was(database: DatabaseService) -> None:
    seen: list[str] = []

    def cut_off(document: Document) -> Document:
        seen.append(document["_id"])
        if len(seen) > 1_100:
            raise KeyboardInterrupt
        return lower(document)

    with pytest.raises(KeyboardInterrupt):
        change_documents(database, "notes", cut_off, dry_run=False, place="a")
    again: list[str] = []

    def counted(document: Document) -> Document:
        again.append(document["_id"])
        return lower(document)

    counts = change_documents(database, "notes", counted, dry_run=False, place="a")
    assert len(again) == 400
    assert (counts.seen, counts.changed) == (1_400, 1_400)
    assert all(text == text.lower() for text in texts(database))
    assert list(database.list_all(STEPS)) == []


def test_an_edit_that_comes_between_is_kept_and_changed_too(database: DatabaseService) -> None:
    edited = False

    def edit_first(document: Document) -> Document:
        nonlocal edited
        if not edited:
            edited = True
            database.save("acme/notes", "n010", {"text": "EDITED", "by": "Ann"})
            database.delete("acme/notes", "n011")
        return lower(document)

    change_documents(database, "notes", edit_first, dry_run=False, place="a")
    found = database.get("acme/notes", "n010")
    assert (found["text"], found["by"]) == ("edited", "Ann")
    assert "n011" not in database.get_many("acme/notes", ["n011"])


def test_two_processes_do_not_make_one_change_at_a_time(database: DatabaseService, folder: Path) -> None:
    (folder / "0001_lower_case.py").write_text("def run(database, dry_run):\n    raise KeyboardInterrupt\n")
    now = 1_000.0
    changes = find_changes(folder)
    with pytest.raises(KeyboardInterrupt):
        list(make_changes(database, changes, now=lambda: now))
    write(folder, "0001_lower_case", "text = document['text'].lower()")
    with pytest.raises(ChangeError, match="0001_lower_case"):
        list(make_changes(database, changes, now=lambda: now + LONGEST_SILENCE - 1))
    made = list(make_changes(database, changes, now=lambda: now + LONGEST_SILENCE))
    assert [change.name for change, _ in made] == ["0001_lower_case", "0002_lengths"]


def test_a_process_that_lost_its_change_to_another_does_not_record_it(database: DatabaseService, folder: Path) -> None:
    for name in ("0001_lower_case", "0002_lengths"):
        (folder / f"{name}.py").unlink()
    (folder / "0003_slow.py").write_text(
        f"def run(database, dry_run):\n"
        f"    found = database.get({RECORD!r}, '0003_slow')\n"
        f"    database.save({RECORD!r}, '0003_slow', {{**found, 'owner': 'another'}})\n"
    )
    with pytest.raises(ChangeError, match="0003_slow"):
        list(make_changes(database, find_changes(folder)))
    assert read_record(database)["0003_slow"].state == "begun"


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "no function run"), ("def run(:", "cannot be read"), ("import no_such_module", "cannot be read")],
)
def test_a_file_that_is_no_change_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "0004_wrong.py"
    path.write_text(text)
    with pytest.raises(ChangeError, match=f"0004_wrong.py.*{said}"):
        Change("0004_wrong", path).load()


def test_two_files_with_one_number_are_refused(folder: Path) -> None:
    write(folder, "0002_other", "text = ''")
    with pytest.raises(ChangeError, match=r"0002_lengths.py and 0002_other.py"):
        find_changes(folder)


def test_other_files_in_the_folder_are_left_alone(folder: Path) -> None:
    (folder / "copy.py").write_text("raise SystemExit")
    (folder / "1_short.py").write_text("raise SystemExit")
    assert [change.name for change in find_changes(folder)] == ["0001_lower_case", "0002_lengths"]
