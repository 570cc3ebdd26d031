"""CouchDB: Apache CouchDB 3.4 or later, one copy of each document.

Settings: ``COUCHDB_URL`` (http or https, with the options below), ``COUCHDB_USER``, ``COUCHDB_PASSWORD``,
``COUCHDB_PREFIX``. Needed rights: a member of the databases for everything but creating them, which takes an
administrator (docs/backends/couchdb.md). Its limits are above the contract's, unless ``max_document_size`` is set below
1 MB.

Options of the URL: ``connect_timeout`` and ``timeout`` of a request in seconds, ``connections`` at most at once,
``copies=any`` to accept databases with several copies, ``member``, a user who gets access to the databases that are
created, ``ca``, a file of certificates to trust.

The database compares and swaps single documents only; commit_record.py makes atomic commits of that. How a collection
lies in CouchDB is told in couchdb_layout.py, how a page is read in couchdb_reading.py, how a write whose reply is lost
is settled in couchdb_writing.py. The ``couchdb`` package serves where databases are created and examined
(couchdb_collections.py); documents go over couchdb_http.py alone.
"""

import os
import ssl
import time
from collections.abc import Iterable
from typing import Any, ClassVar, Final, NamedTuple, Protocol, Self
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

import orjson

from app.db.backend import Backend
from app.db.backends.couchdb_cells import Cells
from app.db.backends.couchdb_collections import Collections, Table
from app.db.backends.couchdb_doctor import examine
from app.db.backends.couchdb_errors import CouchError, HttpFailure, failure, translate
from app.db.backends.couchdb_http import Session
from app.db.backends.couchdb_layout import (
    ABSENT_MARK,
    INTENT,
    check_prefix,
    document_key,
    make_hint,
    tenant_key,
)
from app.db.backends.couchdb_reading import Reader
from app.db.backends.couchdb_writing import Writer
from app.db.capabilities import Capabilities, CollectionInfo, Finding, ScanPage
from app.db.commit_record import STALE, CommitRecords, Recovered, refused
from app.db.documents import Document, Portable
from app.db.errors import Conflict, DatabaseError, NotFound, Unavailable
from app.db.names import Name
from app.db.paging import Slice, Walk
from app.db.planner import Plan
from app.db.schema import Index, Schema
from app.db.writes import ABSENT, ANY, Expected, Outcome, Prepared
from app.errors import WherryError

_MANY: Final = 500
_PLACES_LIMIT: Final = 10_000
_SWEEP_COMMITS: Final = 50
_SWEEP_SECONDS: Final = 60.0
_OPTIONS: Final = frozenset({"connect_timeout", "timeout", "connections", "copies", "member", "tls", "ca"})


class CouchSettings(Protocol):
    """The settings this backend reads."""

    @property
    def couchdb_url(self) -> str: ...
    @property
    def couchdb_user(self) -> str: ...
    @property
    def couchdb_password(self) -> str: ...
    @property
    def couchdb_prefix(self) -> str: ...


class _Place(NamedTuple):
    """A tenant's part of a collection: its database, and what its documents' ids and paths begin with."""

    table: Table
    key: str
    path: str


class CouchDatabase(Backend):
    """The contract on a CouchDB server."""

    capabilities: ClassVar = Capabilities(fresh_queries=True, shared=True, durable=True)
    driver_errors: ClassVar[tuple[type[Exception], ...]] = (CouchError, orjson.JSONDecodeError)

    def __init__(
        self,
        session: Session,
        prefix: str,
        schema: Schema | None = None,
        *,
        copies: bool = False,
        member: str = "",
        **options: Any,
    ) -> None:
        """``copies`` accepts databases with several copies; ``member`` may use the databases that are created."""
        super().__init__(schema, **options)
        self.session = session
        self.answers_within = session.timeout
        self._databases = Collections(
            session,
            check_prefix(prefix),
            self.schema,
            create_missing=self.create_missing,
            copies=copies,
            member=member,
        )
        self._cells = Cells(self._databases)
        self._records = CommitRecords(self._cells)
        self._reader = Reader(self._cells, self._records)
        self._writer = Writer(self._cells, self._records)
        self._places: dict[Name, _Place] = {}
        self._writable: dict[Name, Table] = {}
        self._sweeping = 0
        self._commits = _SWEEP_COMMITS  # due at once
        self._swept = 0.0

    @classmethod
    def from_settings(cls, settings: CouchSettings, schema: Schema | None, **options: Any) -> Self:
        """From COUCHDB_URL, COUCHDB_USER, COUCHDB_PASSWORD and COUCHDB_PREFIX."""
        url = urlsplit(settings.couchdb_url)
        threads = getattr(settings, "threads", 0)
        more = {"connections": str(threads + 1)} if threads else {}  # one for the readiness probe
        if url.username or url.password:
            raise WherryError("COUCHDB_URL must not hold a user: use COUCHDB_USER and COUCHDB_PASSWORD.")
        asked = {**more, **_asked(url, "COUCHDB_URL")}
        session = _session(url, url.scheme == "https", settings.couchdb_user, settings.couchdb_password, asked)
        return cls(session, settings.couchdb_prefix, schema, **_own(asked), **options)

    @classmethod
    def from_url(cls, url: SplitResult, schema: Schema | None, **options: Any) -> Self:
        """``couchdb://user:password@host:5984/prefix``, with the options of COUCHDB_URL and ``?tls=1``."""
        base, _, prefix = url.path.strip("/").rpartition("/")
        if not url.hostname or not prefix:
            raise WherryError("A CouchDB URL is couchdb://user:password@host:5984/prefix.")
        asked = _asked(url, "The CouchDB URL")
        tls = asked.get("tls", "0") not in ("", "0", "false")
        place = url._replace(path=f"/{base}" if base else "")
        session = _session(place, tls, unquote(url.username or ""), unquote(url.password or ""), asked)
        return cls(session, prefix, schema, **_own(asked), **options)

    @classmethod
    def url_of(cls, settings: CouchSettings) -> str:
        """See Backend."""
        url = urlsplit(settings.couchdb_url)
        user = f"{quote(settings.couchdb_user, safe='')}@" if settings.couchdb_user else ""
        query = "&".join(part for part in (url.query, "tls=1" if url.scheme == "https" else "") if part)
        base = url.path.rstrip("/")
        return f"couchdb://{user}{url.netloc}{base}/{settings.couchdb_prefix}" + (f"?{query}" if query else "")

    @classmethod
    def with_password(cls, url: SplitResult, settings: Any) -> SplitResult:
        """With COUCHDB_PASSWORD. To ask with a wrong one is worse than not to ask: after a few times CouchDB locks the
        user out, here and wherever else."""
        if not url.username or url.password is not None:
            return url
        password = getattr(settings, "couchdb_password", "")
        if not password:
            raise WherryError("COUCHDB_PASSWORD is not set, and no password stands there.")
        host = url.netloc.rpartition("@")[2]
        return url._replace(netloc=f"{url.username}:{quote(password, safe='')}@{host}")

    @classmethod
    def place_of(cls, url: SplitResult) -> object:
        """Whatever the options, none of which chooses another database."""
        return url.hostname, url.port, url.path.rstrip("/")

    def close(self) -> None:
        """Close every idle connection of this process; the next use opens new ones."""
        self.session.close()

    def recover(self, older: float = STALE) -> Recovered:
        """Settle what commits that were cut off have left behind, all of it: for ``wherry db recover``.

        Aborts commits that are pending for longer than ``older`` seconds, finishes decided ones, and removes records
        that nobody needs any more. Safe at any time, beside running processes.
        """
        try:
            return self._records.recover(older=older)
        except self.driver_errors as error:
            raise self._translate(error) from error

    def recover_commits(self) -> list[str]:
        """See Backend."""
        done = self.recover()
        counts = (
            (done.aborted, "commits that were cut off: aborted"),
            (done.folded, "documents of decided commits: settled"),
            (done.removed, "commit records that nobody needs: removed"),
        )
        return [f"{number} {what}" for number, what in counts if number]

    def abort_pending(self, since: str = "") -> str:
        """See Backend."""
        try:
            records, mark = self._cells.pending_since(since)
            for record in records:
                self._records.settle(record)
        except self.driver_errors as error:
            raise self._translate(error) from error
        return mark

    # Reading

    def _get(self, name: Name, id: str) -> Document | None:
        place = self._places.get(name) or self._place(name)
        if place is None:
            return None
        reply = self.session.request("GET", place.path + quote(id, safe=""), safe=True)
        if reply.status != 200:
            self._explain_absence(failure(reply.status, reply.body))
            return None
        document: Document = orjson.loads(reply.body)
        if INTENT in document or ABSENT_MARK in document:
            return self._reader.shown(place.table, [document]).get(place.key + id)
        rev = document["_rev"]
        token = document.pop("~t", rev)
        document["_id"] = id
        document["_rev"] = f"{token}.{make_hint(rev, token, place.key + id, place.table.seed)}"
        return document

    def _get_many(self, name: Name, ids: list[str]) -> dict[str, Document]:
        place = self._place(name)
        found: dict[str, Document] = {}
        if place is not None:
            for start in range(0, len(ids), _MANY):
                keys = [place.key + id for id in ids[start : start + _MANY]]
                shown = self._reader.shown(place.table, self._cells.bulk_get(place.table, keys))
                found.update((document["_id"], document) for document in shown.values())
        return found

    def _read_together(self, keys: list[tuple[Name, str]]) -> list[Document | None]:
        if len(keys) == 1:
            return [self._get(*keys[0])]
        places = {name: self._place(name) for name, _ in keys}
        cells = self._records.together(list(dict.fromkeys(keys)))
        found: list[Document | None] = []
        for name, id in keys:
            place, cell = places[name], cells.get((name, id))
            if place is None or cell is None:
                found.append(None)
            else:
                found.append(self._reader.of_cell(place.table, place.key + id, cell))
        return found

    def _walk(self, name: Name, walk: Walk) -> Slice:
        place = self._places.get(name) or self._place(name)
        return Slice([], False) if place is None else self._reader.walk(place.table, name, walk)

    def _count(self, name: Name, plan: Plan, up_to: int) -> int:
        place = self._place(name)
        return 0 if place is None else min(up_to, self._reader.count(place.table, name, plan, up_to))

    def _scan(self, collection: str, after: str | None, limit: int) -> ScanPage:
        table = self._databases.find(collection)
        return ScanPage([], None) if table is None else self._reader.scan(table, after, limit)

    # Writing

    def _save(self, name: Name, id: str, portable: Portable, expect: Expected) -> str:
        table = self._writable.get(name) or self._table(name)
        try:
            return self._writer.put(table, name, id, portable, expect)
        except HttpFailure as error:
            if not error.no_database:
                raise
        self._forget()
        return self._writer.put(self._table(name), name, id, portable, expect)

    def _delete(self, name: Name, id: str, expect: Expected) -> None:
        place = self._place(name)
        if place is None:
            raise NotFound(name.path, id)
        self._writer.delete(self._table(name), name, id, expect)

    def _commit(self, writes: list[Prepared]) -> list[str | None]:
        if len(writes) == 1 and not writes[0].token:
            return [self._commit_one(writes[0])]
        tables = {write.name: self._table(write.name) for write in writes}
        revs: list[str | None] = []
        for write, made in zip(writes, self._records.commit(writes), strict=True):
            if made is None:
                revs.append(None)
                continue
            token, hint = made
            key = document_key(write.name, write.id)
            revs.append(f"{token}.{make_hint(hint, token, key, tables[write.name].seed)}" if hint else token)
        self._sweep()
        return revs

    def _commit_one(self, write: Prepared) -> str | None:
        """A plain compare-and-swap: one document is atomic by itself."""
        if write.portable is not None:
            return self._save(write.name, write.id, write.portable, write.expect)
        if write.delete and write.expect is not ABSENT:
            try:
                self._delete(write.name, write.id, write.expect)
            except NotFound as error:
                if write.expect is not ANY:
                    raise Conflict([(write.name.path, write.id)]) from error
            return None
        found = self._get(write.name, write.id)
        tokens = {} if found is None else {(write.name, write.id): found["_rev"].partition(".")[0]}
        conflicts = refused([write], tokens)
        if conflicts:
            raise Conflict(conflicts)
        return None

    def _write_batch(self, name: Name, documents: list[tuple[str, Portable]]) -> list[Outcome]:
        return self._writer.batch(self._table(name), name, documents)

    def _write_newer(self, name: Name, documents: list[tuple[str, Portable]]) -> list[Outcome]:
        return self._writer.batch(self._table(name), name, documents, only_newer=True)

    def _sweep(self) -> None:
        """Recover and tidy now and then, beside the commits: a few requests every fifty of them, or once a minute."""
        self._commits += 1
        now = time.monotonic()
        if self._commits < _SWEEP_COMMITS and now - self._swept < _SWEEP_SECONDS:
            return
        # A process id and not a lock, which a fork would leave locked. Two threads that sweep at once do no harm.
        if self._sweeping == os.getpid():
            return
        self._sweeping = os.getpid()
        try:
            self._commits, self._swept = 0, now
            self._records.sweep()
        except Unavailable:
            return  # the commit that brought us here is done; the next one tries again
        finally:
            self._sweeping = 0

    # Collections

    def _place(self, name: Name) -> _Place | None:
        """Where a tenant's documents are, or None where the collection does not exist yet."""
        place = self._places.get(name)
        if place is not None:
            return place
        table = self._databases.find(name.collection)
        if table is None:
            return None
        self._check_scope(name, table.scope)
        if len(self._places) >= _PLACES_LIMIT:
            self._places.clear()
        key = tenant_key(name.tenant)
        place = self._places[name] = _Place(table, key, f"{table.path}/{quote(key, safe='')}")
        return place

    def _table(self, name: Name) -> Table:
        """The collection to write to, created if it has to be."""
        table = self._writable.get(name)
        if table is None:
            known = self._databases.find(name.collection)
            if known is not None:
                self._check_scope(name, known.scope)
            table = self._databases.writable(name)
            self._check_scope(name, table.scope)
            if len(self._writable) >= _PLACES_LIMIT:
                self._writable.clear()
            first = not self._writable
            self._writable[name] = table
            if first:
                self._sweep()  # what an earlier process left behind
        return table

    def _explain_absence(self, failed: HttpFailure) -> None:
        """Return if a document is absent, or its database is and may be; else raise."""
        if failed.no_document:
            return
        if failed.no_database:
            self._forget()
        if not failed.no_database or not self.create_missing:
            raise failed

    def _forget(self) -> None:
        self._databases.forget()
        self._places.clear()
        self._writable.clear()

    def _indexes(self, name: Name) -> tuple[Index, ...]:
        place = self._places.get(name) or self._place(name)
        if place is not None and place.table.outdated:
            self._forget()
            place = self._place(name)
        if place is not None:
            return place.table.indexes
        declared = self.schema.get(name.collection)
        return declared.indexes if declared is not None else ()

    def _prepare(self, schema: Schema, dry_run: bool) -> list[str]:
        done = self._databases.prepare(schema, dry_run)
        if not dry_run:
            self._forget()
        return done

    def _collections(self) -> Iterable[CollectionInfo]:
        return self._databases.infos()

    # Operating

    def _estimate(self, collection: str) -> int:
        table = self._databases.find(collection)
        if table is None:
            return 0
        views = len(table.indexes) + 1  # are documents too
        return max(0, int(self._databases.info(collection)["doc_count"]) - views)

    def _ping(self) -> None:
        self.session.json("GET", "/_up")

    def _doctor(self) -> list[Finding]:
        return examine(self._databases, self.schema)

    def _translate(self, error: Exception) -> DatabaseError:
        return translate(error)


def _asked(url: SplitResult, named: str) -> dict[str, str]:
    """The options of a URL."""
    asked = {key: values[-1] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
    for key in asked:
        if key not in _OPTIONS:
            raise WherryError(f"{named} has no option {key!r}: {', '.join(sorted(_OPTIONS))} are known.")
    return asked


def _own(asked: dict[str, str]) -> dict[str, Any]:
    return {"copies": asked.get("copies", "one") == "any", "member": asked.get("member", "")}


def _session(url: SplitResult, tls: bool, user: str, password: str, asked: dict[str, str]) -> Session:
    bounds: dict[str, Any] = {key: _number(key, asked[key]) for key in ("connect_timeout", "timeout") if key in asked}
    try:
        port = url.port
    except ValueError as error:
        raise WherryError("COUCHDB_URL's port must be a number up to 65535.") from error
    if not url.hostname:
        raise WherryError("COUCHDB_URL names no host.")
    if "connections" in asked:
        bounds["connections"] = int(_number("connections", asked["connections"]))
    try:
        context = ssl.create_default_context(cafile=asked.get("ca")) if tls else None
    except OSError as error:
        raise WherryError(f"COUCHDB_URL's ca {asked.get('ca')!r} cannot be read.") from error
    base = url.path.rstrip("/")
    return Session(
        url.hostname, port or (6984 if tls else 5984), tls=context, user=user, password=password, base=base, **bounds
    )


def _number(key: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 3_600:
        raise WherryError(f"{key} is {text!r} in COUCHDB_URL, but must be a number above 0.")
    return number
