"""How a careful developer would move all documents from one of our SQLite files to another by hand."""

import sqlite3
from pathlib import Path

from orjson import OPT_STRICT_INTEGER, dumps, loads

from app.db.sortkeys import encode_fields

_FIELDS = (("status",), ("name",))
_ROWS = 2_000
_INSERT = """
    INSERT INTO agents (tenant, id, rev, data, "k:status,name", layout) VALUES (?, ?, ?, ?, ?, 1)
    ON CONFLICT (tenant, id) DO UPDATE SET rev = excluded.rev, data = excluded.data,
    "k:status,name" = excluded."k:status,name", layout = excluded.layout WHERE excluded.rev > rev
"""
_PLACE = "INSERT INTO place (one, n) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET n = excluded.n"


def copy_parsed(source: Path, target: Path) -> int:
    """Parse each document, compute its key, write it; answers how many."""
    return _copy(source, target, verbatim=False)


def copy_verbatim(source: Path, target: Path) -> int:
    """Move text and key as they are; answers how many."""
    return _copy(source, target, verbatim=True)


def _copy(source: Path, target: Path, *, verbatim: bool) -> int:
    reading = sqlite3.connect(source, isolation_level=None)
    writing = sqlite3.connect(target, isolation_level=None)
    for connection in (reading, writing):
        connection.execute("PRAGMA cache_size = -16384")
    writing.execute("PRAGMA synchronous = FULL")
    writing.execute("CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY, n INTEGER)")
    key = '"k:status,name"' if verbatim else "NULL"
    rows = reading.execute(f"SELECT n, tenant, id, rev, data, {key} FROM agents ORDER BY n")
    number = 0
    while part := rows.fetchmany(_ROWS):
        writing.execute("BEGIN IMMEDIATE")
        if verbatim:
            writing.executemany(_INSERT, [row[1:] for row in part])
        else:
            writing.executemany(_INSERT, [_computed(*row) for row in part])
        writing.execute(_PLACE, (part[-1][0],))
        writing.execute("COMMIT")
        number += len(part)
    reading.close()
    writing.close()
    return number


def _computed(n: int, tenant: str, id: str, rev: str, data: str, key: None) -> tuple[str, str, str, str, bytes | None]:
    document = loads(data)
    return tenant, id, rev, dumps(document, option=OPT_STRICT_INTEGER).decode(), encode_fields(document, _FIELDS)
