"""Single writes and bulk writes of CouchDB, and how a write whose reply was lost is settled.

A write is a compare-and-swap on CouchDB's own revision, and its revision token is new, so sending the same one again is
safe: at most one of them is applied. After a lost reply, or one of 500 and above, which a gateway gives for a server
that went away after the write, the document is read: our token says that it was applied; the revision that we replaced
says that it was not, and it is sent again, which also outruns the first if that is still on its way. Anything else
means that somebody wrote after, or instead of, us: the outcome is unknown.
"""

import time
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import quote

import orjson

from app.db.backends.couchdb_cells import BULK_TIMEOUT, Cells, not_stored
from app.db.backends.couchdb_collections import Table
from app.db.backends.couchdb_errors import CouchError, HttpFailure, ReplyLost, failure, row_failure, translate
from app.db.backends.couchdb_layout import (
    INTENT,
    TOKEN,
    document_key,
    make_hint,
    open_hint,
    stored,
    tenant_key,
)
from app.db.commit_record import CommitRecords, holds
from app.db.documents import Portable, new_token, split_rev
from app.db.errors import Conflict, DatabaseError, InvalidDocument, NotFound, TooLarge, Unavailable
from app.db.growing_waits import growing_waits
from app.db.names import Name
from app.db.writes import ABSENT, ANY, Expected, Outcome

_GIVE_UP: Final = 10.0
_BATCH_BYTES: Final = 4_000_000
_BATCH: Final = 1_000
_ROUNDS: Final = 8


class Target(NamedTuple):
    """One document to write: where it is, and its new form; without ``fields`` it is to be deleted."""

    table: Table
    name: Name
    id: str
    key: str
    token: str
    fields: bytes | None

    @property
    def path(self) -> str:
        """The path of the document."""
        return f"{self.table.path}/{quote(self.key, safe='')}"


class Writer:
    """Writes single documents under an expectation, and many without."""

    def __init__(self, cells: Cells, records: CommitRecords) -> None:
        self._cells = cells
        self._session = cells.session
        self._records = records
        # The collections in which the last writes without a revision met documents that were there. The next ones read
        # first, and are spared a request that CouchDB would refuse. A guess: only the number of requests depends on it.
        self._replacing: set[str] = set()

    def put(self, table: Table, name: Name, id: str, portable: Portable, expect: Expected) -> str:
        """Create or replace; the new ``_rev``. One round trip where the expectation tells CouchDB's revision."""
        key = document_key(name, id)
        target = Target(table, name, id, key, new_token(), portable.data)
        rev: str | None = ""
        if expect is ANY:
            rev = None if table.path in self._replacing else ""
        elif expect is not ABSENT:
            token, hint = split_rev(str(expect))
            rev = open_hint(hint, token, key, table.seed) or None
        if rev is not None:
            made = self._swap(target, rev)
            if made is not None:
                return self._rev(target, made)
        return self._rev(target, self._write(target, expect))

    def delete(self, table: Table, name: Name, id: str, expect: Expected) -> None:
        """Delete, or NotFound."""
        key = document_key(name, id)
        target = Target(table, name, id, key, "", None)
        if expect is not ANY:
            token, hint = split_rev(str(expect))
            rev = open_hint(hint, token, key, table.seed)
            if rev and self._swap(target, rev) is not None:
                return
        self._write(target, expect)

    def _write(self, target: Target, expect: Expected) -> str:
        """Read, decide the expectation by the token, compare and swap; again until one of them is decided."""
        place = (target.name, target.id)
        end = time.monotonic() + _GIVE_UP
        for wait in growing_waits(0.002, 0.05):
            cell = self._records.settled([place]).get(place)
            if cell is None and target.fields is None:
                raise NotFound(target.name.path, target.id)
            if expect is ANY and target.fields is not None:
                self._guess(target.table, replacing=cell is not None)
            if not holds(expect, None if cell is None else cell.token):
                raise Conflict([(target.name.path, target.id)])
            made = self._swap(target, "" if cell is None else cell.hint)
            if made is not None:
                return made
            if time.monotonic() >= end:
                break
            time.sleep(wait)
        raise Conflict([(target.name.path, target.id)])

    def _swap(self, target: Target, rev: str) -> str | None:
        """Replace the revision (create with ""): the new one, or None if there is another."""
        try:
            return self._send(target, rev)
        except ReplyLost as error:
            return self._settle(target, rev, error)

    def _send(self, target: Target, rev: str) -> str | None:
        if target.fields is None:
            reply = self._session.request("DELETE", f"{target.path}?rev={rev}")
        else:
            reply = self._session.request("PUT", target.path, stored(target.fields, target.token, rev))
        if reply.status in (200, 201):
            try:
                made: str = orjson.loads(reply.body)["rev"]
            except orjson.JSONDecodeError as error:
                raise ReplyLost("not JSON", write=True) from error
            return made
        if reply.status == 202:
            raise not_stored()
        failed = failure(reply.status, reply.body, reply.header(b"retry-after"))
        if failed.in_doubt:
            raise ReplyLost(str(failed), write=True) from failed
        if failed.status == 409 or failed.no_document:
            return None
        raise failed

    def _settle(self, target: Target, rev: str, lost: ReplyLost) -> str | None:
        for pause in (0.0, 0.05, 0.2):
            if pause:
                time.sleep(pause)
            try:
                found = self._cells.get(target.table, target.key)
                if target.fields is None and found is None:
                    return ""
                if target.fields is not None and found is not None and found.get(TOKEN) == target.token:
                    # The revision of a document that has got an intent meanwhile is no precondition for anybody.
                    return "" if INTENT in found else str(found["_rev"])
                if ("" if found is None else found["_rev"]) != rev:
                    break
                made = self._send(target, rev)
                if made is not None:
                    return made
            except CouchError:
                continue
        raise Unavailable(
            f"It is not known whether {target.id!r} was saved: look before saving it again.",
            retry_after=2.0,
            outcome="unknown",
        ) from lost

    def _guess(self, table: Table, *, replacing: bool) -> None:
        if replacing:
            self._replacing.add(table.path)
        else:
            self._replacing.discard(table.path)

    def _rev(self, target: Target, made: str) -> str:
        if not made:
            return target.token
        return f"{target.token}.{make_hint(made, target.token, target.key, target.table.seed)}"

    # Bulk

    def batch(
        self, table: Table, name: Name, documents: Sequence[tuple[str, Portable]], only_newer: bool = False
    ) -> list[Outcome]:
        """An answer for every document, in order. With ``only_newer`` a stored one that is as new or newer stands."""
        outcomes: dict[str, Outcome] = {}
        part: list[Target] = []
        size = 0
        kept = {id for id, portable in documents if portable.rev is not None}
        prefix = tenant_key(name.tenant)
        for id, portable in documents:
            token = new_token() if portable.rev is None else split_rev(portable.rev)[0]
            # Target(...) itself, for half the cost
            part.append(tuple.__new__(Target, (table, name, id, prefix + id, token, portable.data)))
            size += len(portable.data)
            if size >= _BATCH_BYTES or len(part) >= _BATCH:
                self._bulk(part, kept, outcomes, only_newer)
                part, size = [], 0
        if part:
            self._bulk(part, kept, outcomes, only_newer)
        return [outcomes[id] for id, _ in documents]

    def _bulk(self, targets: list[Target], kept: set[str], outcomes: dict[str, Outcome], only_newer: bool) -> None:
        """Create them, and replace those that turn out to exist, until each is decided."""
        revs: dict[str, str] = {}
        waiting, table, lost, doubt = targets, targets[0].table, False, False
        look_first = table.path in self._replacing
        for _ in range(_ROUNDS):
            try:
                if not look_first:
                    lost = self._bulk_once(waiting, revs, outcomes)
                    doubt = doubt or lost
                    waiting = [target for target in waiting if target.id not in outcomes]
                    if not waiting:
                        return
                look_first = False
                there = self._cells.bulk_get(table, [item.key for item in waiting], BULK_TIMEOUT)
            except CouchError as error:
                if not doubt and not outcomes:
                    raise
                raise Unavailable(
                    "It is not known which of these documents were saved: look before saving them again.",
                    retry_after=2.0,
                    outcome="unknown",
                ) from error
            current = {found["_id"]: found for found in there}
            self._guess(table, replacing=bool(current))
            revs = {}
            for target in waiting:
                found = current.get(target.key)
                if found is None:
                    continue
                if lost and target.id not in kept and found.get(TOKEN) == target.token:
                    outcomes[target.id] = Outcome(target.id, self._rev(target, found["_rev"]))
                elif INTENT in found:
                    outcomes[target.id] = self._alone(target, only_newer)
                elif only_newer and (token := str(found.get(TOKEN) or found["_rev"])) >= target.token:
                    rev = self._rev(target._replace(token=token), found["_rev"])
                    outcomes[target.id] = Outcome(target.id, rev, kept=True)
                else:
                    revs[target.id] = found["_rev"]
            waiting = [target for target in waiting if target.id not in outcomes]
            if not waiting:
                return
        for target in waiting:
            outcomes[target.id] = self._alone(target, only_newer)

    def _bulk_once(self, targets: Sequence[Target], revs: dict[str, str], outcomes: dict[str, Outcome]) -> bool:
        """One request; True if its answer was lost. A bad document fails all of them: then they are halved."""
        bodies = [
            b'{"_id":%b,' % orjson.dumps(target.key)
            + stored(target.fields or b"{}", target.token, revs.get(target.id, ""))[1:]
            for target in targets
        ]
        try:
            rows = self._cells.bulk_write(targets[0].table, bodies, BULK_TIMEOUT)
        except ReplyLost:
            return True
        except HttpFailure as error:
            if error.in_doubt:
                return True
            if error.status not in (400, 413) or error.no_database:
                raise
            if len(targets) == 1:
                outcomes[targets[0].id] = Outcome(targets[0].id, None, translate(error))
                return False
            half = len(targets) // 2
            lost = self._bulk_once(targets[:half], revs, outcomes)
            return self._bulk_once(targets[half:], revs, outcomes) or lost
        for target, row in zip(targets, rows, strict=True):
            if "rev" in row:
                _, _, id, key, token, _ = target
                outcomes[id] = Outcome(id, f"{token}.{make_hint(row['rev'], token, key, target.table.seed)}")
            elif row.get("error") != "conflict":
                outcomes[target.id] = Outcome(target.id, None, translate(row_failure(row)))
        return False

    def _alone(self, target: Target, only_newer: bool) -> Outcome:
        """One document of a bulk write that somebody else is busy with."""
        try:
            expect: Expected = ANY
            if only_newer:
                place = (target.name, target.id)
                cell = self._records.settled([place]).get(place)
                if cell is not None and cell.token >= target.token:
                    return Outcome(target.id, cell.token, kept=True)
                expect = ABSENT if cell is None else cell.token
            return Outcome(target.id, self._rev(target, self._write(target, expect)))
        except (Conflict, InvalidDocument, TooLarge) as error:
            return Outcome(target.id, None, error)
        except CouchError as error:
            outage: DatabaseError = translate(error)
            return Outcome(target.id, None, outage)
