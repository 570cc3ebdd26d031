"""What a backend says of itself, and the small answers of the operating methods."""

from dataclasses import dataclass
from typing import NamedTuple

from app.db.documents import Document
from app.db.schema import CollectionScope


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Where backends differ by nature. The promises of DatabaseService hold whatever stands here.

    ``fresh_queries``: a query sees every acknowledged write (DynamoDB's secondary indexes lag behind).
    ``shared``: several processes may use the same data at the same time (memory is one process's own).
    ``durable``: data outlives the process.
    ``parallel``: how many bulk readers, or bulk writers, at the same time are of use (SQLite has one writer).
    ``scan_at_once``: how many documents a scan may be asked for so that its page stays below some 40 MB however large
    they are. Firestore, DynamoDB and SQLite end a page of large ones early; CouchDB's is as long as was asked for.
    """

    fresh_queries: bool
    shared: bool
    durable: bool
    parallel: int = 4
    scan_at_once: int = 100


class CollectionInfo(NamedTuple):
    """A collection that exists, and whose it is."""

    name: str
    scope: CollectionScope


class ScanPage(NamedTuple):
    """A part of a scan: (collection path, document) pairs, and where to go on, or None at the end."""

    documents: list[tuple[str, Document]]
    after: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's: what was looked at, whether it is well, what was seen, and what to do if it is not."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    free: int | None = None
    """Bytes of room that were seen, where that was looked at."""
