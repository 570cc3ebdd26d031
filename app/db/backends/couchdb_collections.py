"""The collections of an installation: the registry that lists them, their creation, and what a process knows of them.

``<prefix>--system`` holds a document ``collection:<name>`` for each, with whose it is and its indexes; it is written
last, so that whoever reads it finds the database and the indexes there. Several processes may create the same at once:
"exists already" is as good as "created", and the registry is changed by compare-and-swap.

Databases and their properties go through the ``couchdb`` package, on our session: that is where its protocol code
serves. Documents do not: its ``Resource`` builds and parses every URL, parses JSON with the standard library and asks
HEAD before it answers, which would double the cost of a get.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic, sleep
from typing import Any, Final
from urllib.parse import urlsplit
from zlib import crc32

import couchdb

from app.db.backends.couchdb_errors import HttpFailure, failure, row_failure
from app.db.backends.couchdb_http import Session
from app.db.backends.couchdb_layout import SYSTEM, design_document, design_name, quoted
from app.db.capabilities import CollectionInfo
from app.db.errors import InvalidQuery, NotPrepared, NotWritable
from app.db.names import Name
from app.db.schema import Collection, CollectionScope, Index, Schema
from app.db.time_limit import unhurried

_REGISTERED: Final = "collection:"
_BUILD_TIMEOUT: Final = 3_600.0
_PAUSE: Final = 0.5
_SLOW: Final = 30.0
_LOOK_AGAIN: Final = 10.0


class _PackageSession:
    """What the ``couchdb`` package needs of a session, on ours."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def request(
        self, method: str, url: str, body: Any = None, headers: Any = None, credentials: Any = None, **_: Any
    ) -> tuple[int, dict[str, str], io.BytesIO]:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = couchdb.json.encode(body).encode() if body is not None else b""
        reply = self._session.request(method, path, sent, safe=method in ("GET", "HEAD"), timeout=_SLOW)
        if reply.status >= 400:
            raise failure(reply.status, reply.body, reply.header(b"retry-after"))
        return reply.status, {"content-type": reply.header(b"content-type")}, io.BytesIO(reply.body)


@dataclass(frozen=True, slots=True)
class Table:
    """A collection as it is in CouchDB: the path of its database, its indexes, and the seed of its hints.

    ``until`` is when to look again, by the monotonic clock: soon, while a declared index is missing."""

    name: str
    scope: CollectionScope
    indexes: tuple[Index, ...]
    path: str
    seed: int
    copies: int = 1
    until: float = inf

    @property
    def outdated(self) -> bool:
        """Whether there may be more indexes by now."""
        return self.until < inf and monotonic() >= self.until

    def view(self, index: Index | None) -> str:
        """The path of an index's view."""
        return f"{self.path}/{quoted_design(index)}/_view/rows"


def quoted_design(index: Index | None) -> str:
    """The path of an index's design document within its database."""
    return "_design/" + quoted(design_name(index).removeprefix("_design/"))


def index_name(index: Index | None) -> str:
    """An index, in words."""
    return "without fields" if index is None else f"on {index.name}"


class Collections:
    """Finds, creates and remembers collections."""

    def __init__(
        self, session: Session, prefix: str, schema: Schema, *, create_missing: bool, copies: bool, member: str
    ) -> None:
        self.session = session
        self.system = f"/{prefix}-{SYSTEM}"
        self.server = couchdb.Server("http://couchdb/", session=_PackageSession(session))
        self._prefix = prefix
        self._schema = schema
        self._create_missing = create_missing
        self._copies = copies
        self._member = member
        self._known: dict[str, Table] = {}

    def forget(self) -> None:
        """Look at the registry again before the next use."""
        self._known.clear()

    def find(self, collection: str) -> Table | None:
        """The collection, or None where it does not exist and may be created by the first write."""
        table = self.look(collection)
        if table is None and not self._create_missing:
            raise NotPrepared(collection)
        return table

    def look(self, collection: str) -> Table | None:
        """The collection, or None where it does not exist."""
        table = self._known.get(collection)
        if table is not None and not table.outdated:
            return table
        entry = self._entry(collection)
        if entry is None:
            return None
        declared = self._schema.get(collection)
        if declared and self._create_missing and self._lacks(entry, declared):
            entry = self._grow(Collection(declared.name, entry["scope"], declared.indexes))
        return self._opened(collection, entry)

    def writable(self, name: Name) -> Table:
        """The collection, created if it has to be."""
        table = self._known.get(name.collection) or self.find(name.collection)
        if table is None:
            scope: CollectionScope = "tenant" if name.tenant else "installation"
            declared = self._schema.get(name.collection) or Collection(name.collection, scope)
            table = self._opened(name.collection, self._grow(declared))
        if table.copies != 1 and not self._copies:
            raise NotWritable(
                f"The database {table.path[1:]} has {table.copies} copies, between which CouchDB can lose an update:"
                " create it with n=1, or accept that with ?copies=any in COUCHDB_URL.",
                retry_after=60.0,
            )
        return table

    def system_database(self, *, create: bool | None = None) -> str:
        """The path of the system database, which is created if it may and has to be. NotWritable like the others."""
        if "" not in self._known:
            try:
                identity = self._identity(self.system)
            except HttpFailure as error:
                if not error.no_database or not (self._create_missing if create is None else create):
                    raise
                self._create_database(self.system)
                identity = self._identity(self.system)
            self._known[""] = Table("", "installation", (), self.system, *identity)
        return self.writable(Name("", "")).path

    def registered(self) -> list[dict[str, Any]]:
        """Every entry of the registry."""
        bounds = f'startkey="{_REGISTERED}"&endkey="{_REGISTERED}~"'
        path = f"{self.system}/_all_docs?include_docs=true&" + bounds.replace('"', "%22")
        try:
            answer = self.session.json("GET", path)
        except HttpFailure as error:
            if error.no_database:
                return []
            raise
        return [row["doc"] for row in answer["rows"]]

    def infos(self) -> Iterable[CollectionInfo]:
        """Every collection that exists."""
        return [CollectionInfo(entry["_id"].removeprefix(_REGISTERED), entry["scope"]) for entry in self.registered()]

    def prepare(self, schema: Schema, dry_run: bool) -> list[str]:
        """Create what is missing and wait until the indexes are built."""
        done = []
        entries = {entry["_id"].removeprefix(_REGISTERED): entry for entry in self.registered()}
        for declared in schema:
            entry = entries.get(declared.name)
            if entry is not None and entry["scope"] != declared.scope:
                raise InvalidQuery(f"exists and belongs to the {entry['scope']}", name=declared.name)
            there = None if entry is None else self._there(declared, entry)
            if there is None:
                done.append(f"collection {declared.name}: created")
            missing = [index for index in (None, *declared.indexes) if index not in (there or ())]
            done += [
                f"collection {declared.name}: index {index_name(index)} created"
                for index in missing
                if index is not None or there is not None
            ]
            if dry_run:
                continue
            if missing:
                self._grow(declared, built=True)
            else:
                self._build(declared)  # after a bulk load, an index that is there may be far behind
        if not dry_run:
            self._admit(self.system_database(create=True))
            self.forget()
        return done

    def building(self, declared: Collection) -> list[str]:
        """The indexes, in words, that do not cover every document yet."""
        behind = []
        for index in (None, *declared.indexes):
            answer = self.session.json("GET", f"{self._path(declared.name)}/{quoted_design(index)}/_info")
            if answer["view_index"].get("updates_pending", {}).get("total", 0) > 1_000:
                behind.append(index_name(index))
        return behind

    def info(self, collection: str) -> dict[str, Any]:
        """CouchDB's own account of a collection's database."""
        found: dict[str, Any] = couchdb.Database(self.server.resource(self._path(collection)[1:])).info()
        return found

    # Within

    def _there(self, declared: Collection, entry: dict[str, Any]) -> set[Index | None] | None:
        """Those of a collection's indexes that are registered and in its database; None if that is not there."""
        designs: dict[str, Index | None] = {design_name(index): index for index in (None, *declared.indexes)}
        try:
            rows = self.session.json(
                "POST", f"{self._path(declared.name)}/_all_docs", {"keys": list(designs)}, safe=True
            )["rows"]
        except HttpFailure as error:
            if error.no_database:
                return None
            raise
        found = {row["id"] for row in rows if "error" not in row and not row["value"].get("deleted")}
        return {index for design, index in designs.items() if design in found and design in entry["indexes"]}

    def _build(self, declared: Collection) -> None:
        for index in (None, *declared.indexes):
            self._wait_for(f"{self._path(declared.name)}/{quoted_design(index)}/_view/rows?limit=0&reduce=false")

    def _wait_for(self, view: str) -> None:
        """Until an index is built, for an hour at most. After a minute CouchDB gives up its answer, and builds on; a
        proxy before it may give up too."""
        end = monotonic() + _BUILD_TIMEOUT
        while True:
            try:
                self.session.json("GET", view, timeout=_BUILD_TIMEOUT)
                return
            except HttpFailure as error:
                gave_up = error.status == 504 or (error.status == 500 and error.error == "timeout")
                if not gave_up or monotonic() > end:
                    raise
            sleep(_PAUSE)

    def _path(self, collection: str) -> str:
        return f"/{self._prefix}-{collection}"

    def _entry(self, collection: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self.session.json("GET", f"{self.system}/{quoted(_REGISTERED + collection)}")
        except HttpFailure as error:
            if error.no_document or error.no_database:
                return None
            raise
        return found

    def _lacks(self, entry: dict[str, Any], declared: Collection) -> bool:
        return any(design_name(index) not in entry["indexes"] for index in (None, *declared.indexes))

    def _opened(self, collection: str, entry: dict[str, Any]) -> Table:
        path = self._path(collection)
        known = {design_name(Index(*fields)): Index(*fields) for fields in entry["indexes"].values() if fields}
        indexes = tuple(index for design, index in known.items() if design in entry["indexes"])
        declared = self._schema.get(collection)
        until = monotonic() + _LOOK_AGAIN if declared and self._lacks(entry, declared) else inf
        table = Table(collection, entry["scope"], indexes, path, *self._identity(path), until)
        self._known[collection] = table
        return table

    def _grow(self, declared: Collection, *, built: bool = False) -> dict[str, Any]:
        """Create the database and the indexes that are missing, and register them, once they are ``built`` if that is
        asked for, as running processes use what is registered; answers the entry."""
        with unhurried():
            return self._grown(declared, built)

    def _grown(self, declared: Collection, built: bool) -> dict[str, Any]:
        path = self._path(declared.name)
        self.system_database(create=True)
        self._create_database(path)
        indexes: Sequence[Index | None] = (None, *declared.indexes)
        designs = {"docs": [design_document(index) for index in indexes]}
        for row in self.session.json("POST", f"{path}/_bulk_docs", designs, timeout=_SLOW):
            if row.get("error", "conflict") != "conflict":
                raise row_failure(row)
        if built:
            self._build(declared)
        added = {design_name(index): [] if index is None else list(index.fields) for index in indexes}
        while True:
            entry = self._entry(declared.name) or {"scope": declared.scope, "indexes": {}}
            entry["indexes"] = {**entry["indexes"], **added}
            try:
                self.session.json("PUT", f"{self.system}/{quoted(_REGISTERED + declared.name)}", entry)
            except HttpFailure as error:
                if error.status != 409:
                    raise
            else:
                return entry

    def _create_database(self, path: str) -> None:
        try:
            self.server.resource.put_json(path[1:], **({} if self._copies else {"n": 1}))
        except HttpFailure as error:
            # 412: it is there. 500 beside a creation of the same name by somebody else: asking for it decides.
            if error.status not in (412, 500):
                raise
            if error.status == 500:
                return
        self._admit(path)

    def _admit(self, path: str) -> None:
        """Let the member use a database whose ``_security`` nobody has set yet: that of a new one, or of one whose
        creation was cut off."""
        if not self._member:
            return
        security = self.session.json("GET", f"{path}/_security")
        for part in ("members", "admins"):
            told = security.get(part, {})
            if told.get("names") or set(told.get("roles", ())) - {"_admin"}:
                return
        members = {"members": {"names": [self._member], "roles": []}, "admins": {"names": [], "roles": []}}
        self.session.json("PUT", f"{path}/_security", members)

    def _identity(self, path: str) -> tuple[int, int]:
        """The seed of a database's hints, and how many copies of a document it keeps."""
        info = couchdb.Database(self.server.resource(path[1:])).info()
        return crc32(f"{path} {info.get('instance_start_time', '')}".encode()), info.get("cluster", {}).get("n", 1)
