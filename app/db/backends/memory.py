"""The memory backend: the contract without a database, for tests and for a first look.

Documents are kept as JSON bytes, so that it behaves like a remote database: nothing that a caller holds is ever shared
with the store. One lock makes every operation atomic. Sorted lists are the indexes.
"""

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from operator import itemgetter
from threading import RLock
from typing import Any, ClassVar, NamedTuple, Self
from urllib.parse import SplitResult

import orjson

from app.db.backend import Backend
from app.db.backends.scan_place import opened, sealed
from app.db.capabilities import Capabilities, CollectionInfo, Finding, ScanPage
from app.db.documents import Document, Portable, new_token, split_rev
from app.db.errors import Conflict, DatabaseError, InvalidQuery, NotFound, NotPrepared
from app.db.fields import parse_field
from app.db.names import Name
from app.db.paging import Slice, Walk
from app.db.planner import Plan, Span
from app.db.schema import Collection, CollectionScope, Index, Schema
from app.db.sortkeys import encode_fields
from app.db.writes import ABSENT, ANY, Expected, Outcome, Prepared

Entry = tuple[bytes, str]


class _Row(NamedTuple):
    token: str
    data: bytes


class _Partition:
    """One tenant's part of a collection: its rows, their ids in order, and the entries of each index in order."""

    def __init__(self, indexes: Iterable[Index]) -> None:
        self.rows: dict[str, _Row] = {}
        self.ids: list[str] = []
        self.entries: dict[Index, list[Entry]] = {index: [] for index in indexes}

    def put(self, id: str, row: _Row) -> None:
        old = self.rows.get(id)
        if old is None:
            insort(self.ids, id)
        else:
            self._unlist(id, old)
        self.rows[id] = row
        document = orjson.loads(row.data)
        for index, entries in self.entries.items():
            key = _index_key(index, document)
            if key is not None:
                insort(entries, (key, id))

    def remove(self, id: str) -> None:
        self._unlist(id, self.rows.pop(id))
        del self.ids[bisect_left(self.ids, id)]

    def add_index(self, index: Index) -> None:
        keys = ((_index_key(index, orjson.loads(row.data)), id) for id, row in self.rows.items())
        self.entries[index] = sorted((key, id) for key, id in keys if key is not None)

    def read(self, id: str) -> Document | None:
        row = self.rows.get(id)
        if row is None:
            return None
        document: Document = orjson.loads(row.data)
        document["_id"] = id
        document["_rev"] = row.token
        return document

    def _unlist(self, id: str, row: _Row) -> None:
        document = orjson.loads(row.data)
        for index, entries in self.entries.items():
            key = _index_key(index, document)
            if key is not None:
                del entries[bisect_left(entries, (key, id))]


class _Table:
    """A collection: whose it is, its indexes, and a partition for each tenant ("" for the installation)."""

    def __init__(self, scope: CollectionScope) -> None:
        self.scope = scope
        self.indexes: list[Index] = []
        self.partitions: dict[str, _Partition] = {}

    def partition(self, tenant: str) -> _Partition:
        if tenant not in self.partitions:
            self.partitions[tenant] = _Partition(self.indexes)
        return self.partitions[tenant]

    def add_index(self, index: Index) -> None:
        self.indexes.append(index)
        for partition in self.partitions.values():
            partition.add_index(index)


class MemoryDatabase(Backend):
    """Everything in this process's memory, gone when it ends."""

    capabilities: ClassVar = Capabilities(fresh_queries=True, shared=False, durable=False, parallel=1)
    driver_errors: ClassVar[tuple[type[Exception], ...]] = ()

    def __init__(self, schema: Schema | None = None, **options: Any) -> None:
        super().__init__(schema, **options)
        self._lock = RLock()
        self._tables: dict[str, _Table] = {}

    @classmethod
    def from_settings(cls, settings: Any, schema: Schema | None, **options: Any) -> Self:
        """No settings of its own."""
        return cls(schema, **options)

    @classmethod
    def from_url(cls, url: SplitResult, schema: Schema | None, **options: Any) -> Self:
        """``memory:``, a new and empty one each time."""
        return cls(schema, **options)

    @classmethod
    def url_of(cls, settings: Any) -> str:
        """None: nobody else reaches it."""
        return ""

    @classmethod
    def place_of(cls, url: SplitResult) -> object:
        """Another one each time."""
        return object()

    def close(self) -> None:
        """Nothing to give back: the data stays until the object goes."""

    def _get(self, name: Name, id: str) -> Document | None:
        with self._lock:
            return self._partition(name).read(id)

    def _get_many(self, name: Name, ids: list[str]) -> dict[str, Document]:
        with self._lock:
            partition = self._partition(name)
            return {id: document for id in ids if (document := partition.read(id)) is not None}

    def _read_together(self, keys: list[tuple[Name, str]]) -> list[Document | None]:
        with self._lock:
            return [self._partition(name).read(id) for name, id in keys]

    def _save(self, name: Name, id: str, portable: Portable, expect: Expected) -> str:
        with self._lock:
            partition = self._partition(name)
            _expect(partition, name, id, expect)
            token = new_token()
            partition.put(id, _Row(token, portable.data))
        return token

    def _delete(self, name: Name, id: str, expect: Expected) -> None:
        with self._lock:
            partition = self._partition(name)
            if id not in partition.rows:
                raise NotFound(name.path, id)
            _expect(partition, name, id, expect)
            partition.remove(id)

    def _commit(self, writes: list[Prepared]) -> list[str | None]:
        with self._lock:
            partitions = [self._partition(write.name) for write in writes]
            for write, partition in zip(writes, partitions, strict=True):
                _expect(partition, write.name, write.id, write.expect)
            revs: list[str | None] = []
            for write, partition in zip(writes, partitions, strict=True):
                token = None
                if write.portable is not None:
                    token = write.token or new_token()
                    partition.put(write.id, _Row(token, write.portable.data))
                elif write.delete and write.id in partition.rows:
                    partition.remove(write.id)
                revs.append(token)
        return revs

    def _write_batch(self, name: Name, documents: list[tuple[str, Portable]]) -> list[Outcome]:
        outcomes = []
        with self._lock:
            partition = self._partition(name)
            for id, portable in documents:
                token = new_token() if portable.rev is None else split_rev(portable.rev)[0]
                partition.put(id, _Row(token, portable.data))
                outcomes.append(Outcome(id, token))
        return outcomes

    def _write_newer(self, name: Name, documents: list[tuple[str, Portable]]) -> list[Outcome]:
        outcomes = []
        with self._lock:
            partition = self._partition(name)
            for id, portable in documents:
                row = partition.rows.get(id)
                token, _ = split_rev(str(portable.rev))
                if row is not None and row.token >= token:
                    outcomes.append(Outcome(id, row.token, kept=True))
                else:
                    partition.put(id, _Row(token, portable.data))
                    outcomes.append(Outcome(id, token))
        return outcomes

    def _walk(self, name: Name, walk: Walk) -> Slice:
        with self._lock:
            partition = self._partition(name)
            if walk.index is None:
                ids = _stretch(partition.ids, None, None, walk.after.id if walk.after else None, walk)
            else:
                entries = partition.entries[walk.index]
                runs = [_span_run(entries, span, walk) for span in walk.spans]
                merged = heapq.merge(*runs, key=itemgetter(0, 1), reverse=walk.descending)
                ids = [id for _, (_, id) in zip(range(walk.limit + 1), merged, strict=False)]
            found = [document for id in ids[: walk.limit] if (document := partition.read(id)) is not None]
        return Slice(found, len(ids) > walk.limit)

    def _count(self, name: Name, plan: Plan, up_to: int) -> int:
        with self._lock:
            partition = self._partition(name)
            if plan.index is None:
                return min(len(partition.ids), up_to)
            entries = partition.entries[plan.index]
            runs = ((bisect_left(entries, (span.low,)), bisect_left(entries, (span.high,))) for span in plan.spans)
            return min(sum(high - low for low, high in runs), up_to)

    def _scan(self, collection: str, after: str | None, limit: int) -> ScanPage:
        with self._lock:
            table = self._tables.get(collection)
            if table is None:
                return ScanPage([], None)
            start = None if after is None else opened(after)
            found: list[tuple[str, Document]] = []
            for tenant, id in _after(table, start):
                if len(found) == limit:
                    last_path, last = found[-1]
                    return ScanPage(found, sealed(last_path.rpartition("/")[0], last["_id"]))
                document = table.partitions[tenant].read(id)
                if document is not None:
                    found.append((Name(tenant, collection).path, document))
        return ScanPage(found, None)

    def _indexes(self, name: Name) -> tuple[Index, ...]:
        with self._lock:
            return tuple(self._table(name).indexes)

    def _prepare(self, schema: Schema, dry_run: bool) -> list[str]:
        done = []
        with self._lock:
            for declared in schema:
                table = self._tables.get(declared.name)
                if table is None:
                    done.append(f"collection {declared.name}: created")
                    table = _Table(declared.scope)
                    if not dry_run:
                        self._tables[declared.name] = table
                elif table.scope != declared.scope:
                    raise InvalidQuery(f"exists and belongs to the {table.scope}", name=declared.name)
                for index in declared.indexes:
                    if index not in table.indexes:
                        done.append(f"collection {declared.name}: index on {index.name} created")
                        if not dry_run:
                            table.add_index(index)
        return done

    def _collections(self) -> list[CollectionInfo]:
        with self._lock:
            return [CollectionInfo(name, table.scope) for name, table in self._tables.items()]

    def _estimate(self, collection: str) -> int:
        with self._lock:
            table = self._tables.get(collection)
            return 0 if table is None else sum(len(part.rows) for part in table.partitions.values())

    def _ping(self) -> None:
        """Always there."""

    def _doctor(self) -> list[Finding]:
        with self._lock:
            rows = sum(len(part.rows) for table in self._tables.values() for part in table.partitions.values())
        detail = f"{rows} documents in this process's memory, gone when it ends"
        return [Finding("reachable", True, detail)]

    def _translate(self, error: Exception) -> DatabaseError:
        raise error

    def _table(self, name: Name) -> _Table:
        table = self._tables.get(name.collection)
        if table is None:
            if not self.create_missing:
                raise NotPrepared(name.collection)
            scope: CollectionScope = "tenant" if name.tenant else "installation"
            declared = self.schema.get(name.collection) or Collection(name.collection, scope)
            self._prepare(Schema([declared]), dry_run=False)
            table = self._tables[name.collection]
        self._check_scope(name, table.scope)
        return table

    def _partition(self, name: Name) -> _Partition:
        return self._table(name).partition(name.tenant)


def _expect(partition: _Partition, name: Name, id: str, expect: Expected) -> None:
    """Conflict unless the document is as expected."""
    if expect is ANY:
        return
    row = partition.rows.get(id)
    if row is not None if expect is ABSENT else row is None or row.token != split_rev(str(expect))[0]:
        raise Conflict([(name.path, id)])


def _index_key(index: Index, document: Document) -> bytes | None:
    return encode_fields(document, tuple(parse_field(field) for field in index.fields))


def _stretch(items: list[Any], low: Any, high: Any, after: Any, walk: Walk) -> list[Any]:
    """At most ``limit + 1`` of the sorted items from ``low`` up to but not ``high``, after ``after``, in walk order."""
    first = 0 if low is None else bisect_left(items, low)
    end = len(items) if high is None else bisect_left(items, high)
    if walk.descending:
        end = end if after is None else min(end, bisect_left(items, after))
        return items[max(first, end - walk.limit - 1) : end][::-1]
    first = first if after is None else max(first, bisect_right(items, after))
    return items[first : min(end, first + walk.limit + 1)]


def _span_run(entries: list[Entry], span: Span, walk: Walk) -> list[Entry]:
    """One run's entries without the run's prefix, so that runs can be merged by the order's own keys."""
    after = None if walk.after is None else (span.prefix + walk.after.key, walk.after.id)
    found = _stretch(entries, (span.low,), (span.high,), after, walk)
    return [(key[len(span.prefix) :], id) for key, id in found]


def _after(table: _Table, start: tuple[str, str] | None) -> Iterator[tuple[str, str]]:
    for tenant in sorted(table.partitions):
        if start is not None and tenant < start[0]:
            continue
        ids = table.partitions[tenant].ids
        yield from ((tenant, id) for id in ids[bisect_right(ids, start[1]) if start and start[0] == tenant else 0 :])
