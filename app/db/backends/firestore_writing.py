"""Writing to Firestore: commits as one request with preconditions, and bulk writes.

A precondition is the update time, the hint of ``_rev``. Where it fails, the documents are read and their revision
tokens decide: a Conflict, or only the hint was stale (an index was added to the document) and the commit is sent again.

After a lost reply the documents are read: one token of ours proves the whole commit. If none is there yet, a commit
that replaces or deletes a revision is sent again, for it can be applied once only; any other ends as
``Unavailable(outcome="unknown")``. Once a reply was lost, nothing but a success or "unknown" is answered.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from google.auth.exceptions import GoogleAuthError

from app.db.backends.firestore_client import LARGEST_REQUEST, FirestoreClient
from app.db.backends.firestore_codec import hint_of, parse_hint, put_fields, token_of
from app.db.backends.firestore_errors import DRIVER_ERRORS, LOST, PRECONDITION, translate, translate_code, was_sent
from app.db.backends.firestore_messages import BatchWriteRequest, CommitRequest, grpc
from app.db.documents import Portable, join_rev, new_token, split_rev
from app.db.errors import Conflict, DatabaseError, NotFound, TooLarge
from app.db.growing_waits import growing_waits
from app.db.names import Name
from app.db.parts import parts_of
from app.db.schema import Index
from app.db.time_limit import bounded
from app.db.writes import ABSENT, ANY, Expected, Outcome, Prepared

Times = list[tuple[int, int] | None]
Reader = Callable[[list[str], float], list[Any | None]]
# Of the time that is left: so that a lost reply can be looked into.
_SHARE_OF_A_COMMIT: Final = 0.7
_LEFT_TO_REPEAT: Final = 0.3
FIRST_WAIT: Final = 0.005
LONGEST_WAIT: Final = 0.1
"""Seconds, before what others may have done meanwhile is tried again: see growing_waits."""
_BULK_DOCUMENTS: Final = 200
_BULK_BYTES: Final = 2_000_000
_NOT_APPLIED_IN_BULK: Final = frozenset({8, 10})
"""RESOURCE_EXHAUSTED and ABORTED: worth another try."""
_EXPECTATION_FAILED: Final = frozenset({5, 6, 9})
"""NOT_FOUND, ALREADY_EXISTS and FAILED_PRECONDITION."""
_BULK_TRIES: Final = 6


class Entry(NamedTuple):
    """One write as it is to be sent. ``must_exist`` makes an absent document a NotFound instead of a Conflict;
    ``kept``: the token is not new, so that finding it proves nothing."""

    name: Name
    id: str
    path: str
    expect: Expected
    portable: Portable | None
    delete: bool
    indexes: tuple[Index, ...]
    token: str
    must_exist: bool = False
    kept: bool = False


def entry_of(write: Prepared, path: str, indexes: tuple[Index, ...], must_exist: bool = False) -> Entry:
    """A commit's entry with its path, and a new token if it puts something."""
    name, id, expect, portable, delete, kept = write
    token = "" if portable is None else kept or new_token()
    return Entry(name, id, path, expect, portable, delete, indexes, token, must_exist, bool(kept))


class Writer:
    """Sends commits; ``read`` reads stored documents by path, ``deadline`` bounds a commit with all it needs."""

    def __init__(self, client: FirestoreClient, read: Reader, deadline: float) -> None:
        self._client = client
        self._read = read
        self._deadline = deadline

    def commit(self, entries: Sequence[Entry]) -> list[str | None]:
        """All or nothing; the new ``_rev`` of every put, None for the others."""
        end = bounded(time.monotonic() + self._deadline)
        times: Times = [_expected_time(entry) for entry in entries]
        if any(time_ is None and type(entry.expect) is str for time_, entry in zip(times, entries, strict=True)):
            times = self._current_times(entries, end)
        lost: grpc.RpcError | None = None
        for wait in growing_waits(FIRST_WAIT, LONGEST_WAIT):
            now = time.monotonic()
            try:
                answer = self._client.write(
                    "Commit", self._request(entries, times), now + (end - now) * _SHARE_OF_A_COMMIT
                )
                return [
                    _rev_of(entry, result) if entry.token else None
                    for entry, result in zip(entries, answer.write_results, strict=True)
                ]
            except GoogleAuthError as error:  # nothing was sent, this time
                if lost is not None:
                    raise translate(lost, "unknown") from error
                raise
            except grpc.RpcError as error:
                code = error.code()
                if code in LOST and was_sent(error):
                    lost = error
                if lost is not None:
                    settled = self._settled(entries, end)
                    if settled is not None:
                        return settled
                    if code in PRECONDITION or not _once_only(entries) or _over(end, wait):
                        raise translate(lost, "unknown") from lost
                elif code in PRECONDITION and any(map(_has_precondition, entries)):
                    times = self._current_times(entries, end)
                    if _over(end, wait):
                        # Every read showed what was expected and every write came too late: a race that we keep losing.
                        raise _conflict(entry for entry in entries if entry.expect is not ANY) from error
                elif code is not grpc.StatusCode.ABORTED or _over(end, wait + 1.5 * (time.monotonic() - now)):
                    raise  # nothing was applied; another try that has no time to end would leave that unknown
            time.sleep(wait)
        raise AssertionError

    def write_many(self, entries: Sequence[Entry], seconds: float) -> list[Outcome]:
        """Puts in bulk, not atomic, an answer for each; Conflict also where only a hint is stale.

        ``seconds`` bound each request.
        """
        outcomes: list[Outcome] = []
        for part in parts_of(entries, _length, number=_BULK_DOCUMENTS, size=_BULK_BYTES):
            outcomes += self._write_part(part, seconds)
        return outcomes

    def _write_part(self, part: list[Entry], seconds: float) -> list[Outcome]:
        done: dict[str, Outcome] = {}
        for attempt, wait in enumerate(growing_waits(FIRST_WAIT, LONGEST_WAIT)):
            pending = [entry for entry in part if entry.id not in done]
            request = BatchWriteRequest(database=self._client.root)
            for entry in pending:
                _put_write(request.writes.add(), entry, _expected_time(entry))
            try:
                answer = self._client.write("BatchWrite", request, time.monotonic() + seconds)
            except DRIVER_ERRORS as error:
                done.update(self._settled_in_bulk(pending, error))
                break
            for entry, result, status in zip(pending, answer.write_results, answer.status, strict=True):
                if status.code == 0:
                    done[entry.id] = Outcome(entry.id, _rev_of(entry, result))
                elif status.code in _EXPECTATION_FAILED and entry.expect is not ANY:
                    done[entry.id] = Outcome(entry.id, None, _conflict([entry]))
                elif status.code not in _NOT_APPLIED_IN_BULK or attempt == _BULK_TRIES - 1:
                    done[entry.id] = Outcome(entry.id, None, translate_code(status.code, status.message))
            if len(done) == len(part):
                break
            time.sleep(wait)
        return [done[entry.id] for entry in part]

    def _settled_in_bulk(self, entries: list[Entry], error: Exception) -> dict[str, Outcome]:
        """What became of documents whose answers did not come: their tokens tell, or it is not known."""
        if not (isinstance(error, grpc.RpcError) and error.code() in LOST and was_sent(error)):
            refused = translate(error)
            return {entry.id: Outcome(entry.id, None, refused) for entry in entries}
        unknown: DatabaseError = translate(error, "unknown")
        try:
            stored = self._read([entry.path for entry in entries], time.monotonic() + self._deadline)
        except DRIVER_ERRORS:
            stored = [None] * len(entries)
        return {
            entry.id: Outcome(entry.id, _rev_of(entry, one))
            if one is not None and token_of(one) == entry.token
            else Outcome(entry.id, None, unknown)
            for entry, one in zip(entries, stored, strict=True)
        }

    def _request(self, entries: Sequence[Entry], times: Times) -> Any:
        request = CommitRequest(database=self._client.root)
        for entry, time_ in zip(entries, times, strict=True):
            _put_write(request.writes.add(), entry, time_)
        if request.ByteSize() > LARGEST_REQUEST:
            raise TooLarge(f"Firestore takes requests of at most {LARGEST_REQUEST:,} bytes.")
        return request

    def _settled(self, entries: Sequence[Entry], end: float) -> list[str | None] | None:
        """The answer of a commit that is seen to be applied; None if that cannot be seen."""
        puts = [entry for entry in entries if entry.token]
        if not puts:
            return None
        try:
            stored = self._read([entry.path for entry in puts], end)
        except DRIVER_ERRORS:
            return None
        revs = {
            entry.token: _rev_of(entry, one)
            for entry, one in zip(puts, stored, strict=True)
            if one is not None and token_of(one) == entry.token
        }
        if all(entry.kept or entry.token not in revs for entry in puts):
            return None
        # What somebody else has replaced since has no hint to give.
        return [revs.get(entry.token, entry.token) if entry.token else None for entry in entries]

    def _current_times(self, entries: Sequence[Entry], end: float) -> Times:
        """The update times of the documents whose revision is expected; Conflict names those that are otherwise."""
        expecting = [entry for entry in entries if _has_precondition(entry)]
        stored = dict(
            zip(
                [entry.path for entry in expecting],
                self._read([entry.path for entry in expecting], end),
                strict=True,
            )
        )
        wrong = []
        times: Times = []
        for entry in entries:
            one = stored.get(entry.path)
            times.append(None)
            if entry.must_exist and one is None:
                raise NotFound(entry.name.path, entry.id)
            if entry.expect is ABSENT and one is not None:
                wrong.append(entry)
            if type(entry.expect) is str:
                if one is None or token_of(one) != split_rev(entry.expect)[0]:
                    wrong.append(entry)
                else:
                    times[-1] = (one.update_time.seconds, one.update_time.nanos)
        if wrong:
            raise _conflict(wrong)
        return times


def check_request(root: str, paths: Sequence[str], stored: Sequence[Any | None]) -> Any:
    """A commit that writes nothing, and succeeds if the documents are as they were read."""
    request = CommitRequest(database=root)
    for path, one in dict(zip(paths, stored, strict=True)).items():
        write = request.writes.add()
        if one is None:
            write.delete = path
            write.current_document.exists = False
        else:
            write.update.name = path
            write.update_mask.SetInParent()
            write.current_document.update_time.CopyFrom(one.update_time)
    return request


def compare_and_swap(client: FirestoreClient, request: Any, end: float) -> bool:
    """Send a commit with preconditions; whether they held."""
    try:
        client.write("Commit", request, end)
    except grpc.RpcError as error:
        if error.code() in PRECONDITION or error.code() is grpc.StatusCode.ABORTED:
            return False
        raise
    return True


def _put_write(write: Any, entry: Entry, time_: tuple[int, int] | None) -> None:
    if entry.portable is not None:
        write.update.name = entry.path
        put_fields(write.update.fields, entry.portable.body, entry.token, entry.indexes)
    elif entry.delete or entry.expect is ABSENT:
        # A check for absence deletes what must not exist: nothing.
        write.delete = entry.path
    else:
        # A check of a revision updates no field, which leaves the update time as it is.
        write.update.name = entry.path
        write.update_mask.SetInParent()
    if entry.expect is ABSENT:
        write.current_document.exists = False
    elif time_ is not None:
        write.current_document.update_time.seconds, write.current_document.update_time.nanos = time_
    elif entry.must_exist:
        write.current_document.exists = True


def _rev_of(entry: Entry, stored: Any) -> str:
    return join_rev(entry.token, hint_of(entry.token, entry.path, stored.update_time))


def _expected_time(entry: Entry) -> tuple[int, int] | None:
    return parse_hint(entry.expect, entry.path) if type(entry.expect) is str else None


def _has_precondition(entry: Entry) -> bool:
    return entry.expect is not ANY or entry.must_exist


def _once_only(entries: Sequence[Entry]) -> bool:
    """Whether the commit can be applied once at most: it replaces or deletes one revision, which is gone thereafter."""
    return any(type(entry.expect) is str and (entry.delete or entry.portable is not None) for entry in entries)


def _over(end: float, wait: float) -> bool:
    return time.monotonic() + wait + _LEFT_TO_REPEAT >= end


def _conflict(entries: Any) -> Conflict:
    return Conflict([(entry.name.path, entry.id) for entry in entries])


def _length(entry: Entry) -> int:
    return 0 if entry.portable is None else len(entry.portable.data)
