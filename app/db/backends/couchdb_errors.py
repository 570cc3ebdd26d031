"""What can go wrong between us and CouchDB, and what that means in the contract's terms: translated here alone.

CouchError
├── ConnectFailed   nothing was sent: unreachable, unknown host, TLS refused
├── Busy            nothing was sent: every connection of the pool was in use for too long
├── ReplyLost       something was sent and no whole answer came: a write may or may not have been applied
└── HttpFailure     CouchDB answered with an error
"""

from typing import Any

import orjson

from app.db.errors import DatabaseError, InvalidDocument, NotWritable, Throttled, TooLarge, Unauthorised, Unavailable


class CouchError(Exception):
    """The root of this file's errors."""


class ConnectFailed(CouchError):
    """No connection: nothing was sent. ``tls`` if the host answered and the encryption failed."""

    def __init__(self, message: str, *, tls: bool = False) -> None:
        super().__init__(message)
        self.tls = tls


class Busy(CouchError):
    """No connection became free in time: nothing was sent."""


class ReplyLost(CouchError):
    """The request was sent, at least in part, and its answer did not arrive whole in time."""

    def __init__(self, message: str, *, write: bool) -> None:
        super().__init__(message)
        self.write = write


class HttpFailure(CouchError):
    """An answer with an error status; ``error`` and ``reason`` are CouchDB's words, "" where it has none."""

    def __init__(self, status: int, error: str, reason: str, retry_after: float | None = None) -> None:
        super().__init__(f"{status} {error}: {reason}")
        self.status = status
        self.error = error
        self.reason = reason
        self.retry_after = retry_after

    @property
    def no_database(self) -> bool:
        """Whether the database, and not only the document, is missing."""
        told = "atabase" in self.reason or self.reason == "no_db_file"
        return self.status == 404 and self.error == "not_found" and told

    @property
    def no_document(self) -> bool:
        """Whether CouchDB itself says that the document, in a database that exists, is missing. A proxy's 404 is not
        that, and nothing may be concluded from it."""
        return self.status == 404 and self.error == "not_found" and self.reason in ("missing", "deleted")

    @property
    def no_room(self) -> bool:
        """Whether the disk is full."""
        words = f"{self.error} {self.reason}"
        return self.status == 507 or "enospc" in words or "insufficient_storage" in words

    @property
    def in_doubt(self) -> bool:
        """Whether a write may have been applied in spite of this answer: a gateway speaks for a server that it lost."""
        return self.status >= 500 and not self.no_room


def failure(status: int, body: bytes, retry_after: str = "") -> HttpFailure:
    """The error that an answer stands for, whatever its body looks like."""
    try:
        told: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = None
    if not isinstance(told, dict):
        told = {}
    wait = float(retry_after) if retry_after.isdigit() else None
    return HttpFailure(status, str(told.get("error", "")), str(told.get("reason", ""))[:300], wait)


def row_failure(row: dict[str, Any]) -> HttpFailure:
    """The error that CouchDB's answer for one document of several stands for."""
    error = str(row["error"])
    status = {"forbidden": 403, "unauthorized": 401}.get(error, 500)
    return HttpFailure(status, error, str(row.get("reason", "")))


def translate(error: Exception) -> DatabaseError:
    """The contract's error. Conflicts and absences never come here: whoever asked knows what they mean."""
    if isinstance(error, ConnectFailed):
        if error.tls:
            return Unavailable(
                "CouchDB's TLS certificate or protocol was refused: check COUCHDB_URL and the certificate, whose"
                " authority its option ca may name.",
                retry_after=30.0,
            )
        return Unavailable("CouchDB cannot be reached: check COUCHDB_URL, and that the server runs.", retry_after=2.0)
    if isinstance(error, Busy):
        return Throttled("Too many requests wait for CouchDB.", retry_after=1.0)
    if isinstance(error, ReplyLost):
        if error.write:
            return Unavailable("CouchDB did not answer a write.", retry_after=2.0, outcome="unknown")
        return Unavailable("CouchDB gave no whole answer in time: check COUCHDB_URL, and the server.", retry_after=2.0)
    if isinstance(error, HttpFailure):
        return _translate_answer(error)
    return Unavailable("CouchDB gave an answer that makes no sense.", retry_after=5.0)


def _translate_answer(error: HttpFailure) -> DatabaseError:
    if error.no_room:
        return NotWritable("CouchDB has no room left on its disk.", retry_after=60.0)
    match error.status:
        case 401 if "not a server admin" in error.reason:
            return Unauthorised(
                "CouchDB refuses this: the user of COUCHDB_USER lacks a right, that of an administrator (see"
                " docs/backends/couchdb.md).",
                retry_after=30.0,
            )
        case 401:
            return Unauthorised(
                "CouchDB refuses the user name or password: check COUCHDB_USER and COUCHDB_PASSWORD.", retry_after=30.0
            )
        case 403 if "locked" in error.reason:
            return Unauthorised(
                "CouchDB has locked the user of COUCHDB_USER out for some minutes, after too many wrong passwords:"
                " check COUCHDB_PASSWORD everywhere.",
                retry_after=60.0,
            )
        case 403:
            return Unauthorised(
                "CouchDB refuses this: the user of COUCHDB_USER lacks a right (see docs/backends/couchdb.md).",
                retry_after=30.0,
            )
        case 404 if error.error != "not_found":
            return Unavailable(
                "What answered is not CouchDB: check COUCHDB_URL, and the proxy that may be there.", retry_after=5.0
            )
        case 404:
            return Unavailable("A database or index is missing in CouchDB: run 'wherry db prepare'.", retry_after=30.0)
        case 413:
            return TooLarge("The document is larger than this CouchDB accepts: raise its max_document_size.")
        case 400 | 415:
            return InvalidDocument(f"CouchDB refuses it: {error.reason or error.error}")
        case 429:
            return Throttled("CouchDB asks for fewer requests.", retry_after=error.retry_after or 1.0)
    return Unavailable("CouchDB failed to answer.", retry_after=error.retry_after or 2.0)
