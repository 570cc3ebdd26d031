"""What an operator should know of a SQLite file."""

import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from app.db.backends.sqlite_connections import LAYOUT_VERSION
from app.db.backends.sqlite_errors import translate
from app.db.capabilities import Finding

_LOW_SPACE: Final = 200_000_000


def examine(connection: sqlite3.Connection, path: Path, durability: str, missing: Sequence[str]) -> list[Finding]:
    """A finding for each check. ``missing`` are prepare's sentences. Raises the driver's error if nothing answers."""
    (version,) = connection.execute("SELECT sqlite_version()").fetchone()
    problems = [row[0] for row in connection.execute("PRAGMA integrity_check(10)") if row[0] != "ok"]
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    free = shutil.disk_usage(path.parent).free
    return [
        Finding("reachable", True, f"SQLite {version}, layout {LAYOUT_VERSION}"),
        Finding(
            "integrity",
            not problems,
            "; ".join(problems) or "integrity_check is ok",
            "Restore a backup of the file.",
        ),
        Finding("journal", mode == "wal", f"journal mode {mode}", "Put the file on a local disk."),
        _try_writing(connection, durability),
        Finding("space", free > _LOW_SPACE, f"{free // 1_000_000:,} MB free", "Make room on the disk.", free),
        Finding("indexes", not missing, "; ".join(missing) or "all there", "Run 'wherry db prepare'."),
    ]


def _try_writing(connection: sqlite3.Connection, durability: str) -> Finding:
    try:
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        return Finding("writable", False, str(translate(error)), "Check the file's rights and the free space.")
    return Finding("writable", True, f"durability {durability}")
