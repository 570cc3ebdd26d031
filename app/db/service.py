"""DatabaseService: the contract that every backend keeps.

``collection`` is ``"users"`` for the installation or ``"<tenant>/agents"`` for one tenant. Documents that are returned
carry ``_id`` and ``_rev`` and are the caller's own copies. Every method may raise Unavailable; an outage is never
reported as an absence. All methods may be called from any thread.

backend.py holds what the classes in backends/ have in common.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar

from app.db.capabilities import Capabilities, CollectionInfo, Finding, ScanPage
from app.db.documents import Document, check_document
from app.db.metrics import Meter
from app.db.query import Condition, Page, Query
from app.db.retries import retry_conflicts
from app.db.schema import Schema
from app.db.writes import Outcome, Saved, Write


class DatabaseService(ABC):
    """A document database.

    ``schema`` is what the application declares, ``meter`` counts and times every operation if there is one,
    ``unserved`` counts, by collection, the queries that no declared index served. ``answers_within`` is the time in
    seconds after which an operation is given up as Unavailable, 0 for a database that is in this process.
    """

    capabilities: ClassVar[Capabilities]
    schema: Schema
    meter: Meter | None
    unserved: Counter[str]
    answers_within: float = 0.0

    # Reading

    @abstractmethod
    def get(self, collection: str, id: str) -> Document:
        """The document as last committed (linearizable), or NotFound."""

    @abstractmethod
    def get_many(self, collection: str, ids: Iterable[str]) -> dict[str, Document]:
        """The documents found, by id, in the order asked for; consistent, but not a snapshot."""

    @abstractmethod
    def read_together(self, keys: Sequence[tuple[str, str]]) -> list[Document | None]:
        """At most 100 documents and 4 MB as one snapshot, in the order of the (collection, id) keys; None for absent.

        TooLarge beyond that.
        """

    @abstractmethod
    def list_all(self, collection: str) -> Iterator[Document]:
        """Every document in id order, read in chunks: constant memory, consistent, not a snapshot."""

    @abstractmethod
    def query(self, collection: str, query: Query) -> Page:
        """One page of the documents that match, in order; see Query. InvalidQuery names what cannot be answered."""

    @abstractmethod
    def count(self, collection: str, where: tuple[Condition, ...] = (), up_to: int = 1_000) -> tuple[int, bool]:
        """How many documents match, and whether that is exact: counting stops at ``up_to``."""

    @abstractmethod
    def scan(self, name: str, after: str | None = None, limit: int = 500) -> ScanPage:
        """A part of every tenant's documents of one collection, in the backend's own order: for migration and export.

        ``name`` is the bare collection name. A page has at most ``limit`` documents, and may have fewer: call again
        with its ``after`` until that is None. Documents that are there all the while appear exactly once.
        """

    # Writing

    @abstractmethod
    def save(self, collection: str, id: str, document: Document) -> Saved:
        """Create or replace; with ``_rev`` in the document, replace that revision or raise Conflict."""

    @abstractmethod
    def create(self, collection: str, id: str, document: Document) -> Saved:
        """Create, or raise Conflict if the document exists. A ``_rev`` in the document is ignored."""

    @abstractmethod
    def delete(self, collection: str, id: str, rev: str | None = None) -> None:
        """Delete, or NotFound if absent; with ``rev``, that revision or Conflict."""

    def update(self, collection: str, id: str, change: Callable[[Document], Document]) -> Document:
        """Read, change, compare and swap, again until it succeeds; NotFound if absent. Answers the saved document.

        ``change`` gets a copy and answers the new document; it may be called several times and must not write itself.
        Conflict only after about ten seconds of losing every round.
        """

        def attempt() -> Document:
            current = self.get(collection, id)
            rev = current["_rev"]
            changed = {**change(current), "_id": id, "_rev": rev}
            saved = self.save(collection, id, changed)
            # Read back nothing: check_document is what decides how the values are stored.
            return {**check_document(changed, id).body, "_id": id, "_rev": saved["rev"]}

        return retry_conflicts(attempt)

    @abstractmethod
    def commit(self, writes: Sequence[Write]) -> list[Saved | None]:
        """All or nothing: at most 100 Put, Delete and Check entries and 4 MB over any collections, no key twice.

        Answers ``{"id", "rev"}`` for each Put and None for the others, in order. Conflict names at least one
        conflicting key, and all that reading again shows. Nothing was written unless this returns, or raises
        Unavailable with ``outcome="unknown"``.
        """

    @abstractmethod
    def write_batch(
        self,
        collection: str,
        documents: Iterable[Document],
        keep_revisions: bool = False,
        only_newer: bool = False,
    ) -> list[Outcome]:
        """Create or replace many documents, each with its ``_id``: in bulk, not atomic, an answer for every document.

        With ``keep_revisions`` the revision token in ``_rev`` is kept, so that a copy has the revisions of its source;
        otherwise ``_rev`` is ignored. A refused document does not stop the others.

        With ``only_newer`` revisions are kept too, and a stored document that has the same revision or a newer one
        stands, its outcome marked ``kept``. Which is newer is told by the clocks of the processes that wrote them.
        """

    # Operating

    @abstractmethod
    def prepare(self, schema: Schema | None = None, dry_run: bool = False) -> list[str]:
        """Create what the schema declares and the database lacks; idempotent. Answers sentences of what was done.

        With ``dry_run`` nothing is done: the sentences say what would be. ``schema`` defaults to the service's own.
        """

    @abstractmethod
    def collections(self) -> list[CollectionInfo]:
        """Every collection that exists, by name."""

    def estimate(self, name: str) -> int | None:
        """About how many documents of all tenants a collection holds, told without reading them: for a progress bar.

        ``name`` is the bare collection name. None where that is not known; it may be hours old (DynamoDB).
        """
        return None

    @abstractmethod
    def ping(self) -> None:
        """Return if the database answers, else raise Unavailable."""

    @abstractmethod
    def doctor(self) -> list[Finding]:
        """What an operator should know: a finding for each check, with the remedy where it is not well. Never raises
        for an outage: that is a finding."""

    def recover_commits(self) -> list[str]:
        """Settle what commits that were cut off have left behind; safe at any time. Answers sentences of what was done.

        Nothing is ever left where the database itself commits atomically. Elsewhere reading and writing settle what
        they meet, so this only makes it sooner.
        """
        return []

    @abstractmethod
    def close(self) -> None:
        """Give back every connection. The service may be used again: it connects anew."""
