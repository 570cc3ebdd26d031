"""SQLite: the embedded backend. One file in WAL mode: many readers beside one writer, in any number of processes.

Settings: ``SQLITE_PATH``; ``SQLITE_DURABILITY`` ("full": an acknowledged write survives a power cut; "normal": the last
ones before a power cut may be lost, never the file's integrity, and nothing is lost when the process dies);
``SQLITE_BUSY_TIMEOUT``, seconds to wait for another writer. Needed rights: to write the file and its folder. It has no
limits of its own below the contract's.

How a collection lies in the file is told in sqlite_tables.py.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlencode

from orjson import loads

from app.db.backend import Backend
from app.db.backends.scan_place import SCAN_BYTES, opened, sealed
from app.db.backends.sqlite_connections import LAYOUT_VERSION, SYNCHRONOUS, Registry
from app.db.backends.sqlite_doctor import examine
from app.db.backends.sqlite_errors import DRIVER_ERRORS, translate
from app.db.backends.sqlite_guard import CLOSE_GUARD, OPEN_GUARD, guard_statements
from app.db.backends.sqlite_tables import (
    STALE_LAYOUT,
    Table,
    add_indexes,
    create_table,
    load_names,
    load_table,
    walk_parameters,
)
from app.db.capabilities import Capabilities, CollectionInfo, Finding, ScanPage
from app.db.documents import Document, Portable, new_token, split_rev
from app.db.errors import Conflict, DatabaseError, InvalidQuery, NotFound, NotPrepared
from app.db.names import Name
from app.db.paging import Slice, Walk
from app.db.planner import Plan
from app.db.schema import Collection, CollectionScope, Index, Schema
from app.db.sortkeys import encode_fields
from app.db.writes import ABSENT, ANY, Expected, Outcome, Prepared
from app.errors import WherryError

T = TypeVar("T")

_IN_AT_MOST = 500
_BATCH = 2_000
_ROWS_AT_ONCE = 10
_TABLES_LIMIT = 10_000


class SqliteSettings(Protocol):
    """The settings this backend reads."""

    @property
    def sqlite_path(self) -> Path: ...
    @property
    def sqlite_durability(self) -> str: ...
    @property
    def sqlite_busy_timeout(self) -> float: ...


class SqliteDatabase(Backend):
    """The contract on one SQLite file."""

    capabilities: ClassVar = Capabilities(fresh_queries=True, shared=True, durable=True, parallel=1, scan_at_once=1_000)
    driver_errors: ClassVar[tuple[type[Exception], ...]] = DRIVER_ERRORS

    def __init__(
        self,
        path: Path | str,
        schema: Schema | None = None,
        *,
        durability: str = "full",
        busy_timeout: float = 5.0,
        **options: Any,
    ) -> None:
        super().__init__(schema, **options)
        if durability not in SYNCHRONOUS:
            raise WherryError(f"SQLITE_DURABILITY is {durability!r}, but must be one of: {', '.join(SYNCHRONOUS)}.")
        self._registry = Registry(
            Path(path), durability=durability, busy_timeout=busy_timeout, create=self.create_missing
        )
        # By name and not by collection: whoever finds a table here has the right scope.
        self._tables: dict[Name, Table] = {}
        self._passes_guard = False

    @classmethod
    def from_settings(cls, settings: SqliteSettings, schema: Schema | None, **options: Any) -> Self:
        """From SQLITE_PATH, SQLITE_DURABILITY and SQLITE_BUSY_TIMEOUT."""
        return cls(
            settings.sqlite_path,
            schema,
            durability=settings.sqlite_durability,
            busy_timeout=settings.sqlite_busy_timeout,
            **options,
        )

    @classmethod
    def from_url(cls, url: SplitResult, schema: Schema | None, **options: Any) -> Self:
        """``sqlite:///relative.db`` or ``sqlite:////absolute.db``, with ``?durability=`` and ``?busy_timeout=``."""
        path = unquote(url.path).removeprefix("/")
        if url.netloc or not path:
            raise WherryError("A SQLite URL is sqlite:///file, or sqlite:////file for an absolute path.")
        for key, values in parse_qs(url.query, keep_blank_values=True).items():
            if key == "durability":
                options.setdefault(key, values[-1])
            elif key == "busy_timeout":
                options.setdefault(key, _seconds(values[-1]))
            else:
                raise WherryError(f"A SQLite URL has no option {key!r}: durability and busy_timeout are known.")
        return cls(path, schema, **options)

    @classmethod
    def url_of(cls, settings: SqliteSettings) -> str:
        """See Backend."""
        options = {"durability": settings.sqlite_durability, "busy_timeout": f"{settings.sqlite_busy_timeout:g}"}
        return f"sqlite:///{quote(str(settings.sqlite_path))}?{urlencode(options)}"

    @classmethod
    def place_of(cls, url: SplitResult) -> object:
        """The file, by whatever path."""
        return Path(unquote(url.path).removeprefix("/")).resolve()

    def close(self) -> None:
        """Close every connection of this process; the next use opens new ones."""
        self._registry.close()

    # Reading

    def _get(self, name: Name, id: str) -> Document | None:
        table = self._tables.get(name) or self._table(name)
        if table is None:
            return None
        try:
            cursor = self._registry.local.cursor
        except AttributeError:
            cursor = self._cursor()
        row = cursor.execute(table.get, (name.tenant, id)).fetchone()
        if row is None:
            return None
        document: Document = loads(row[1])
        document["_id"] = id
        document["_rev"] = row[0]
        return document

    def _get_many(self, name: Name, ids: list[str]) -> dict[str, Document]:
        table = self._table(name)
        if table is None:
            return {}
        found = {}
        for start in range(0, len(ids), _IN_AT_MOST):
            part = ids[start : start + _IN_AT_MOST]
            rows = self._connection().execute(table.get_many(len(part)), (name.tenant, *part)).fetchall()
            found.update({document["_id"]: document for document in _documents(rows)})
        return found

    def _read_together(self, keys: list[tuple[Name, str]]) -> list[Document | None]:
        for name, _ in keys:
            self._table(name)
        with self._transaction("BEGIN"):
            return [self._get(name, id) for name, id in keys]

    def _walk(self, name: Name, walk: Walk) -> Slice:
        table = self._tables.get(name) or self._table(name)
        if table is None:
            return Slice([], False)
        try:
            cursor = self._registry.local.cursor
        except AttributeError:
            cursor = self._cursor()
        rows = cursor.execute(table.walk(walk), walk_parameters(name.tenant, walk)).fetchall()
        more = len(rows) > walk.limit
        if more:
            rows.pop()
        return tuple.__new__(Slice, (_documents(rows), more))

    def _count(self, name: Name, plan: Plan, up_to: int) -> int:
        table = self._table(name)
        if table is None:
            return 0
        statement = table.count(plan.index)
        if plan.index is None:
            runs: list[tuple[Any, ...]] = [(name.tenant, up_to)]
        else:
            runs = [(name.tenant, span.low, span.high, up_to) for span in plan.spans]
        found = sum(int(self._connection().execute(statement, run).fetchone()[0]) for run in runs)
        return min(up_to, found)

    def _scan(self, collection: str, after: str | None, limit: int) -> ScanPage:
        table = load_table(self._connection(), collection)
        if table is None:
            return ScanPage([], None)
        start = () if after is None else opened(after)
        rows: list[tuple[str, str, str, str]] = []
        size = 0
        with closing(self._connection().execute(table.scan(on=after is not None), (*start, limit))) as cursor:
            while size < SCAN_BYTES and (some := cursor.fetchmany(_ROWS_AT_ONCE)):
                rows += some
                size += sum([len(row[3]) for row in some])
        paths = {tenant: Name(tenant, collection).path for tenant in {row[0] for row in rows}}
        documents = _documents([row[1:] for row in rows])
        found = [(paths[row[0]], document) for row, document in zip(rows, documents, strict=True)]
        return ScanPage(found, sealed(*rows[-1][:2]) if len(rows) == limit or size >= SCAN_BYTES else None)

    # Writing

    def _save(self, name: Name, id: str, portable: Portable, expect: Expected) -> str:
        table = self._tables.get(name)
        if table is not None:
            try:
                return self._put(table, name, id, portable, expect)
            except sqlite3.IntegrityError as error:
                if STALE_LAYOUT not in str(error):
                    raise
                self._tables.clear()
        return self._fresh(partial(self._put_first, name, id, portable, expect))  # a lambda would slow the usual case

    def _delete(self, name: Name, id: str, expect: Expected) -> None:
        table = self._table(name)
        if table is None:
            raise NotFound(name.path, id)
        connection = self._connection()
        if expect is ANY:
            if not connection.execute(table.delete, (name.tenant, id)).rowcount:
                raise NotFound(name.path, id)
            return
        token, _ = split_rev(str(expect))
        if not connection.execute(table.delete_revision, (name.tenant, id, token)).rowcount:
            if self._get(name, id) is None:
                raise NotFound(name.path, id)
            raise Conflict([(name.path, id)])

    def _commit(self, writes: list[Prepared]) -> list[str | None]:
        def apply() -> list[str | None]:
            for write in writes:
                self._writable(write.name)
            with self._transaction("BEGIN IMMEDIATE") as connection:
                if self._passes_guard:  # nobody else sees it open, as nobody else writes meanwhile
                    connection.execute(OPEN_GUARD)
                revs = [self._apply(write) for write in writes]
                if self._passes_guard:
                    connection.execute(CLOSE_GUARD)
                return revs

        return self._fresh(apply)

    def _write_batch(self, name: Name, documents: list[tuple[str, Portable]]) -> list[Outcome]:
        def write(part: list[tuple[str, Portable]]) -> list[Outcome]:
            table = self._writable(name)
            rows, outcomes = [], []
            for id, portable in part:
                token = new_token() if portable.rev is None else split_rev(portable.rev)[0]
                rows.append((name.tenant, id, token, portable.data.decode(), *table.keys(portable.body)))
                outcomes.append(Outcome(id, token))
            with self._transaction("BEGIN IMMEDIATE") as connection:
                table.put_rows(connection, table.save, rows)
            return outcomes

        outcomes = []
        for start in range(0, len(documents), _BATCH):
            outcomes += self._fresh(partial(write, documents[start : start + _BATCH]))
        return outcomes

    def _write_newer(self, name: Name, documents: list[tuple[str, Portable]]) -> list[Outcome]:
        def write(part: list[tuple[str, Portable]]) -> list[Outcome]:
            table = self._writable(name)
            tenant, keys = name.tenant, table.keys
            tokens = {id: str(portable.rev).partition(".")[0] for id, portable in part}
            rows = [(tenant, id, tokens[id], data.decode(), *keys(body)) for id, (body, data, _) in part]
            # The usual copy meets nothing newer; only if it does are the rows looked at, before they are written.
            # (A savepoint to go back to would have SQLite keep every page that is changed.)
            with self._transaction("BEGIN IMMEDIATE") as connection:
                if table.put_rows(connection, table.save_newer, rows) == len(rows):
                    return [Outcome(id, token) for id, token in tokens.items()]
                connection.execute("ROLLBACK")
                connection.execute("BEGIN IMMEDIATE")
                kept = self._as_new(table, name, tokens)
                table.put_rows(connection, table.save_newer, [row for row in rows if row[1] not in kept])
            return [Outcome(id, kept.get(id, token), kept=id in kept) for id, token in tokens.items()]

        outcomes = []
        for start in range(0, len(documents), _BATCH):
            outcomes += self._fresh(partial(write, documents[start : start + _BATCH]))
        return outcomes

    def _as_new(self, table: Table, name: Name, tokens: dict[str, str]) -> dict[str, str]:
        """The revisions, by id, of the documents that are stored with the given token or a newer one."""
        found: dict[str, str] = {}
        ids = list(tokens)
        for start in range(0, len(ids), _IN_AT_MOST):
            part = ids[start : start + _IN_AT_MOST]
            rows = self._connection().execute(table.revisions(len(part)), (name.tenant, *part))
            found.update({id: rev for id, rev in rows if rev >= tokens[id]})
        return found

    def _apply(self, write: Prepared) -> str | None:
        """One entry of a commit, within its transaction."""
        name, id, expect = write.name, write.id, write.expect
        table = self._writable(name)
        if write.portable is not None:
            return self._put(table, name, id, write.portable, expect, write.token)
        connection = self._connection()
        if write.delete and expect is ANY:
            connection.execute(table.delete, (name.tenant, id))
            return None
        row = connection.execute(table.get, (name.tenant, id)).fetchone()
        if row is not None if expect is ABSENT else row is None or row[0] != split_rev(str(expect))[0]:
            raise Conflict([(name.path, id)])
        if write.delete and row is not None:
            connection.execute(table.delete, (name.tenant, id))
        return None

    def _put(self, table: Table, name: Name, id: str, portable: Portable, expect: Expected, token: str = "") -> str:
        """One statement that creates or replaces under the expectation."""
        body, data, _ = portable
        token = token or new_token()
        keys = [encode_fields(body, fields) for fields in table.paths]
        try:
            cursor = self._registry.local.cursor
        except AttributeError:
            cursor = self._cursor()
        if expect is ANY:
            cursor.execute(table.save, (name.tenant, id, token, data.decode(), *keys))
            return token
        if expect is ABSENT:
            cursor.execute(table.create, (name.tenant, id, token, data.decode(), *keys))
        else:
            expected = str(expect).partition(".")[0]
            cursor.execute(table.replace, (token, data.decode(), *keys, name.tenant, id, expected))
        if not cursor.rowcount:
            raise Conflict([(name.path, id)])
        return token

    def _put_first(self, name: Name, id: str, portable: Portable, expect: Expected) -> str:
        return self._put(self._writable(name), name, id, portable, expect)

    # Tables

    def _indexes(self, name: Name) -> tuple[Index, ...]:
        table = self._tables.get(name) or self._table(name)
        if table is not None:
            return table.indexes
        declared = self.schema.get(name.collection)
        return declared.indexes if declared is not None else ()

    def _prepare(self, schema: Schema, dry_run: bool) -> list[str]:
        done = []
        if not dry_run:
            # An empty file is an empty database: preparing makes it, also where a connection may not.
            self._registry.path.parent.mkdir(parents=True, exist_ok=True)
            self._registry.path.touch()
        for declared in schema:
            done += self._prepare_collection(declared, dry_run)
        return done

    def _prepare_collection(self, declared: Collection, dry_run: bool) -> list[str]:
        if dry_run and not self._registry.path.exists():
            table = None
        else:
            table = load_table(self._connection(), declared.name)
        if table is not None and table.scope != declared.scope:
            raise InvalidQuery(f"exists and belongs to the {table.scope}", name=declared.name)
        missing = [index for index in declared.indexes if table is None or index not in table.indexes]
        done = [f"collection {declared.name}: created"] if table is None else []
        done += [f"collection {declared.name}: index on {index.name} created" for index in missing]
        if done and not dry_run:
            self._grow(declared)
        return done

    def _grow(self, declared: Collection) -> Table:
        """Create what the declaration has and the file lacks; several processes may do so at once."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            table = load_table(connection, declared.name)
            if table is None:
                table = create_table(connection, declared, LAYOUT_VERSION)
            missing = [index for index in declared.indexes if index not in table.indexes]
            if missing:
                table = add_indexes(connection, table, missing)
        self._tables.clear()
        return table

    def _table(self, name: Name) -> Table | None:
        """The collection, or None where it does not exist and may be created by the first write."""
        table = self._tables.get(name)
        if table is not None:
            return table
        table = load_table(self._connection(), name.collection)
        declared = self.schema.get(name.collection)
        if table is None:
            if not self.create_missing:
                raise NotPrepared(name.collection)
            return None
        if declared and self.create_missing and not set(declared.indexes) <= set(table.indexes):
            table = self._grow(declared)
        return self._remember(name, table)

    def _remember(self, name: Name, table: Table) -> Table:
        self._check_scope(name, table.scope)
        if len(self._tables) >= _TABLES_LIMIT:
            self._tables.clear()
        self._tables[name] = table
        return table

    def _writable(self, name: Name) -> Table:
        """The collection, created if it has to be. To be called before a transaction begins."""
        table = self._table(name)
        if table is None:
            scope: CollectionScope = "tenant" if name.tenant else "installation"
            declared = self.schema.get(name.collection) or Collection(name.collection, scope)
            table = self._remember(name, self._grow(declared))
        return table

    def _fresh(self, write: Callable[[], T]) -> T:
        """Do a write, once more with the registry read again if an index was added meanwhile."""
        try:
            return write()
        except sqlite3.IntegrityError as error:
            if STALE_LAYOUT not in str(error):
                raise
        self._tables.clear()
        return write()

    # Connection

    def _connection(self) -> sqlite3.Connection:
        try:
            return self._registry.local.connection
        except AttributeError:
            return self._registry.local.open()

    def _cursor(self) -> sqlite3.Cursor:
        """The thread's own cursor, for statements whose rows are fetched at once. Hot paths look at it themselves."""
        self._connection()
        return self._registry.local.cursor

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        connection.execute(begin)
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    # Operating

    def refuse_writes(self, collections: Sequence[str], *, on: bool) -> bool:
        """See Backend. Triggers refuse; they look at a flag that this service sets within its own transactions."""
        try:
            with self._transaction("BEGIN IMMEDIATE") as connection:
                there = {name for name, _ in load_names(connection)}
                for statement in guard_statements([name for name in collections if name in there], on=on):
                    connection.execute(statement)
        except self.driver_errors as error:
            raise self._translate(error) from error
        self._passes_guard = on
        return True

    def _collections(self) -> Iterable[CollectionInfo]:
        return [CollectionInfo(name, scope) for name, scope in load_names(self._connection())]

    def _estimate(self, collection: str) -> int:
        table = load_table(self._connection(), collection)
        return 0 if table is None else int(self._connection().execute(table.count_all).fetchone()[0])

    def _ping(self) -> None:
        self._connection().execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()

    def _doctor(self) -> list[Finding]:
        missing = self._prepare(self.schema, dry_run=True)
        return examine(self._connection(), self._registry.path, self._registry.durability, missing)

    def _translate(self, error: Exception) -> DatabaseError:
        return translate(error)


def _documents(rows: list[tuple[str, str, str]]) -> list[Document]:
    """The documents of (id, rev, data) rows, parsed as one JSON array: a call for each costs a twelfth more."""
    documents: list[Document] = loads(f"[{','.join([data for _, _, data in rows])}]")
    for document, (id, rev, _) in zip(documents, rows, strict=True):
        document["_id"] = id
        document["_rev"] = rev
    return documents


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise WherryError(f"busy_timeout is {text!r}, but must be a number of seconds.") from error
