"""Reading stored documents: one, several, several at one moment, runs of an index, counts, and all tenants' in turn."""

import time
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from app.db.backends.firestore_client import FirestoreClient
from app.db.backends.firestore_codec import decode_id, key_of
from app.db.backends.firestore_messages import BatchGetDocumentsRequest, GetDocumentRequest, grpc
from app.db.backends.firestore_paths import Paths, document_behind
from app.db.backends.firestore_queries import (
    count_all_request,
    count_requests,
    key_name,
    list_request,
    scan_request,
    spans_of,
    walk_request,
)
from app.db.backends.firestore_writing import FIRST_WAIT, LONGEST_WAIT, check_request, compare_and_swap
from app.db.backends.scan_place import SCAN_BYTES
from app.db.errors import Throttled
from app.db.growing_waits import growing_waits
from app.db.names import Name
from app.db.paging import Walk
from app.db.planner import Plan

AT_MOST: Final = 300
"""Documents that are asked for by name at once."""


class Scanned(NamedTuple):
    """A stretch of all tenants' documents, whether there may be more, and the time at which they were so."""

    stored: list[Any]
    more: bool
    read_time: Any


class Reader:
    """Reads one database. ``end`` says until when an operation that begins now must have its answer (monotonic), and
    ``scan_seconds`` how long one request of a scan may take. Raises the driver's errors."""

    def __init__(self, client: FirestoreClient, paths: Paths, end: Callable[[], float], scan_seconds: float) -> None:
        self._client, self._paths, self._end, self._scan_seconds = client, paths, end, scan_seconds

    def one(self, path: str) -> Any | None:
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
        (stored,) = self.many([path], end)
        return stored

    def many(self, paths: list[str], end: float, snapshot: bool = False) -> list[Any | None]:
        """The stored documents in the order of the paths, None for those that are not there."""
        request = BatchGetDocumentsRequest(database=self._client.root, documents=dict.fromkeys(paths))
        if snapshot:
            request.new_transaction.read_only.SetInParent()
        (answer,) = self._client.stream("BatchGetDocuments", [request], end)
        found = {part.found.name: part.found for part in answer if part.HasField("found")}
        return [found.get(path) for path in paths]

    def together(self, paths: list[str]) -> list[Any | None]:
        """What one read-only transaction sees, which begins with this request and needs no end.

        Google's emulator shows half of a commit even to those. There a commit of checks proves that all was there at
        one moment; Google's service charges writes for that, and does not need it.
        """
        end = self._end()
        for wait in growing_waits(FIRST_WAIT, LONGEST_WAIT):
            stored = self.many(paths, end, snapshot=True)
            if not self._client.emulator:
                return stored
            if compare_and_swap(self._client, check_request(self._client.root, paths, stored), self._end()):
                return stored
            if time.monotonic() + wait >= end:
                break
            time.sleep(wait)
        raise Throttled("Too many writers of these documents at once.", retry_after=1)

    def walk(self, name: Name, walk: Walk) -> tuple[list[tuple[str, Any]], bool]:
        """Ids with stored documents in the walk's order, one more than its limit if there is one; whether that is all
        that came in time."""
        after = None if walk.after is None else self._paths.document(name, walk.after.id)
        parent = self._paths.parent(name)
        spans = spans_of(walk)
        requests = [walk_request(parent, name.collection, walk, span, after) for span in spans]
        if len(requests) == 1:
            # Of very large documents a part may come in time only: then the page is short, and goes on behind it.
            answer, whole = self._client.stream_some("RunQuery", requests[0], self._end())
            return list(map(_identified, _documents(answer))), whole
        # All runs are asked for at once, then merged.
        key = key_name(walk) or ""
        places = [
            ((key_of(stored, key) or b"")[len(span.prefix) :], *_identified(stored))
            for span, answer in zip(spans, self._client.stream("RunQuery", requests, self._end()), strict=True)
            for stored in _documents(answer)
        ]
        places.sort(key=lambda place: place[:2], reverse=walk.descending)
        return [(id, stored) for _, id, stored in places], True

    def count(self, name: Name, plan: Plan, up_to: int) -> int:
        """How many documents a plan finds, counted up to a number."""
        requests = count_requests(self._paths.parent(name), name.collection, plan, up_to)
        return min(self._counted(requests), up_to)

    def count_all(self, collection: str) -> int:
        """How many documents all tenants have."""
        return self._counted([count_all_request(self._paths.root, collection)])

    def small(self, collection: str) -> Iterable[Any]:
        """All stored documents of a small collection of the installation."""
        (answer,) = self._client.stream("RunQuery", [list_request(self._paths.root, collection)], self._end())
        return _documents(answer)

    def scan(self, collection: str, after: str | None, limit: int, read_time: Any = None) -> Scanned:
        """All tenants' stored documents behind a place, in the order of their paths; as they were at ``read_time``,
        which an earlier answer told, or as they are."""
        start = None if after is None else document_behind(self._paths, collection, after)
        request = scan_request(self._paths.root, collection, start, limit)
        if read_time is not None:
            request.read_time.CopyFrom(read_time)
        end = time.monotonic() + self._scan_seconds
        answer, whole = self._client.stream_some("RunQuery", request, end, SCAN_BYTES)
        stored = list(_documents(answer))
        return Scanned(stored, bool(stored) and (len(stored) == limit or not whole), answer[-1].read_time)

    def _counted(self, requests: list[Any]) -> int:
        answers = self._client.stream("RunAggregationQuery", requests, self._end())
        return sum(int(part.result.aggregate_fields["n"].integer_value) for answer in answers for part in answer)


def _documents(answer: list[Any]) -> Iterable[Any]:
    """The stored documents of a query's answer, some parts of which only tell of progress."""
    return (part.document for part in answer if part.HasField("document"))


def _identified(stored: Any) -> tuple[str, Any]:
    return decode_id(stored.name.rpartition("/")[2]), stored
