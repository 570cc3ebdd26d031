"""What SQLite does when the disk is full, the file read-only, locked or damaged: an error that says so, reads go on."""

import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from app.db import InvalidQuery, NotWritable, Unavailable
from app.db.backends.sqlite import SqliteDatabase
from app.db.service import DatabaseService

LARGE = {"text": "x" * 100_000}


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    database = SqliteDatabase(tmp_path / "faults.sqlite3", busy_timeout=0.2)
    database.save("t/notes", "kept", {"text": "before"})
    return database


def pragma(database: SqliteDatabase, statement: str) -> None:
    database._connection().execute(f"PRAGMA {statement}")


def assert_reads_go_on(database: DatabaseService) -> None:
    assert database.get("t/notes", "kept")["text"] == "before"
    assert [document["_id"] for document in database.list_all("t/notes")] == ["kept"]


def test_a_full_disk_refuses_writes_in_words_and_keeps_what_is_there(database: SqliteDatabase) -> None:
    pragma(database, "max_page_count = 1")  # SQLite takes the present size where that is larger
    with pytest.raises(NotWritable, match="full") as caught:
        database.save("t/notes", "large", LARGE)
    assert caught.value.outcome is None
    assert caught.value.retry_after > 0
    assert_reads_go_on(database)
    pragma(database, "max_page_count = 1000000")
    database.save("t/notes", "large", LARGE)


def test_a_full_disk_refuses_a_whole_commit(database: SqliteDatabase) -> None:
    from app.db import Put

    pragma(database, "max_page_count = 1")
    with pytest.raises(NotWritable):
        database.commit([Put("t/notes", "small", {}), Put("t/notes", "large", LARGE)])
    assert_reads_go_on(database)


def test_a_file_that_may_not_grow_is_a_full_disk(tmp_path: Path) -> None:
    """The operating system itself refuses: the process may write no file larger than 300 kB."""
    program = """
import resource, signal, sys
from app.db import NotWritable
from app.db.backends.sqlite import SqliteDatabase
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
database = SqliteDatabase(sys.argv[1])
database.save("t/notes", "kept", {"text": "before"})
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
for number in range(20):
    try:
        database.save("t/notes", str(number), {"text": "x" * 100_000})
    except NotWritable:
        break
else:
    sys.exit("nothing was refused")
assert database.get("t/notes", "kept")["text"] == "before"
kept = [document["_id"] for document in database.list_all("t/notes")]
assert kept == sorted([*map(str, range(number)), "kept"]), kept
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert all(finding.ok for finding in database.doctor() if finding.name == "integrity")
database.save("t/notes", "later", {"text": "y"})
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "small.sqlite3")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_a_read_only_database_refuses_writes_in_words(database: SqliteDatabase) -> None:
    pragma(database, "query_only = ON")
    with pytest.raises(NotWritable, match="cannot be written"):
        database.save("t/notes", "new", {})
    assert_reads_go_on(database)
    assert [finding.name for finding in database.doctor() if not finding.ok] == ["writable"]


def test_a_file_locked_by_somebody_else_is_an_error_after_the_busy_timeout(database: SqliteDatabase) -> None:
    other = SqliteDatabase(database._registry.path)
    other._connection().execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(Unavailable, match="busy"):
        database.save("t/notes", "new", {})
    assert time.monotonic() - began < 2
    assert_reads_go_on(database)
    other._connection().execute("ROLLBACK")
    database.save("t/notes", "new", {})


def test_many_may_open_a_new_file_at_the_same_moment(tmp_path: Path) -> None:
    for number in range(20):
        database = SqliteDatabase(tmp_path / f"new{number}.sqlite3")
        gate = Barrier(8)

        def first_write(id: str, database: SqliteDatabase = database, gate: Barrier = gate) -> None:
            gate.wait()
            database.create("t/notes", id, {})

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(first_write, "abcdefgh"))
        assert len(list(database.list_all("t/notes"))) == 8
        database.close()


def test_a_damaged_file_is_an_outage_and_not_an_empty_database(tmp_path: Path) -> None:
    path = tmp_path / "damaged.sqlite3"
    path.write_bytes(b"this is no database" * 500)
    database = SqliteDatabase(path)
    with pytest.raises(Unavailable, match="damaged"):
        database.get("t/notes", "kept")
    assert not database.doctor()[0].ok


def test_a_folder_that_cannot_be_made_is_named_by_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    database = SqliteDatabase(tmp_path / "file" / "wherry.sqlite3")
    with pytest.raises(NotWritable, match="SQLITE_PATH"):
        database.save("t/notes", "new", {})


def test_a_file_of_a_newer_release_is_refused(database: SqliteDatabase) -> None:
    pragma(database, "user_version = 99")
    database.close()
    with pytest.raises(Unavailable, match="newer"):
        database.get("t/notes", "kept")


@pytest.mark.parametrize("after", ["", "x", "1.5", "-1x"])
def test_a_place_in_a_scan_that_is_none_is_refused(database: SqliteDatabase, after: str) -> None:
    with pytest.raises(InvalidQuery, match="after"):
        database.scan("notes", after)


def test_a_change_to_wal_that_is_refused_at_once_is_tried_again() -> None:
    class Refusing:
        refusals = 2

        def execute(self, statement: str) -> "Refusing":
            if statement.endswith("= WAL") and self.refusals:
                self.refusals -= 1
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error
            return self

        def fetchone(self) -> tuple[str]:
            return ("delete",)

    connection = Refusing()
    SqliteDatabase("unused.sqlite3")._registry._turn_to_wal(connection)  # type: ignore[arg-type]
    assert connection.refusals == 0
