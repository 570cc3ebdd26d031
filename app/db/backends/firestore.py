"""Firestore: every write and commit is one request with preconditions; no interactive transactions.

Settings: ``FIRESTORE_PROJECT``; ``FIRESTORE_PREFIX`` (the top-level collection that holds everything, "wherry");
``FIRESTORE_CREDENTIALS`` (a service account's file; empty: Google's application default credentials);
``FIRESTORE_EMULATOR`` (host:port, for tests). Needed right: roles/datastore.user. Limits of its own below the
contract's: none; docs/backends/firestore.md tells about cost and rates.

Layout: ``<prefix>/db/<collection>/<id>`` for the installation, ``<prefix>/db/tenants/<tenant>/<collection>/<id>`` for
a tenant, ``<prefix>/db/_collections/<collection>`` for what app/db/index_registry.py knows. How a document is kept is
told in firestore_codec.py, how it is written in firestore_writing.py. A query reads runs of Firestore's own
single-field index on an order key.
"""

import time
from collections.abc import Iterable
from typing import Any, ClassVar, Final, Protocol, Self
from urllib.parse import SplitResult, parse_qs

import orjson

from app.db.backend import Backend
from app.db.backends.firestore_client import FirestoreClient
from app.db.backends.firestore_codec import (
    KEYS,
    decode_document,
    decode_id,
    encode_id,
    field_path,
    key_of,
    put_keys,
)
from app.db.backends.firestore_doctor import examine
from app.db.backends.firestore_errors import DRIVER_ERRORS, PRECONDITION, translate
from app.db.backends.firestore_indexes import REGISTRY
from app.db.backends.firestore_messages import BatchGetDocumentsRequest, CommitRequest, GetDocumentRequest, grpc
from app.db.backends.firestore_queries import (
    count_all_request,
    count_requests,
    key_name,
    list_request,
    scan_request,
    spans_of,
    walk_request,
)
from app.db.backends.firestore_writing import Entry as WriteEntry
from app.db.backends.firestore_writing import Writer, check_request, entry_of, growing_waits
from app.db.backends.newer import Expecting, write_newer
from app.db.capabilities import Capabilities, CollectionInfo, Finding, ScanPage
from app.db.documents import Document, Portable, new_token, split_rev
from app.db.errors import DatabaseError, InvalidQuery, NotFound, NotPrepared, Throttled, Unavailable
from app.db.index_registry import LEASE, Entry, IndexRegistry, Leased
from app.db.names import MAX_ID_BYTES, MAX_TENANT_BYTES, Name
from app.db.paging import Slice, Walk
from app.db.planner import Plan
from app.db.schema import Collection, CollectionScope, Index, Schema
from app.db.time_limit import bounded
from app.db.writes import ANY, Expected, Outcome, Prepared
from app.errors import WherryError

DEADLINE: Final = 2.5
_READ_AT_MOST: Final = 300
_WRITE_AT_ONCE: Final = 200
_OLDEST_READ: Final = 30.0
"""Seconds that a look into the past is used for. Firestore allows an hour, in its older documentation a minute."""


class FirestoreSettings(Protocol):
    """The settings this backend reads."""

    @property
    def firestore_project(self) -> str: ...
    @property
    def firestore_prefix(self) -> str: ...
    @property
    def firestore_emulator(self) -> str: ...
    @property
    def firestore_credentials(self) -> str: ...


class FirestoreDatabase(Backend):
    """The contract on one Firestore database in native mode.

    ``deadline`` bounds every operation in seconds (bulk writes: every request, twice as long). ``lease`` is how long a
    process uses what it knows of the indexes; adding one takes a little longer than that.
    """

    capabilities: ClassVar = Capabilities(fresh_queries=True, native_commit=True, shared=True, durable=True)
    driver_errors: ClassVar[tuple[type[Exception], ...]] = DRIVER_ERRORS

    def __init__(
        self,
        project: str,
        schema: Schema | None = None,
        *,
        prefix: str = "wherry",
        database: str = "(default)",
        emulator: str = "",
        credentials: str = "",
        deadline: float = DEADLINE,
        lease: float = LEASE,
        **options: Any,
    ) -> None:
        super().__init__(schema, **options)
        if not project:
            raise WherryError("FIRESTORE_PROJECT is empty, but must name the project of the database.")
        if not prefix or "/" in prefix:
            raise WherryError("FIRESTORE_PREFIX must be a collection's name, such as wherry.")
        self._client = FirestoreClient(project, database, emulator=emulator, credentials=credentials)
        self._root = f"{self._client.root}/documents/{encode_id(prefix)}/db"
        self._deadline = self.answers_within = deadline
        self._bulk_deadline = 2 * deadline
        self._registry = IndexRegistry(self, lease=lease, longest_write=self._bulk_deadline)
        self._writer = Writer(self._client, self._read_many, deadline)

    @classmethod
    def from_settings(cls, settings: FirestoreSettings, schema: Schema | None, **options: Any) -> Self:
        """From FIRESTORE_PROJECT, FIRESTORE_PREFIX, FIRESTORE_EMULATOR and FIRESTORE_CREDENTIALS."""
        return cls(
            settings.firestore_project,
            schema,
            prefix=settings.firestore_prefix,
            emulator=settings.firestore_emulator,
            credentials=settings.firestore_credentials,
            **options,
        )

    @classmethod
    def from_url(cls, url: SplitResult, schema: Schema | None, **options: Any) -> Self:
        """``firestore://project/prefix``, with ``?emulator=host:port``, ``?database=`` and ``?credentials=file``."""
        for key, values in parse_qs(url.query, keep_blank_values=True).items():
            if key not in ("emulator", "database", "credentials"):
                raise WherryError(
                    f"A Firestore URL has no option {key!r}: emulator, database and credentials are known."
                )
            options.setdefault(key, values[-1])
        return cls(url.netloc, schema, prefix=url.path.strip("/") or "wherry", **options)

    def close(self) -> None:
        """Close the channel; the next use opens a new one."""
        self._client.close()

    # Reading

    def _get(self, name: Name, id: str) -> Document | None:
        if not self._is_there(name):
            return None
        stored = self._read(self._document(name, id))
        return None if stored is None else decode_document(id, stored)

    def _get_many(self, name: Name, ids: list[str]) -> dict[str, Document]:
        found: dict[str, Document] = {}
        if self._is_there(name):
            for start in range(0, len(ids), _READ_AT_MOST):
                part = ids[start : start + _READ_AT_MOST]
                stored = self._read_many([self._document(name, id) for id in part], self._end())
                for id, one in zip(part, stored, strict=True):
                    if one is not None:
                        found[id] = decode_document(id, one)
        return found

    def _read_together(self, keys: list[tuple[Name, str]]) -> list[Document | None]:
        there = {name: self._is_there(name) for name, _ in keys}
        if not any(there.values()):
            return [None] * len(keys)
        paths = [self._document(name, id) for name, id in keys]
        stored = self._read_snapshot(paths)
        return [None if one is None else decode_document(id, one) for (_, id), one in zip(keys, stored, strict=True)]

    def _read_snapshot(self, paths: list[str]) -> list[Any | None]:
        """What one read-only transaction sees, which begins with this request and needs no end.

        Google's emulator shows half of a commit even to those. There a commit of checks proves that all was there at
        one moment; Google's service charges writes for that, and does not need it.
        """
        end = self._end()
        for wait in growing_waits():
            stored = self._read_many(paths, end, snapshot=True)
            if not self._client.emulator or self._swapped(check_request(self._client.root, paths, stored)):
                return stored
            if time.monotonic() + wait >= end:
                break
            time.sleep(wait)
        raise Throttled("Too many writers of these documents at once.", retry_after=1)

    def _walk(self, name: Name, walk: Walk) -> Slice:
        if not self._is_there(name):
            return Slice([], False)
        spans = spans_of(walk)
        after = None if walk.after is None else self._document(name, walk.after.id)
        parent = self._parent(name)
        requests = [walk_request(parent, name.collection, walk, span, after) for span in spans]
        if len(requests) == 1:
            # Of very large documents a part may come in time only: then the page is short, and goes on behind it.
            answer, whole = self._client.stream_some("RunQuery", requests[0], self._end())
            found = list(map(_identified, _documents(answer)))
        else:
            # All runs are asked for at once, then merged.
            whole = True
            key = key_name(walk) or ""
            places = [
                ((key_of(stored, key) or b"")[len(span.prefix) :], *_identified(stored))
                for span, answer in zip(spans, self._client.stream("RunQuery", requests, self._end()), strict=True)
                for stored in _documents(answer)
            ]
            places.sort(key=lambda place: place[:2], reverse=walk.descending)
            found = [(id, stored) for _, id, stored in places]
        documents = [decode_document(id, stored) for id, stored in found[: walk.limit]]
        return Slice(documents, len(found) > walk.limit or not whole)

    def _count(self, name: Name, plan: Plan, up_to: int) -> int:
        if not self._is_there(name):
            return 0
        requests = count_requests(self._parent(name), name.collection, plan, up_to)
        answers = self._client.stream("RunAggregationQuery", requests, self._end())
        return min(_counted(answers), up_to)

    def _scan(self, collection: str, after: str | None, limit: int) -> ScanPage:
        stored, more, _ = self._scan_stored(collection, after, limit)
        places = [self._place(one.name) for one in stored]
        found = [
            (Name(tenant, collection).path, decode_document(id, one))
            for (tenant, id), one in zip(places, stored, strict=True)
        ]
        return ScanPage(found, _sealed(*places[-1]) if more else None)

    def _scan_stored(
        self, collection: str, after: str | None, limit: int, read_time: Any = None
    ) -> tuple[list[Any], bool, Any]:
        """Stored documents of every tenant, whether there may be more, and the time at which they were so, which
        is ``read_time`` if that is given."""
        start = None
        if after is not None:
            tenant, id = _opened(after)
            start = self._document(Name(tenant, collection), id)
        request = scan_request(self._root, collection, start, limit)
        if read_time is not None:
            request.read_time.CopyFrom(read_time)
        answer, whole = self._client.stream_some("RunQuery", request, time.monotonic() + self._bulk_deadline)
        stored = list(_documents(answer))
        return stored, bool(stored) and (len(stored) == limit or not whole), answer[-1].read_time

    # Writing

    def _save(self, name: Name, id: str, portable: Portable, expect: Expected) -> str:
        leased = self._writable(name)
        entry = entry_of(Prepared(name, id, expect, portable, False), self._document(name, id), leased.entry.written)
        (rev,) = self._writer.commit([entry])
        self._look_back([(leased, entry)])
        return str(rev)

    def _delete(self, name: Name, id: str, expect: Expected) -> None:
        if not self._is_there(name):
            raise NotFound(name.path, id)
        write = Prepared(name, id, expect, None, True)
        self._writer.commit([entry_of(write, self._document(name, id), (), must_exist=True)])

    def _commit(self, writes: list[Prepared]) -> list[str | None]:
        leases = {write.name: self._writable(write.name) for write in writes}
        entries = [
            entry_of(write, self._document(write.name, write.id), leases[write.name].entry.written) for write in writes
        ]
        revs = self._writer.commit(entries)
        self._look_back([(leases[entry.name], entry) for entry in entries])
        return revs

    def _write_batch(self, name: Name, documents: list[tuple[str, Portable]]) -> list[Outcome]:
        return self._write_expecting(name, [(id, portable, ANY) for id, portable in documents])

    def _write_newer(self, name: Name, documents: list[tuple[str, Portable]]) -> list[Outcome]:
        return write_newer(
            documents, lambda ids: self._get_many(name, ids), lambda older: self._write_expecting(name, older)
        )

    def _write_expecting(self, name: Name, documents: list[Expecting]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for start in range(0, len(documents), _WRITE_AT_ONCE):
            leased = self._writable(name)  # a long batch outlives a lease
            entries = [
                WriteEntry(
                    name,
                    id,
                    self._document(name, id),
                    expect,
                    portable,
                    False,
                    leased.entry.written,
                    new_token() if portable.rev is None else split_rev(portable.rev)[0],
                )
                for id, portable, expect in documents[start : start + _WRITE_AT_ONCE]
            ]
            part = self._writer.write_many(entries, self._bulk_deadline)
            outcomes += part
            self._look_back([(leased, entry) for entry in entries])
            if any(isinstance(one.error, Unavailable) and not isinstance(one.error, Throttled) for one in part):
                # Each further part would wait as long as this one.
                gone = Unavailable("Not sent, as Firestore did not answer for the documents before.", retry_after=2)
                outcomes += [Outcome(id, None, gone) for id, _, _ in documents[start + _WRITE_AT_ONCE :]]
                break
        return outcomes

    def _look_back(self, written: list[tuple[Leased, WriteEntry]]) -> None:
        """Give documents the keys of new indexes if this process was held up for so long that it did not know them."""
        for leased, entry in written:
            if entry.portable is not None and self._registry.late(leased):
                current = self._registry.read(entry.name.collection)
                added = tuple(index for index in current.written if index not in entry.indexes) if current else ()
                if added:
                    self._add_keys(entry.path, added)

    # Collections and their indexes

    def _indexes(self, name: Name) -> tuple[Index, ...]:
        leased = self._lease(name)
        if leased is None:
            declared = self.schema.get(name.collection)
            return declared.indexes if declared is not None else ()
        return leased.entry.ready

    def _is_there(self, name: Name) -> bool:
        """Whether the collection is registered, with its scope checked; asked once a process for those that are."""
        scope = self._registry.scope(name.collection)
        if scope is not None:
            self._check_scope(name, scope)
            return True
        if not self.create_missing:
            raise NotPrepared(name.collection)
        return False

    def _lease(self, name: Name) -> Leased | None:
        if not self._is_there(name):
            return None
        leased = self._registry.lease(name.collection)
        declared = self.schema.get(name.collection)
        if leased is not None and declared and self.create_missing and not leased.entry.has(declared):
            self._registry.grow([declared])
            leased = self._registry.lease(name.collection)
        return leased

    def _writable(self, name: Name) -> Leased:
        leased = self._lease(name)
        while leased is None:
            scope: CollectionScope = "tenant" if name.tenant else "installation"
            self._registry.grow([self.schema.get(name.collection) or Collection(name.collection, scope)])
            leased = self._lease(name)
        return leased

    def read_entry(self, name: str) -> str | None:
        """See RegistryStore."""
        stored = self._read(f"{self._root}/{REGISTRY}/{name}")
        return None if stored is None else str(stored.fields["entry"].string_value)

    def swap_entry(self, name: str, old: str | None, new: str) -> bool:
        """See RegistryStore."""
        path = f"{self._root}/{REGISTRY}/{name}"
        request = CommitRequest(database=self._client.root)
        write = request.writes.add()
        write.update.name = path
        write.update.fields["entry"].string_value = new
        if old is None:
            write.current_document.exists = False
        else:
            stored = self._read(path)
            if stored is None or stored.fields["entry"].string_value != old:
                return False
            write.current_document.update_time.CopyFrom(stored.update_time)
        return self._swapped(request)

    def backfill(self, entry: Entry, added: tuple[Index, ...]) -> None:
        """See RegistryStore. What is written meanwhile has its keys, and is not looked at: whoever always adds
        documents at the end would be followed for ever."""
        after: str | None = None
        read_time, began = None, time.monotonic()
        while True:
            if time.monotonic() - began > _OLDEST_READ:
                read_time, began = None, time.monotonic()
            page, more, read_time = self._scan_stored(entry.name, after, _WRITE_AT_ONCE, read_time)
            for stored in page:
                self._add_keys(stored.name, added, stored)
            if not more:
                return
            after = _sealed(*self._place(page[-1].name))

    def _add_keys(self, path: str, added: tuple[Index, ...], stored: Any | None = None) -> None:
        """Set a document's keys of these indexes, where they are not right, as long as it is there."""
        while stored is not None or (stored := self._read(path)) is not None:
            request = CommitRequest(database=self._client.root)
            write = request.writes.add()
            write.update.name = path
            put_keys(write.update.fields[KEYS].map_value.fields, decode_document("", stored), added)
            if all(key_of(stored, index.name) == key_of(write.update, index.name) for index in added):
                return
            write.update_mask.field_paths.extend([field_path(KEYS, index.name) for index in added])
            write.current_document.update_time.CopyFrom(stored.update_time)
            if self._swapped(request):
                return
            stored = None

    def _swapped(self, request: Any) -> bool:
        """Send a commit with a precondition; whether that held."""
        try:
            self._client.write("Commit", request, self._end())
        except grpc.RpcError as error:
            if error.code() in PRECONDITION or error.code() is grpc.StatusCode.ABORTED:
                return False
            raise
        return True

    # Operating

    def _prepare(self, schema: Schema, dry_run: bool) -> list[str]:
        done = []
        lacking = []
        for declared in schema:
            entry = self._registry.read(declared.name)
            if entry is not None and entry.scope != declared.scope:
                raise InvalidQuery(f"exists and belongs to the {entry.scope}", name=declared.name)
            missing = [index for index in declared.indexes if entry is None or index not in entry.ready]
            if entry is None or missing:
                lacking.append(declared)
            done += [f"collection {declared.name}: created"] if entry is None else []
            done += [f"collection {declared.name}: index on {index.name} created" for index in missing]
        if lacking and not dry_run:
            self._registry.grow(lacking)
        return done

    def _collections(self) -> Iterable[CollectionInfo]:
        (answer,) = self._client.stream("RunQuery", [list_request(self._root, REGISTRY)], self._end())
        for stored in _documents(answer):
            name = stored.name.rpartition("/")[2]
            yield CollectionInfo(name, Entry.decode(name, stored.fields["entry"].string_value).scope)

    def _estimate(self, collection: str) -> int:
        request = count_all_request(self._root, collection)
        return _counted(self._client.stream("RunAggregationQuery", [request], self._end()))

    def _ping(self) -> None:
        self._read(f"{self._root}/{REGISTRY}/_")

    def _doctor(self) -> list[Finding]:
        return examine(self._client, self._root, self.schema, self._prepare(self.schema, dry_run=True), self._deadline)

    def _translate(self, error: Exception) -> DatabaseError:
        return translate(error)

    # Requests

    def _end(self) -> float:
        return bounded(time.monotonic() + self._deadline)

    def _parent(self, name: Name) -> str:
        return f"{self._root}/tenants/{encode_id(name.tenant)}" if name.tenant else self._root

    def _document(self, name: Name, id: str) -> str:
        return f"{self._parent(name)}/{name.collection}/{encode_id(id)}"

    def _place(self, path: str) -> tuple[str, str]:
        """The tenant ("" for the installation) and the id of a stored document's path."""
        steps = path.removeprefix(self._root + "/").split("/")
        return (decode_id(steps[1]) if len(steps) == 4 else "", decode_id(steps[-1]))

    def _read(self, path: str) -> Any | None:
        """A stored document, or None."""
        end = self._end()
        try:
            return self._client.read("GetDocument", GetDocumentRequest(name=path), end)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            if (error.details() or "").startswith("Document"):
                return None
        # A database that does not exist is "not found" too, and that is no absence: a batch tells them apart.
        (stored,) = self._read_many([path], end)
        return stored

    def _read_many(self, paths: list[str], end: float, snapshot: bool = False) -> list[Any | None]:
        """The stored documents in the order of the paths, None for those that are not there."""
        request = BatchGetDocumentsRequest(database=self._client.root, documents=dict.fromkeys(paths))
        if snapshot:
            request.new_transaction.read_only.SetInParent()
        (answer,) = self._client.stream("BatchGetDocuments", [request], end)
        found = {part.found.name: part.found for part in answer if part.HasField("found")}
        return [found.get(path) for path in paths]


def _documents(answer: list[Any]) -> Iterable[Any]:
    """The stored documents of a query's answer, some parts of which only tell of progress."""
    return (part.document for part in answer if part.HasField("document"))


def _counted(answers: Iterable[list[Any]]) -> int:
    """The sum of the counts in aggregations' answers."""
    return sum(int(part.result.aggregate_fields["n"].integer_value) for answer in answers for part in answer)


def _identified(stored: Any) -> tuple[str, Any]:
    return decode_id(stored.name.rpartition("/")[2]), stored


def _sealed(tenant: str, id: str) -> str:
    return orjson.dumps([tenant, id]).decode()


def _opened(after: str) -> tuple[str, str]:
    try:
        place = orjson.loads(after)
        if type(place) is not list:
            raise ValueError
        tenant, id = place
        if not (0 < len(id.encode()) <= MAX_ID_BYTES and len(tenant.encode()) <= MAX_TENANT_BYTES):
            raise ValueError
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidQuery("not a place in this scan", name="after") from error
    return tenant, id
