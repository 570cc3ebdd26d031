"""How a collection lies in SQLite, and the statements on it.

A table for each collection, named like it: ``n`` (rowid), ``tenant`` ("" for the installation), ``id``, ``rev``,
``data`` (the document as JSON text), ``layout``, and for each declared index a column ``"k:<fields>"`` with the joined
order key (see sortkeys.py), NULL where the document has no place in it. The index itself is on (tenant, key, id).

Keys are computed here and not by SQL expressions: ``json_extract`` ends text at a NUL, reads true as 1, cannot address
every key, and cuts at other places than the other databases.

``_wherry_collections`` remembers whose a collection is and its indexes. Adding an index raises the collection's layout
number; triggers refuse writes that carry another, so that a process which does not know the new index yet cannot write
rows that are missing in it: it reads the registry again and repeats its write.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from string import ascii_uppercase
from typing import Final

from app.db.documents import Document
from app.db.fields import parse_field
from app.db.paging import Walk
from app.db.schema import Collection, CollectionScope, Index
from app.db.sortkeys import encode_fields

_FOLDED: Final = {ord(letter): f"^{letter.lower()}" for letter in ascii_uppercase} | {0: "^0", ord("^"): "^^"}
_ROWS_AT_ONCE: Final = 100
STALE_LAYOUT: Final = "wherry: stale layout"
_REGISTRY = """
CREATE TABLE IF NOT EXISTS _wherry_collections (
    name TEXT PRIMARY KEY, scope TEXT NOT NULL, indexes TEXT NOT NULL, layout INTEGER NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True)
class Table:
    """One collection as it is in the database, with its statements: each says its (parameters) -> columns."""

    name: str
    scope: CollectionScope
    indexes: tuple[Index, ...]
    layout: int
    _walks: dict[tuple[object, ...], str] = field(default_factory=dict, compare=False)

    @cached_property
    def paths(self) -> tuple[tuple[tuple[str, ...], ...], ...]:
        """The parsed fields of each index, in the order of the key columns."""
        return tuple(tuple(parse_field(field) for field in index.fields) for index in self.indexes)

    def keys(self, document: Document) -> list[bytes | None]:
        """The values of the key columns for a document."""
        return [encode_fields(document, fields) for fields in self.paths]

    @cached_property
    def get(self) -> str:
        """(tenant, id) -> rev, data"""
        return f"SELECT rev, data FROM {quoted(self.name)} WHERE tenant = ? AND id = ?"

    def get_many(self, number: int) -> str:
        """(tenant, id ...) -> id, rev, data"""
        return f"SELECT id, rev, data FROM {quoted(self.name)} WHERE tenant = ? AND id IN ({marks(number)})"

    def revisions(self, number: int) -> str:
        """(tenant, id ...) -> id, rev"""
        return f"SELECT id, rev FROM {quoted(self.name)} WHERE tenant = ? AND id IN ({marks(number)})"

    @cached_property
    def create(self) -> str:
        """(tenant, id, rev, data, keys ...); no row is changed where the document exists."""
        columns = ["tenant", "id", "rev", "data", *map(key_column, self.indexes)]
        return (
            f"INSERT INTO {quoted(self.name)} ({', '.join(columns)}, layout)"
            f" VALUES {self._values} ON CONFLICT (tenant, id) DO NOTHING"
        )

    @cached_property
    def save(self) -> str:
        """(tenant, id, rev, data, keys ...)"""
        changes = ", ".join(f"{column} = excluded.{column}" for column in self._changing)
        return self.create.replace("DO NOTHING", f"DO UPDATE SET {changes}")

    @cached_property
    def save_newer(self) -> str:
        """(tenant, id, rev, data, keys ...); no row is changed where the revision is the same or a newer one."""
        return f"{self.save} WHERE excluded.rev > rev"

    def put_rows(self, connection: sqlite3.Connection, statement: str, rows: Sequence[Sequence[object]]) -> int:
        """Run ``save`` or ``save_newer`` for many rows; how many were changed.

        A hundred rows go into one statement: a sixth less work, and the interpreter's lock changes hands once and not
        once a row, which with a thread that reads beside this one takes more time than all the rest.
        """
        whole = len(rows) - len(rows) % _ROWS_AT_ONCE
        changed = 0
        if whole:
            # No name of a column can look like this, as there are no commas in them.
            several = statement.replace(self._values, ", ".join([self._values] * _ROWS_AT_ONCE), 1)
            for start in range(0, whole, _ROWS_AT_ONCE):
                part = list(chain.from_iterable(rows[start : start + _ROWS_AT_ONCE]))
                changed += connection.execute(several, part).rowcount
        return changed + connection.executemany(statement, rows[whole:]).rowcount

    @cached_property
    def replace(self) -> str:
        """(rev, data, keys ..., tenant, id, expected rev); no row is changed where the revision is another."""
        changes = ", ".join(f"{column} = ?" for column in self._changing[:-1])
        return (
            f"UPDATE {quoted(self.name)} SET {changes}, layout = {self.layout} WHERE tenant = ? AND id = ? AND rev = ?"
        )

    @cached_property
    def delete(self) -> str:
        """(tenant, id)"""
        return f"DELETE FROM {quoted(self.name)} WHERE tenant = ? AND id = ?"

    @cached_property
    def delete_revision(self) -> str:
        """(tenant, id, rev)"""
        return f"{self.delete} AND rev = ?"

    def scan(self, on: bool) -> str:
        """(limit), or to go on (after tenant, after id, limit) -> tenant, id, rev, data

        In the order of the unique index and not of the file: it costs half a microsecond a row, and whoever writes the
        rows to another database in this order is twice as fast, for most of them are neighbours there.
        """
        after = " WHERE (tenant, id) > (?, ?)" if on else ""
        return f"SELECT tenant, id, rev, data FROM {quoted(self.name)}{after} ORDER BY tenant, id LIMIT ?"

    @property
    def count_all(self) -> str:
        """() -> number of rows, read from the smallest index: a few hundredths of a second for a million"""
        return f"SELECT count(*) FROM {quoted(self.name)}"

    def count(self, index: Index | None) -> str:
        """(tenant, limit), or with an index (tenant, low, high, limit) -> number of rows, at most the limit"""
        run = "" if index is None else f" AND {key_column(index)} >= ? AND {key_column(index)} < ?"
        return f"SELECT count(*) FROM (SELECT 1 FROM {quoted(self.name)} WHERE tenant = ?{run} LIMIT ?)"

    def walk(self, walk: Walk) -> str:
        """(see ``walk_parameters``) -> id, rev, data in the walk's order"""
        shape = (walk.index, len(walk.spans), walk.descending, walk.after is None)
        statement = self._walks.get(shape)
        if statement is None:
            statement = self._walks[shape] = self._walk_statement(walk)
        return statement

    def _walk_statement(self, walk: Walk) -> str:
        direction, beyond = ("DESC", "<") if walk.descending else ("ASC", ">")
        table = quoted(self.name)
        if walk.index is None:
            after = "" if walk.after is None else f" AND id {beyond} ?"
            return f"SELECT id, rev, data FROM {table} WHERE tenant = ?{after} ORDER BY id {direction} LIMIT ?"
        key = key_column(walk.index)
        after = "" if walk.after is None else f" AND ({key}, id) {beyond} (?, ?)"
        run = f"FROM {table} WHERE tenant = ? AND {key} >= ? AND {key} < ?{after}"
        order = f"ORDER BY {key} {direction}, id {direction} LIMIT ?"
        if len(walk.spans) == 1:
            return f"SELECT id, rev, data {run} {order}"
        # Several runs: the first rows of each are found in the index alone, merged, and only the winners are read.
        runs = " UNION ALL ".join(
            [f"SELECT * FROM (SELECT n, substr({key}, ?) AS place, id {run} {order})"] * len(walk.spans)
        )
        return (
            f"SELECT chosen.id, rev, data FROM ({runs} ORDER BY place {direction}, id {direction} LIMIT ?) AS chosen"
            f" JOIN {table} USING (n) ORDER BY place {direction}, chosen.id {direction}"
        )

    @property
    def _values(self) -> str:
        return f"({marks(4 + len(self.indexes))}, {self.layout})"

    @property
    def _changing(self) -> list[str]:
        return ["rev", "data", *map(key_column, self.indexes), "layout"]


def walk_parameters(tenant: str, walk: Walk) -> list[object]:
    """The parameters of ``Table.walk``; one row more than the limit is read, to see whether there is more."""
    limit = walk.limit + 1
    if walk.index is None:
        return [tenant, limit] if walk.after is None else [tenant, walk.after.id, limit]
    parameters: list[object] = []
    for span in walk.spans:
        if len(walk.spans) > 1:
            parameters.append(len(span.prefix) + 1)
        parameters += [tenant, span.low, span.high]
        if walk.after is not None:
            parameters += [span.prefix + walk.after.key, walk.after.id]
        parameters.append(limit)
    if len(walk.spans) > 1:
        parameters.append(limit)
    return parameters


def load_table(connection: sqlite3.Connection, name: str) -> Table | None:
    """The collection as the registry knows it, or None."""
    if not has_registry(connection):
        return None
    row = connection.execute(
        "SELECT scope, indexes, layout FROM _wherry_collections WHERE name = ?", (name,)
    ).fetchone()
    if row is None:
        return None
    scope, indexes, layout = row
    return Table(name, scope, tuple(Index(*fields) for fields in json.loads(indexes)), layout)


def load_names(connection: sqlite3.Connection) -> list[tuple[str, CollectionScope]]:
    """Every collection's name and whose it is."""
    if not has_registry(connection):
        return []
    return list(connection.execute("SELECT name, scope FROM _wherry_collections"))


def has_registry(connection: sqlite3.Connection) -> bool:
    """Whether any collection was ever created in this file."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_wherry_collections'").fetchone()
    return found is not None


def create_table(connection: sqlite3.Connection, declared: Collection, version: int) -> Table:
    """Create a collection's table, without its indexes yet. To be called within a transaction."""
    connection.execute(_REGISTRY)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute(
        f"CREATE TABLE {quoted(declared.name)} (n INTEGER PRIMARY KEY, tenant TEXT NOT NULL, id TEXT NOT NULL,"
        " rev TEXT NOT NULL, data TEXT NOT NULL, layout INTEGER NOT NULL, UNIQUE (tenant, id))"
    )
    connection.execute(
        "INSERT INTO _wherry_collections (name, scope, indexes, layout) VALUES (?, ?, '[]', 0)",
        (declared.name, declared.scope),
    )
    _guard_layout(connection, declared.name, 0)
    return Table(declared.name, declared.scope, (), 0)


def add_indexes(connection: sqlite3.Connection, table: Table, added: list[Index]) -> Table:
    """Add key columns, fill them for the rows that are there, and index them. To be called within a transaction.

    Writers wait meanwhile (about a second for 100,000 documents), readers go on.
    """
    name, layout = quoted(table.name), table.layout + 1
    for kind in ("INSERT", "UPDATE"):
        connection.execute(f"DROP TRIGGER {_guard(table.name, kind)}")
    grown = Table(table.name, table.scope, table.indexes + tuple(added), layout)
    for index in added:
        connection.execute(f"ALTER TABLE {name} ADD COLUMN {key_column(index)} BLOB")
    _fill_keys(connection, table.name, added)
    connection.execute(f"UPDATE {name} SET layout = {layout}")
    for index in added:
        connection.execute(
            f"CREATE INDEX {quoted(f'{table.name}:{_folded(index)}')} ON {name} (tenant, {key_column(index)}, id)"
            f" WHERE {key_column(index)} IS NOT NULL"
        )
    connection.execute(
        "UPDATE _wherry_collections SET indexes = ?, layout = ? WHERE name = ?",
        (json.dumps([index.fields for index in grown.indexes]), layout, table.name),
    )
    _guard_layout(connection, table.name, layout)
    return grown


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def key_column(index: Index) -> str:
    """The quoted column of an index's keys."""
    return quoted(f"k:{_folded(index)}")


def marks(number: int) -> str:
    """``?, ?, ?``"""
    return ", ".join("?" * number)


def _fill_keys(connection: sqlite3.Connection, name: str, added: list[Index]) -> None:
    paths = [tuple(parse_field(field) for field in index.fields) for index in added]

    def key_of(data: str, number: int) -> bytes | None:
        return encode_fields(json.loads(data), paths[number])

    connection.create_function("wherry_key", 2, key_of, deterministic=True)
    try:
        filled = ", ".join(f"{key_column(index)} = wherry_key(data, {number})" for number, index in enumerate(added))
        connection.execute(f"UPDATE {quoted(name)} SET {filled}")
    finally:
        connection.create_function("wherry_key", 2, None)


def _folded(index: Index) -> str:
    """The index's name as SQLite keeps names apart: "a" and "A" are the same to it, and a NUL ends a statement."""
    return index.name.translate(_FOLDED)


def _guard_layout(connection: sqlite3.Connection, name: str, layout: int) -> None:
    for kind in ("INSERT", "UPDATE"):
        connection.execute(
            f"CREATE TRIGGER {_guard(name, kind)} BEFORE {kind} ON {quoted(name)} WHEN NEW.layout <> {layout}"
            f" BEGIN SELECT RAISE(ABORT, '{STALE_LAYOUT}'); END"
        )


def _guard(name: str, kind: str) -> str:
    return quoted(f"{name}:layout:{kind.lower()}")
