"""Backend: what every backend's class has in common.

The public methods check, measure and translate errors once, then call the backend's hooks (``_get`` and so on), so that
a backend file holds only what is special to its database. Hooks get checked names, ids and documents; they may raise
their driver's errors (listed in ``driver_errors``), which ``_translate`` turns into ours in one place. What the public
methods promise stands in service.py.
"""

import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Self
from urllib.parse import SplitResult, parse_qsl

from app.db.batch import accept_batch
from app.db.capabilities import Capabilities, CollectionInfo, Finding, ScanPage
from app.db.documents import (
    MAX_BYTES,
    MAX_BYTES_TOGETHER,
    Document,
    Portable,
    canonical_json,
    check_document,
    checked_revision,
    size_together,
    split_rev,
)
from app.db.errors import Conflict, DatabaseError, InvalidDocument, InvalidQuery, NotFound, TooLarge, Unavailable
from app.db.metrics import Meter, measure
from app.db.names import MAX_ID_BYTES, Name, check_collection, check_id, parse_name
from app.db.overlay import Overlay
from app.db.paging import Slice, Walk, Walker, count_documents, query_page
from app.db.planner import Plan
from app.db.query import Condition, Page, Query, check_conditions
from app.db.schema import CollectionScope, Index, Schema
from app.db.service import DatabaseService
from app.db.writes import ABSENT, ANY, Check, Delete, Expected, Outcome, Prepared, Put, Saved, Write

MAX_TOGETHER = 100
_WALK_CHUNK = 500
_NAMES_LIMIT = 10_000
_log = logging.getLogger(__name__)


class Backend(DatabaseService):
    """A database reached directly. Constructing one does no I/O: it connects when first used, in each process anew.

    ``schema`` declares collections and indexes. ``create_missing`` lets the first use of a collection create its table
    and indexes. ``strict`` makes a query that no declared index serves an InvalidQuery; otherwise it is answered by
    reading the tenant's whole collection, logged, and counted in ``unserved`` by collection. ``cursor_secret`` seals
    cursors: processes that share it accept each other's. ``meter`` counts and times every operation and is kept as
    ``service.meter``.
    """

    capabilities: ClassVar[Capabilities]
    driver_errors: ClassVar[tuple[type[Exception], ...]]
    beyond: ClassVar[int] = 2
    """How many entries more than the contract's bound the database takes in a commit, for a migration's own."""

    def __init__(
        self,
        schema: Schema | None = None,
        *,
        create_missing: bool = True,
        strict: bool = False,
        cursor_secret: bytes = b"wherry",
        meter: Meter | None = None,
    ) -> None:
        self.schema = schema if schema is not None else Schema()
        self.create_missing = create_missing
        self.strict = strict
        self.cursor_secret = cursor_secret
        self.unserved: Counter[str] = Counter()
        self._names: dict[str, Name] = {}
        self.meter = meter
        if meter is not None:
            measure(self, meter)

    @classmethod
    @abstractmethod
    def from_settings(cls, settings: Any, schema: Schema | None, **options: Any) -> Self:
        """Made from the application's settings; raises WherryError naming the setting that is missing or wrong."""

    @classmethod
    @abstractmethod
    def from_url(cls, url: SplitResult, schema: Schema | None, **options: Any) -> Self:
        """Made from a URL as ``open_database`` takes it."""

    @classmethod
    @abstractmethod
    def url_of(cls, settings: Any) -> str:
        """The URL by which ``from_url`` finds the database of these settings, without a password: a live migration
        keeps it. "" for one that no other process reaches."""

    @classmethod
    def with_password(cls, url: SplitResult, settings: Any) -> SplitResult:
        """A URL that names a user and no password, with the one that the settings hold; by default the URL as it is.

        WherryError naming the setting that is missing. ``settings`` may be None, or lack it.
        """
        return url

    @classmethod
    def place_of(cls, url: SplitResult) -> object:
        """What a URL names, whoever asks for it: equal for two URLs of one database, as far as their text tells, and
        never for those of two."""
        return url.hostname, url.port, url.path.rstrip("/"), sorted(parse_qsl(url.query))

    # Reading

    def get(self, collection: str, id: str) -> Document:
        name = self._names.get(collection) or self._name(collection)
        if type(id) is not str or not id.isascii() or not 0 < len(id) <= MAX_ID_BYTES:  # check_id's usual case
            check_id(id)
        try:
            document = self._get(name, id)
        except self.driver_errors as error:
            raise self._translate(error) from error
        if document is None:
            raise NotFound(collection, id)
        return document

    def get_many(self, collection: str, ids: Iterable[str]) -> dict[str, Document]:
        name = self._names.get(collection) or self._name(collection)
        wanted = list(dict.fromkeys(check_id(id) for id in ids))
        if not wanted:
            return {}
        try:
            found = self._get_many(name, wanted)
        except self.driver_errors as error:
            raise self._translate(error) from error
        return {id: found[id] for id in wanted if id in found}

    def read_together(self, keys: Sequence[tuple[str, str]]) -> list[Document | None]:
        if len(keys) > MAX_TOGETHER:
            raise TooLarge(f"At most {MAX_TOGETHER} documents are read together, not {len(keys)}.")
        wanted = [(self._name(collection), check_id(id)) for collection, id in keys]
        if not wanted:
            return []
        try:
            documents = self._read_together(wanted)
        except self.driver_errors as error:
            raise self._translate(error) from error
        if len(keys) * MAX_BYTES > MAX_BYTES_TOGETHER:
            bodies = [_body(document) for document in documents if document is not None]
            total = size_together([(body, canonical_json(body)) for body in bodies])
            if total > MAX_BYTES_TOGETHER:
                raise TooLarge(f"At most {MAX_BYTES_TOGETHER:,} bytes are read together, not {total:,}.")
        return documents

    def list_all(self, collection: str) -> Iterator[Document]:
        name = self._name(collection)

        def chunks() -> Iterator[Document]:
            walk = Walk.by_id(limit=_WALK_CHUNK)
            while True:
                part = self.walk(name, walk)
                yield from part.documents
                if not part.more:
                    return
                walk = walk.after_id(part.documents[-1]["_id"])

        return chunks()

    def query(self, collection: str, query: Query) -> Page:
        name = self._names.get(collection) or self._name(collection)
        walker: Walker = self
        if query.recent and not self.capabilities.fresh_queries:
            walker = Overlay(self, query.recent, self.get_many(collection, query.recent), query.order_by)
        try:
            return query_page(walker, name, query)
        except self.driver_errors as error:
            raise self._translate(error) from error

    def count(self, collection: str, where: tuple[Condition, ...] = (), up_to: int = 1_000) -> tuple[int, bool]:
        name = self._name(collection)
        check_conditions(where)
        if type(up_to) is not int or up_to < 1:
            raise InvalidQuery("a bound of at least 1", name="up_to")
        try:
            found = count_documents(self, name, where, up_to + 1)
        except self.driver_errors as error:
            raise self._translate(error) from error
        return min(found, up_to), found <= up_to

    def scan(self, name: str, after: str | None = None, limit: int = 500) -> ScanPage:
        check_collection(name)
        if type(limit) is not int or not 1 <= limit <= 10_000:
            raise InvalidQuery("a limit is 1 to 10,000", name="limit")
        if after is not None and type(after) is not str:
            raise InvalidQuery("not a place in this scan", name="after")
        try:
            return self._scan(name, after, limit)
        except self.driver_errors as error:
            raise self._translate(error) from error

    # Writing

    def save(self, collection: str, id: str, document: Document) -> Saved:
        name = self._names.get(collection) or self._name(collection)
        if type(id) is not str or not id.isascii() or not 0 < len(id) <= MAX_ID_BYTES:  # check_id's usual case
            check_id(id)
        portable = check_document(document, id)
        expect = portable.rev
        try:
            rev = self._save(name, id, portable, ANY if expect is None else checked_revision(expect))
        except self.driver_errors as error:
            raise self._translate(error) from error
        return {"id": id, "rev": rev}

    def create(self, collection: str, id: str, document: Document) -> Saved:
        name = self._names.get(collection) or self._name(collection)
        check_id(id)
        portable = check_document(document, id)
        try:
            rev = self._save(name, id, portable, ABSENT)
        except self.driver_errors as error:
            raise self._translate(error) from error
        return {"id": id, "rev": rev}

    def delete(self, collection: str, id: str, rev: str | None = None) -> None:
        name = self._names.get(collection) or self._name(collection)
        check_id(id)
        try:
            self._delete(name, id, ANY if rev is None else checked_revision(rev))
        except self.driver_errors as error:
            raise self._translate(error) from error

    def commit(self, writes: Sequence[Write]) -> list[Saved | None]:
        return self._committed(self._prepared(writes))

    def commit_with(self, writes: Sequence[Write], own: Sequence[Write]) -> list[Saved | None]:
        """``commit`` of the caller's ``writes`` and a migration's ``own`` entries together; answers for the former.

        Where the database takes more than the contract promises (``beyond``), own entries are extra. Where it does
        not, they use up places, and the caller has that many fewer.
        """
        bound = MAX_TOGETHER + min(self.beyond, len(own))
        return self._committed(self._prepared([*writes, *own], bound, len(own)))[: len(writes)]

    def abort_pending(self, since: str = "") -> str:
        """Decide every commit that has begun and is not decided, by aborting it: none of them can come through later.

        Answers a mark; with it, a later call looks only at what was begun since. For a migration that stops the
        writers. Nothing is ever pending where the database itself commits atomically.
        """
        return ""

    def refuse_writes(self, collections: Sequence[str], *, on: bool) -> bool:
        """Let the database itself refuse to change these collections from now on, or no longer; False if it cannot.

        For data that has moved: processes of this release need no guard, but an older one or a script does. Commits of
        this very service, and of whoever else asked for the guard, still come through: a migration's runner goes on.
        """
        return False

    def _committed(self, prepared: list[Prepared]) -> list[Saved | None]:
        if not prepared:
            return []
        try:
            revs = self._commit(prepared)
        except Conflict as conflict:
            raise self._whole_conflict(prepared, conflict) from conflict
        except self.driver_errors as error:
            raise self._translate(error) from error
        return [
            None if rev is None else {"id": write.id, "rev": rev} for write, rev in zip(prepared, revs, strict=True)
        ]

    def write_batch(
        self,
        collection: str,
        documents: Iterable[Document],
        keep_revisions: bool = False,
        only_newer: bool = False,
    ) -> list[Outcome]:
        name = self._name(collection)
        batch = accept_batch(documents, keep_revisions or only_newer)
        if batch.accepted:
            try:
                batch.enter((self._write_newer if only_newer else self._write_batch)(name, batch.accepted))
            except self.driver_errors as error:
                raise self._translate(error) from error
        return batch.outcomes()

    # Operating

    def prepare(self, schema: Schema | None = None, dry_run: bool = False) -> list[str]:
        try:
            return self._prepare(schema if schema is not None else self.schema, dry_run)
        except self.driver_errors as error:
            raise self._translate(error) from error

    def collections(self) -> list[CollectionInfo]:
        try:
            return sorted(self._collections())
        except self.driver_errors as error:
            raise self._translate(error) from error

    def estimate(self, name: str) -> int | None:
        try:
            return self._estimate(check_collection(name))
        except self.driver_errors as error:
            raise self._translate(error) from error

    def ping(self) -> None:
        try:
            self._ping()
        except self.driver_errors as error:
            raise self._translate(error) from error

    def doctor(self) -> list[Finding]:
        try:
            return self._doctor()
        except Unavailable as error:
            outage: DatabaseError = error
        except self.driver_errors as error:
            outage = self._translate(error)
        return [Finding("reachable", False, str(outage), "Start the database or correct its setting.")]

    # What paging and backends use

    def walk(self, name: Name, walk: Walk) -> Slice:
        """One stretch of a collection or index, in order, with the driver's errors translated."""
        try:
            return self._walk(name, walk)
        except self.driver_errors as error:
            raise self._translate(error) from error

    def walk_path(self, collection: str, walk: Walk) -> Slice:
        """``walk`` in a collection that is named by its path."""
        return self.walk(self._name(collection), walk)

    def indexes(self, name: Name) -> tuple[Index, ...]:
        """The indexes that the collection has in the database."""
        return self._indexes(name)

    def count_run(self, name: Name, plan: Plan, up_to: int) -> int:
        """How many documents the plan's runs hold, at most ``up_to``."""
        return self._count(name, plan, up_to)

    def note_unserved(self, name: Name, asked: str) -> None:
        """Refuse (``strict``), or log and count, a query that no declared index serves."""
        sentence = f"no declared index serves {asked}"
        if self.strict:
            raise InvalidQuery(sentence, name=name.collection)
        self.unserved[name.collection] += 1
        _log.warning("Slow query on %s: %s", name.collection, sentence)

    def _name(self, collection: str) -> Name:
        """The checked name of a collection's path, remembered: paths come again and again."""
        known = self._names.get(collection) if type(collection) is str else None
        if known is not None:
            return known
        name = parse_name(collection)
        declared = self.schema.get(name.collection)
        if declared is not None:
            self._check_scope(name, declared.scope)
        if len(self._names) >= _NAMES_LIMIT:
            self._names.clear()
        self._names[collection] = name
        return name

    def _check_scope(self, name: Name, scope: CollectionScope) -> None:
        """InvalidQuery if a collection of the installation is used with a tenant, or the other way round."""
        if (scope == "tenant") != bool(name.tenant):
            owner = "tenants: name it <tenant>/" + name.collection if scope == "tenant" else "the installation"
            raise InvalidQuery(f"this collection belongs to {owner}", name=name.path)

    def _prepared(self, writes: Sequence[Write], bound: int = MAX_TOGETHER, own: int = 0) -> list[Prepared]:
        """The entries, checked; the last ``own`` of them are not the caller's."""
        if len(writes) > bound:
            while_ = "While the data is being carried to another database a" if own else "A"
            raise TooLarge(f"{while_} commit has at most {bound - own} entries, not {len(writes) - own}.")
        prepared: list[Prepared] = []
        seen: set[tuple[Name, str]] = set()
        for write in writes:
            name, id = self._name(write.collection), check_id(write.id)
            if (name, id) in seen:
                raise InvalidDocument(f"{id!r} in {name.path!r} stands twice in this commit", path="_id")
            seen.add((name, id))
            expect = write.expect
            portable: Portable | None = None
            token = ""
            if type(write) is Put:
                portable = check_document(write.document, id)
                if write.keep_revision:
                    token = split_rev(checked_revision(portable.rev))[0]
                    if not token:
                        raise InvalidDocument("has no token to keep", path="_rev")
                elif expect is ANY and portable.rev is not None:
                    expect = portable.rev
            if type(expect) is str:
                checked_revision(expect)
            elif expect is not ABSENT and (expect is not ANY or type(write) is Check):
                raise InvalidDocument(
                    "an expectation is a revision or ABSENT (or ANY, for Put and Delete)", path="expect"
                )
            prepared.append(Prepared(name, id, expect, portable, type(write) is Delete, token))
        parts = [write.portable for write in prepared[: len(prepared) - own] if write.portable is not None]
        total = size_together([(part.body, part.data) for part in parts])
        if total > MAX_BYTES_TOGETHER:
            raise TooLarge(f"A commit has at most {MAX_BYTES_TOGETHER:,} bytes, not {total:,}.")
        return prepared

    def _whole_conflict(self, writes: list[Prepared], conflict: Conflict) -> Conflict:
        """The conflict with all keys that reading again shows: a backend knows the first one it met."""
        expecting = [write for write in writes if write.expect is not ANY]
        if len(expecting) == len(conflict.keys):
            return conflict
        outages: tuple[type[Exception], ...] = (*self.driver_errors, Unavailable)
        try:
            found = self._read_together([(write.name, write.id) for write in expecting])
        except outages:  # what the backend saw is true whatever became of the connection since
            return conflict
        keys = set(conflict.keys)
        for write, document in zip(expecting, found, strict=True):
            if not _holds(write.expect, document):
                keys.add((write.name.path, write.id))
        return Conflict(key for write in writes if (key := (write.name.path, write.id)) in keys)

    # The hooks: what a backend is

    @abstractmethod
    def _get(self, name: Name, id: str) -> Document | None:
        """The document with ``_id`` and ``_rev``, or None."""

    @abstractmethod
    def _get_many(self, name: Name, ids: list[str]) -> dict[str, Document]:
        """Those found of one or more different ids, in as few round trips as the database allows."""

    @abstractmethod
    def _read_together(self, keys: list[tuple[Name, str]]) -> list[Document | None]:
        """One snapshot of up to 100 documents, in order."""

    @abstractmethod
    def _save(self, name: Name, id: str, portable: Portable, expect: Expected) -> str:
        """Create or replace atomically under the expectation; the new ``_rev``, or Conflict."""

    @abstractmethod
    def _delete(self, name: Name, id: str, expect: Expected) -> None:
        """Delete atomically under the expectation (ANY or a revision), NotFound or Conflict."""

    @abstractmethod
    def _commit(self, writes: list[Prepared]) -> list[str | None]:
        """All or nothing; the new ``_rev`` of every put, None for the others."""

    @abstractmethod
    def _write_batch(self, name: Name, documents: list[tuple[str, Portable]]) -> list[Outcome]:
        """Create or replace in bulk; a portable's ``rev``, if not None, is the revision to keep."""

    @abstractmethod
    def _write_newer(self, name: Name, documents: list[tuple[str, Portable]]) -> list[Outcome]:
        """Create or replace in bulk, each with the revision token in ``rev``, but where that token is the greater."""

    @abstractmethod
    def _walk(self, name: Name, walk: Walk) -> Slice:
        """One stretch of the collection by id, or of an index's runs merged by order key and id."""

    @abstractmethod
    def _count(self, name: Name, plan: Plan, up_to: int) -> int:
        """How many documents the plan's runs (or the collection) hold, counting at most ``up_to``."""

    @abstractmethod
    def _scan(self, collection: str, after: str | None, limit: int) -> ScanPage:
        """Every tenant's documents, resumable."""

    @abstractmethod
    def _indexes(self, name: Name) -> tuple[Index, ...]:
        """The indexes that can be read now, creating what is declared and missing if ``create_missing``."""

    @abstractmethod
    def _prepare(self, schema: Schema, dry_run: bool) -> list[str]:
        """See ``prepare``."""

    @abstractmethod
    def _collections(self) -> Iterable[CollectionInfo]:
        """See ``collections``; in any order."""

    @abstractmethod
    def _estimate(self, collection: str) -> int | None:
        """See ``estimate``; None or 0 for a collection that is not there."""

    @abstractmethod
    def _ping(self) -> None:
        """One cheap round trip."""

    @abstractmethod
    def _doctor(self) -> list[Finding]:
        """See ``doctor``."""

    @abstractmethod
    def _translate(self, error: Exception) -> DatabaseError:
        """What a driver's error means; its text stays in ``__cause__``."""


def _body(document: Document) -> Document:
    return {key: value for key, value in document.items() if key not in ("_id", "_rev")}


def _holds(expect: Expected, document: Document | None) -> bool:
    """Whether what was read again is as a write expected it (a revision or ABSENT)."""
    if expect is ABSENT or document is None:
        return expect is ABSENT and document is None
    return split_rev(str(expect))[0] == split_rev(document["_rev"])[0]
