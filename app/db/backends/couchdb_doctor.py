"""What an operator should know of a CouchDB: looked at, and said with its remedy."""

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any, Final

from app.db.backends.couchdb_collections import Collections
from app.db.backends.couchdb_errors import CouchError, HttpFailure, translate
from app.db.capabilities import Finding
from app.db.errors import DatabaseError
from app.db.schema import Schema

_OLDEST: Final = (3, 4)
_SKEW: Final = 5.0
_FRAGMENTED: Final = 4.0
_SMALL: Final = 10_000_000
_NOT_PREPARED: Final = "Run 'wherry db prepare', or check COUCHDB_URL and COUCHDB_PREFIX."


def examine(collections: Collections, schema: Schema) -> list[Finding]:
    """A finding for each check. Raises only what keeps the server from being reached at all."""
    reply = collections.session.request("GET", "/", safe=True)
    told = collections.server.version() if reply.status == 200 else "?"
    numbers = tuple(int(part) for part in told.split("-")[0].split(".")[:2] if part.isdigit())
    findings = [
        Finding(
            "reachable", reply.status == 200, f"CouchDB {told} at {collections.session.host}", "Check COUCHDB_URL."
        ),
        Finding("version", numbers >= _OLDEST, f"version {told}", "Upgrade to Apache CouchDB 3.4 or later."),
        _clock(reply.header(b"date")),
    ]
    looks: list[tuple[str, Callable[[], list[Finding]]]] = [
        ("authorised", lambda: _authorised(collections)),
        ("permissions", lambda: _permissions(collections)),
        ("collections", lambda: _databases(collections)),
        ("indexes", lambda: _indexes(collections, schema)),
    ]
    for name, look in looks:
        try:
            findings += look()
        except CouchError as error:
            findings.append(Finding(name, False, str(translate(error)), "See docs/backends/couchdb.md."))
        except DatabaseError as error:
            findings.append(Finding(name, False, str(error), "See docs/backends/couchdb.md."))
    return findings


def _clock(date: str) -> Finding:
    try:
        skew = abs(parsedate_to_datetime(date).timestamp() - time.time())
    except ValueError:
        return Finding("clock", False, "the server says no time", "Check that COUCHDB_URL leads to CouchDB.")
    remedy = "Set both machines' clocks by NTP: an early clock aborts others' commits too soon."
    return Finding("clock", skew <= _SKEW, f"differs from ours by {skew:.0f} s", remedy)


def _authorised(collections: Collections) -> list[Finding]:
    told = collections.session.json("GET", "/_session")["userCtx"]
    name, roles = told.get("name"), told.get("roles", [])
    shown = f"{name or 'nobody'}{', administrator' if '_admin' in roles else ''}"
    return [Finding("authorised", name is not None, shown, "Set COUCHDB_USER and COUCHDB_PASSWORD.")]


def _permissions(collections: Collections) -> list[Finding]:
    """Write and delete a document of the system database."""
    try:
        path = f"{collections.system_database(create=False)}/doctor%3A{time.time_ns():x}"
    except HttpFailure as error:
        if error.no_database:
            return [Finding("permissions", False, "nothing is prepared yet", _NOT_PREPARED)]
        raise
    rev = collections.session.json("PUT", path, {})["rev"]
    collections.session.json("DELETE", f"{path}?rev={rev}")
    return [Finding("permissions", True, "documents can be written")]


def _databases(collections: Collections) -> list[Finding]:
    """Copies, space and compaction, of all databases together; the worst is named."""
    infos: dict[str, Any] = {info.name: collections.info(info.name) for info in collections.infos()}
    several = [name for name, info in infos.items() if info.get("cluster", {}).get("n", 1) != 1]
    size = sum(info["sizes"]["file"] for info in infos.values())
    active = sum(info["sizes"]["active"] for info in infos.values())
    loose = [
        name
        for name, info in infos.items()
        if info["sizes"]["file"] > max(_SMALL, _FRAGMENTED * info["sizes"]["active"])
    ]
    remedy = "Create the databases with n=1, or accept lost updates with ?copies=any in COUCHDB_URL."
    return [
        Finding("copies", not several, ", ".join(several) or "one copy of each document (n=1)", remedy),
        Finding("space", True, f"{size / 1e6:,.1f} MB in files, {active / 1e6:,.1f} MB of it live"),
        Finding(
            "compaction",
            not loose,
            ", ".join(loose) or "no file is mostly garbage",
            "Leave CouchDB's smoosh on, or POST to the database's _compact.",
        ),
    ]


def _indexes(collections: Collections, schema: Schema) -> list[Finding]:
    missing = collections.prepare(schema, dry_run=True)
    if missing:
        return [Finding("indexes", False, "; ".join(missing), "Run 'wherry db prepare'.")]
    behind = [f"{declared.name}: {name}" for declared in schema for name in collections.building(declared)]
    return [
        Finding(
            "indexes",
            not behind,
            "; ".join(behind) or "all there and built",
            "Wait: they are being built or caught up.",
        )
    ]
