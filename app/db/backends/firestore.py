"""Firestore: every write and commit is one request with preconditions; no interactive transactions.

Settings: ``FIRESTORE_PROJECT``; ``FIRESTORE_DATABASE`` ("(default)", or the name of another one of the project);
``FIRESTORE_PREFIX`` (the top-level collection that holds everything, "wherry"); ``FIRESTORE_CREDENTIALS`` (a service
account's file; empty: Google's application default credentials); ``FIRESTORE_EMULATOR`` (host:port, for tests). Needed
right: roles/datastore.user. Limits of its own below the contract's: none; docs/backends/firestore.md tells about cost
and rates.

Where a document lies is told in firestore_paths.py, how it is kept in firestore_codec.py, how it is written in
firestore_writing.py. A query reads runs of Firestore's own single-field index on an order key.
"""

import time
from collections.abc import Iterable
from typing import Any, ClassVar, Final, Protocol, Self
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlencode

from google.auth.exceptions import GoogleAuthError

from app.db.backend import Backend
from app.db.backends.firestore_client import FirestoreClient
from app.db.backends.firestore_codec import decode_document, encode_id
from app.db.backends.firestore_collections import Collections
from app.db.backends.firestore_doctor import examine
from app.db.backends.firestore_errors import DRIVER_ERRORS, translate
from app.db.backends.firestore_messages import grpc
from app.db.backends.firestore_paths import Paths
from app.db.backends.firestore_reading import AT_MOST, Reader
from app.db.backends.firestore_writing import Entry as WriteEntry
from app.db.backends.firestore_writing import Writer, entry_of
from app.db.backends.newer import Expecting, write_newer
from app.db.backends.scan_place import sealed
from app.db.capabilities import Capabilities, CollectionInfo, Finding, ScanPage
from app.db.documents import Document, Portable, new_token, split_rev
from app.db.errors import DatabaseError, InvalidQuery, NotFound, NotPrepared, Throttled, Unavailable
from app.db.index_registry import LEASE, Leased
from app.db.names import Name
from app.db.paging import Slice, Walk
from app.db.planner import Plan
from app.db.schema import Collection, CollectionScope, Index, Schema
from app.db.time_limit import bounded
from app.db.writes import ANY, Expected, Outcome, Prepared
from app.errors import WherryError

DEADLINE: Final = 2.5
DEFAULT: Final = "(default)"
"""Google's name for the database that a project has without naming one."""
_WRITE_AT_ONCE: Final = 200


class FirestoreSettings(Protocol):
    """The settings this backend reads."""

    @property
    def firestore_project(self) -> str: ...
    @property
    def firestore_prefix(self) -> str: ...
    @property
    def firestore_database(self) -> str: ...
    @property
    def firestore_emulator(self) -> str: ...
    @property
    def firestore_credentials(self) -> str: ...


class FirestoreDatabase(Backend):
    """The contract on one Firestore database in native mode.

    ``deadline`` bounds every operation in seconds (bulk writes: every request, twice as long). ``lease`` is how long a
    process uses what it knows of the indexes; adding one takes a little longer than that.
    """

    capabilities: ClassVar = Capabilities(fresh_queries=True, shared=True, durable=True, scan_at_once=1_000)
    driver_errors: ClassVar[tuple[type[Exception], ...]] = DRIVER_ERRORS

    def __init__(
        self,
        project: str,
        schema: Schema | None = None,
        *,
        prefix: str = "wherry",
        database: str = DEFAULT,
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
        self._deadline = self.answers_within = deadline
        self._bulk_deadline = 2 * deadline
        self._paths = Paths(f"{self._client.root}/documents/{encode_id(prefix)}/db")
        self._reader = Reader(self._client, self._paths, self._end, self._bulk_deadline)
        self._writer = Writer(self._client, self._reader.many, deadline)
        self._registered = Collections(
            self._client, self._paths, self._reader, self._end, lease=lease, longest_write=self._bulk_deadline
        )
        self._registry = self._registered.registry

    @classmethod
    def from_settings(cls, settings: FirestoreSettings, schema: Schema | None, **options: Any) -> Self:
        """From the settings whose names begin with FIRESTORE_."""
        return cls(
            settings.firestore_project,
            schema,
            prefix=settings.firestore_prefix,
            database=settings.firestore_database,
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

    @classmethod
    def url_of(cls, settings: FirestoreSettings) -> str:
        """See Backend."""
        options = {
            "database": "" if settings.firestore_database == DEFAULT else settings.firestore_database,
            "emulator": settings.firestore_emulator,
            "credentials": settings.firestore_credentials,
        }
        query = urlencode({key: value for key, value in options.items() if value})
        return f"firestore://{settings.firestore_project}/{settings.firestore_prefix}" + (f"?{query}" if query else "")

    @classmethod
    def place_of(cls, url: SplitResult) -> object:
        """Whoever's credentials are shown."""
        asked = dict(parse_qsl(url.query))
        return url.netloc, url.path.strip("/") or "wherry", asked.get("database", DEFAULT), asked.get("emulator", "")

    def close(self) -> None:
        """Close the channel; the next use opens a new one."""
        self._client.close()

    # Reading

    def _get(self, name: Name, id: str) -> Document | None:
        if not self._is_there(name):
            return None
        stored = self._reader.one(self._paths.document(name, id))
        return None if stored is None else decode_document(id, stored)

    def _get_many(self, name: Name, ids: list[str]) -> dict[str, Document]:
        found: dict[str, Document] = {}
        if self._is_there(name):
            for start in range(0, len(ids), AT_MOST):
                part = ids[start : start + AT_MOST]
                stored = self._reader.many([self._paths.document(name, id) for id in part], self._end())
                for id, one in zip(part, stored, strict=True):
                    if one is not None:
                        found[id] = decode_document(id, one)
        return found

    def _read_together(self, keys: list[tuple[Name, str]]) -> list[Document | None]:
        there = {name: self._is_there(name) for name, _ in keys}
        if not any(there.values()):
            return [None] * len(keys)
        paths = [self._paths.document(name, id) for name, id in keys]
        stored = self._reader.together(paths)
        return [None if one is None else decode_document(id, one) for (_, id), one in zip(keys, stored, strict=True)]

    def _walk(self, name: Name, walk: Walk) -> Slice:
        if not self._is_there(name):
            return Slice([], False)
        found, whole = self._reader.walk(name, walk)
        documents = [decode_document(id, stored) for id, stored in found[: walk.limit]]
        return Slice(documents, len(found) > walk.limit or not whole)

    def _count(self, name: Name, plan: Plan, up_to: int) -> int:
        return self._reader.count(name, plan, up_to) if self._is_there(name) else 0

    def _scan(self, collection: str, after: str | None, limit: int) -> ScanPage:
        stored, more, _ = self._reader.scan(collection, after, limit)
        places = [self._paths.place(one.name) for one in stored]
        found = [
            (Name(tenant, collection).path, decode_document(id, one))
            for (tenant, id), one in zip(places, stored, strict=True)
        ]
        return ScanPage(found, sealed(*places[-1]) if more else None)

    # Writing

    def _save(self, name: Name, id: str, portable: Portable, expect: Expected) -> str:
        leased = self._writable(name)
        entry = entry_of(
            Prepared(name, id, expect, portable, False), self._paths.document(name, id), leased.entry.written
        )
        (rev,) = self._writer.commit([entry])
        self._look_back([(leased, entry)])
        return str(rev)

    def _delete(self, name: Name, id: str, expect: Expected) -> None:
        if not self._is_there(name):
            raise NotFound(name.path, id)
        write = Prepared(name, id, expect, None, True)
        self._writer.commit([entry_of(write, self._paths.document(name, id), (), must_exist=True)])

    def _commit(self, writes: list[Prepared]) -> list[str | None]:
        leases = {write.name: self._writable(write.name) for write in writes}
        entries = [
            entry_of(write, self._paths.document(write.name, write.id), leases[write.name].entry.written)
            for write in writes
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
            try:
                leased = self._writable(name)  # a long batch outlives a lease
            except (grpc.RpcError, GoogleAuthError, Unavailable) as error:
                if not start:
                    raise
                # The steps before have their outcomes.
                failed = error if isinstance(error, Unavailable) else translate(error)
                return outcomes + [Outcome(id, None, failed) for id, _, _ in documents[start:]]
            entries = [
                WriteEntry(
                    name,
                    id,
                    self._paths.document(name, id),
                    expect,
                    portable,
                    False,
                    leased.entry.written,
                    new_token() if portable.rev is None else split_rev(portable.rev)[0],
                )
                for id, portable, expect in documents[start : start + _WRITE_AT_ONCE]
            ]
            part = self._writer.write_many(entries, self._bulk_deadline)
            try:
                self._look_back([(leased, entry) for entry in entries])
            except Unavailable as error:
                part = [Outcome(one.id, None, one.error or error) for one in part]
            outcomes += part
            if any(isinstance(one.error, Unavailable) and not isinstance(one.error, Throttled) for one in part):
                # Each further part would wait as long as this one.
                gone = Unavailable("Not sent, as Firestore did not answer for the documents before.", retry_after=2)
                outcomes += [Outcome(id, None, gone) for id, _, _ in documents[start + _WRITE_AT_ONCE :]]
                break
        return outcomes

    def _look_back(self, written: list[tuple[Leased, WriteEntry]]) -> None:
        """Give documents the keys of new indexes if this process was held up for so long that it did not know them.

        They are written by now: where this fails, it is unknown whether lists by those indexes show them.
        """
        try:
            for leased, entry in written:
                if entry.portable is not None and self._registry.late(leased):
                    current = self._registry.read(entry.name.collection)
                    added = tuple(index for index in current.written if index not in entry.indexes) if current else ()
                    if added:
                        self._registered.add_keys(entry.path, added)
        except (grpc.RpcError, GoogleAuthError, DatabaseError) as error:
            raise Unavailable(
                "Firestore did not answer after a write that was held up.", retry_after=2, outcome="unknown"
            ) from error

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
        return (CollectionInfo(entry.name, entry.scope) for entry in self._registered.entries())

    def _estimate(self, collection: str) -> int:
        return self._reader.count_all(collection)

    def _ping(self) -> None:
        self._registered.ping()

    def _doctor(self) -> list[Finding]:
        return examine(
            self._client, self._paths.root, self.schema, self._prepare(self.schema, dry_run=True), self._deadline
        )

    def _translate(self, error: Exception) -> DatabaseError:
        return translate(error)

    def _end(self) -> float:
        return bounded(time.monotonic() + self._deadline)
