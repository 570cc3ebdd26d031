"""DynamoDB: Amazon's managed database, or a local stand-in.

Settings: ``DYNAMODB_REGION`` (empty: as the AWS configuration says), ``DYNAMODB_ENDPOINT`` (empty: the region's own),
``DYNAMODB_PREFIX``, what every table's name begins with; ``DYNAMODB_BILLING_MODE`` with ``DYNAMODB_READ_UNITS`` and
``DYNAMODB_WRITE_UNITS``, how the tables that are created are paid for. Credentials come from AWS's own places:
variables, files, or the machine's role.

As a URL: ``dynamodb://region/prefix``, with ``dynamodb://key:secret@region/prefix`` for credentials of its own and the
options ``endpoint``, ``timeout``, ``lease``, ``grace`` (seconds) and ``read_units``, ``write_units`` (capacity of the
tables that are created; without them on demand).

Queries run on secondary indexes, which lag behind by a moment; everything by key is consistent. Needed rights, costs
and limits: docs/backends/dynamodb.md. How a collection lies there: dynamodb_layout.py.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Protocol, Self, TypeVar
from urllib.parse import SplitResult, parse_qs, parse_qsl, unquote, urlencode

from app.db.backend import Backend
from app.db.backends.dynamodb_client import Client, Target
from app.db.backends.dynamodb_collections import Capacity, Collections
from app.db.backends.dynamodb_doctor import examine
from app.db.backends.dynamodb_errors import DynamoError, translate
from app.db.backends.dynamodb_layout import Table
from app.db.backends.dynamodb_reading import Reader
from app.db.backends.dynamodb_writing import BATCH, Entry, Writer
from app.db.backends.newer import Expecting, write_newer
from app.db.capabilities import Capabilities, CollectionInfo, Finding, ScanPage
from app.db.documents import Document, Portable
from app.db.errors import DatabaseError, InvalidQuery, NotFound, NotPrepared, Unavailable
from app.db.index_registry import LEASE, Leased
from app.db.names import Name
from app.db.paging import Slice, Walk
from app.db.planner import Plan
from app.db.schema import Collection, CollectionScope, Index, Schema
from app.db.writes import Expected, Outcome, Prepared
from app.errors import WherryError

_D = TypeVar("_D", tuple[str, Portable], Expecting)
_TABLES_LIMIT = 10_000
_PREFIX = re.compile(r"[A-Za-z0-9_.-]{3,180}", re.ASCII)
_NUMBERS: dict[str, Callable[[str], float]] = {
    "timeout": float,
    "lease": float,
    "grace": float,
    "read_units": int,
    "write_units": int,
}


class DynamoSettings(Protocol):
    """The settings this backend reads."""

    @property
    def dynamodb_region(self) -> str: ...
    @property
    def dynamodb_endpoint(self) -> str: ...
    @property
    def dynamodb_prefix(self) -> str: ...
    @property
    def dynamodb_billing_mode(self) -> str: ...
    @property
    def dynamodb_read_units(self) -> int: ...
    @property
    def dynamodb_write_units(self) -> int: ...


class DynamoDatabase(Backend):
    """The contract on DynamoDB tables. ``timeout``: seconds for a request with its repetitions; ``grace``: for how long
    after that a write may still happen."""

    capabilities: ClassVar = Capabilities(fresh_queries=False, shared=True, durable=True, scan_at_once=1_000)
    driver_errors: ClassVar[tuple[type[Exception], ...]] = (DynamoError,)
    beyond: ClassVar = 0  # a transaction of DynamoDB has at most 100 actions

    def __init__(
        self,
        schema: Schema | None = None,
        *,
        prefix: str,
        region: str = "",
        endpoint: str = "",
        access_key: str = "",
        secret_key: str = "",
        timeout: float = 2.5,
        lease: float = LEASE,
        grace: float = 5.0,
        read_units: int = 0,
        write_units: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(schema, **options)
        if not _PREFIX.fullmatch(prefix):
            raise WherryError("DYNAMODB_PREFIX has 3 to 180 letters, digits and the signs _ . -")
        if min(read_units, write_units) < 0 or (read_units > 0) != (write_units > 0):
            raise WherryError(
                "DYNAMODB_READ_UNITS and DYNAMODB_WRITE_UNITS (read_units and write_units in a URL) must both be at"
                " least 1, or both 0 for tables on demand."
            )
        self.answers_within = timeout
        self._client = Client(Target(region, endpoint, access_key, secret_key), timeout)
        self._catalogue = Collections(
            self._client,
            prefix,
            Capacity(read_units, write_units),
            lease=lease,
            longest_write=timeout + grace,
        )
        self._prefix = prefix
        self._reader = Reader(self._client)
        self._writer = Writer(self._client, self._reader)
        # By name and not by collection: whoever finds a table here has the right scope. Good for reading by key, as
        # where a document lies never changes; indexes and writers need the lease.
        self._tables: dict[Name, Table] = {}

    @classmethod
    def from_settings(cls, settings: DynamoSettings, schema: Schema | None, **options: Any) -> Self:
        """From the settings whose names begin with DYNAMODB_."""
        provisioned = settings.dynamodb_billing_mode == "provisioned"
        return cls(
            schema,
            prefix=settings.dynamodb_prefix,
            region=settings.dynamodb_region,
            endpoint=settings.dynamodb_endpoint,
            read_units=settings.dynamodb_read_units if provisioned else 0,
            write_units=settings.dynamodb_write_units if provisioned else 0,
            **options,
        )

    @classmethod
    def from_url(cls, url: SplitResult, schema: Schema | None, **options: Any) -> Self:
        """``dynamodb://region/prefix``; see the module for the rest."""
        prefix = unquote(url.path).strip("/")
        if not prefix or "/" in prefix:
            raise WherryError("A DynamoDB URL is dynamodb://region/prefix, with ?endpoint= for a stand-in.")
        for key, values in parse_qs(url.query, keep_blank_values=True).items():
            if key == "endpoint":
                options.setdefault(key, values[-1])
            elif key in _NUMBERS:
                options.setdefault(key, _number(key, values[-1]))
            else:
                raise WherryError(
                    f"A DynamoDB URL has no option {key!r}: endpoint and {', '.join(_NUMBERS)} are known."
                )
        if url.username:
            options.setdefault("access_key", unquote(url.username))
            options.setdefault("secret_key", unquote(url.password or ""))
        return cls(schema, prefix=prefix, region=url.hostname or "", **options)

    @classmethod
    def url_of(cls, settings: DynamoSettings) -> str:
        """See Backend."""
        query = urlencode({"endpoint": settings.dynamodb_endpoint} if settings.dynamodb_endpoint else {})
        return f"dynamodb://{settings.dynamodb_region}/{settings.dynamodb_prefix}" + (f"?{query}" if query else "")

    @classmethod
    def place_of(cls, url: SplitResult) -> object:
        """Whoever's keys are shown, and whatever is paid for."""
        return url.hostname, url.path.strip("/"), dict(parse_qsl(url.query)).get("endpoint", "")

    def close(self) -> None:
        """Close the connections that nobody uses; the next use opens new ones."""
        self._client.close()

    # Reading

    def _get(self, name: Name, id: str) -> Document | None:
        table = self._tables.get(name) or self._table(name)
        return None if table is None else self._reader.get(table, name, id)

    def _get_many(self, name: Name, ids: list[str]) -> dict[str, Document]:
        table = self._table(name)
        return {} if table is None else self._reader.get_many(table, name, ids)

    def _read_together(self, keys: list[tuple[Name, str]]) -> list[Document | None]:
        tables = [self._table(name) for name, _ in keys]
        asked = [(table, *key) for table, key in zip(tables, keys, strict=True) if table is not None]
        found = iter(self._reader.together(asked)) if asked else iter(())
        return [None if table is None else next(found) for table in tables]

    def _walk(self, name: Name, walk: Walk) -> Slice:
        table = self._readable(name)
        return Slice([], False) if table is None else self._reader.walk(table, name, walk)

    def _count(self, name: Name, plan: Plan, up_to: int) -> int:
        table = self._readable(name)
        return 0 if table is None else self._reader.count(table, name, plan, up_to)

    def _scan(self, collection: str, after: str | None, limit: int) -> ScanPage:
        found = self._catalogue.leased(collection)
        return ScanPage([], None) if found is None else self._reader.scan(found[0], after, limit)

    # Writing

    def _save(self, name: Name, id: str, portable: Portable, expect: Expected) -> str:
        table, leased = self._writable(name)
        token = self._writer.save(table, name, id, portable, expect)
        self._catch_up([(name, id, leased)])
        return token

    def _delete(self, name: Name, id: str, expect: Expected) -> None:
        table = self._table(name)
        if table is None:
            raise NotFound(name.path, id)
        self._writer.delete(table, name, id, expect)

    def _commit(self, writes: list[Prepared]) -> list[str | None]:
        entries = []
        written = []
        for write in writes:
            table, leased = self._writable(write.name)
            entries.append(Entry(table, write))
            if write.portable is not None:
                written.append((write.name, write.id, leased))
        tokens = self._writer.commit(entries)
        self._catch_up(written)
        return tokens

    def _write_batch(self, name: Name, documents: list[tuple[str, Portable]]) -> list[Outcome]:
        return self._in_steps(name, documents, self._writer.write_batch)

    def _write_newer(self, name: Name, documents: list[tuple[str, Portable]]) -> list[Outcome]:
        # A batch takes no conditions, and a transaction costs twice as much: puts of their own, many under way at once.
        return write_newer(
            documents,
            lambda ids: self._get_many(name, ids),
            lambda older: self._in_steps(name, older, self._writer.replace_many),
        )

    def _in_steps(
        self, name: Name, documents: Sequence[_D], write: Callable[[Table, Name, Sequence[_D]], list[Outcome]]
    ) -> list[Outcome]:
        """Write in bulk, each step under the lease of the moment, as a long batch outlives one."""
        outcomes: list[Outcome] = []
        for start in range(0, len(documents), BATCH):
            part = documents[start : start + BATCH]
            try:
                table, leased = self._writable(name)
            except (DynamoError, Unavailable) as error:
                if not start:
                    raise
                # The steps before have their outcomes.
                failed = error if isinstance(error, Unavailable) else translate(error)
                return outcomes + [Outcome(one[0], None, failed) for one in documents[start:]]
            written = write(table, name, part)
            try:
                self._catch_up([(name, one[0], leased) for one in part])
            except Unavailable as error:
                written = [Outcome(one.id, None, one.error or error) for one in written]
            outcomes += written
        return outcomes

    def _catch_up(self, written: list[tuple[Name, str, Leased]]) -> None:
        """Give documents the keys of indexes that were added while their write was held up beyond all bounds.

        They are written by now: where this fails, it is unknown whether lists by those indexes show them.
        """
        try:
            for name, id, leased in written:
                if self._catalogue.registry.late(leased):
                    table, _ = self._writable(name)
                    items = self._reader.items(table.name, [table.key(name, id)])
                    self._catalogue.fill(table, items, list(table.keys.values()))
        except (DynamoError, DatabaseError) as error:
            raise Unavailable(
                "DynamoDB did not answer after a write that was held up.", retry_after=2.0, outcome="unknown"
            ) from error

    # Collections

    def _indexes(self, name: Name) -> tuple[Index, ...]:
        table = self._readable(name)
        if table is not None:
            return table.entry.ready
        declared = self.schema.get(name.collection)
        return declared.indexes if declared is not None else ()

    def _table(self, name: Name) -> Table | None:
        """The collection for reading by key, or None where it does not exist and may be created by the first write."""
        table = self._tables.get(name)
        if table is not None:
            return table
        found = self._leased(name)
        return None if found is None else found[0]

    def _readable(self, name: Name) -> Table | None:
        """The collection with the indexes that it has now, or None as ``_table``."""
        if name not in self._tables:
            return self._table(name)
        found = self._catalogue.leased(name.collection)
        return None if found is None else found[0]

    def _writable(self, name: Name) -> tuple[Table, Leased]:
        """The collection as writers have to write it now, created if it has to be, and how long this holds."""
        if name in self._tables:
            found = self._catalogue.leased(name.collection)
        else:
            found = self._leased(name)
        if found is None:
            scope: CollectionScope = "tenant" if name.tenant else "installation"
            self._catalogue.grow(self.schema.get(name.collection) or Collection(name.collection, scope))
            found = self._leased(name)
        if found is None:
            raise Unavailable(f"The collection {name.collection!r} was just created, and is gone.")
        return found

    def _leased(self, name: Name) -> tuple[Table, Leased] | None:
        """The collection at its first use under this name, with the indexes that are declared, or None."""
        found = self._catalogue.leased(name.collection)
        if found is None:
            if not self.create_missing:
                raise NotPrepared(name.collection)
            return None
        self._check_scope(name, found[0].entry.scope)
        declared = self.schema.get(name.collection)
        if declared is not None and self.create_missing and not found[0].entry.has(declared):
            self._catalogue.grow(declared)
            found = self._catalogue.leased(name.collection)
        if found is not None:
            if len(self._tables) >= _TABLES_LIMIT:
                self._tables.clear()
            self._tables[name] = found[0]
        return found

    def _prepare(self, schema: Schema, dry_run: bool) -> list[str]:
        done = []
        for declared in schema:
            entry = self._catalogue.registry.read(declared.name)
            if entry is not None and entry.scope != declared.scope:
                raise InvalidQuery(f"exists and belongs to the {entry.scope}", name=declared.name)
            missing = [index for index in declared.indexes if entry is None or index not in entry.ready]
            sentences = [f"collection {declared.name}: created"] if entry is None else []
            sentences += [f"collection {declared.name}: index on {index.name} created" for index in missing]
            if sentences and not dry_run:
                self._catalogue.grow(declared)
            done += sentences
        return done

    def _collections(self) -> Iterable[CollectionInfo]:
        return self._catalogue.names()

    # Operating

    def _estimate(self, collection: str) -> int | None:
        found = self._catalogue.leased(collection)
        described = None if found is None else self._catalogue.describe(found[0].name)
        return None if described is None else described.get("ItemCount")

    def _ping(self) -> None:
        # No collection has this name; that there is no registry yet is an answer, too.
        self._catalogue.read_entry("~ping")

    def _doctor(self) -> list[Finding]:
        return examine(self._client, self._catalogue, self._prefix, self.schema)

    def _translate(self, error: Exception) -> DatabaseError:
        return translate(error)


def _number(key: str, text: str) -> float:
    try:
        return _NUMBERS[key](text)
    except ValueError as error:
        raise WherryError(f"{key} is {text!r}, but must be a number.") from error
