"""Documents and commit records of CouchDB as the protocol of commit_record.py needs them: reads and compare-and-swap.

Everything that is asked of several documents is one request for each database.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final, ParamSpec, TypeVar
from urllib.parse import quote

import orjson

from app.db.backends.couchdb_collections import Collections, Table
from app.db.backends.couchdb_errors import CouchError, HttpFailure, ReplyLost, failure, row_failure, translate
from app.db.backends.couchdb_layout import (
    ABSENT_MARK,
    INTENT,
    TOKEN,
    document_key,
    fields_of,
    split_key,
    tenant_key,
)
from app.db.commit_record import Cell, Intent, Key, Record, State, Swap
from app.db.documents import Document
from app.db.errors import DatabaseError, Unavailable
from app.db.names import Name, parse_name

P = ParamSpec("P")
T = TypeVar("T")

BULK_TIMEOUT: Final = 15.0
_TX: Final = "tx:"
_PAGE: Final = 500


def cell_of(stored: Document) -> Cell:
    """The cell that a document of CouchDB's holds."""
    rev = stored["_rev"]
    intent = None
    if INTENT in stored:
        told = stored[INTENT]
        intent = Intent(told["tx"], told["t"], told["v"])
    if ABSENT_MARK in stored:
        return Cell(rev, "", None, intent)
    # A document that was written by hand has no token of ours: CouchDB's revision serves.
    return Cell(rev, str(stored.get(TOKEN, rev)), fields_of(stored), intent)


def stored_cell(key: Key, cell: Cell | None, hint: str) -> Document:
    """The document that keeps a cell; None is its removal."""
    document: Document = {"_id": document_key(*key)}
    if hint:
        document["_rev"] = hint
    if cell is None:
        return {**document, "_deleted": True}
    if cell.value is None:
        document[ABSENT_MARK] = True
    else:
        document[TOKEN] = cell.token
    if cell.intent is not None:
        document[INTENT] = {"tx": cell.intent.tx, "t": cell.intent.token, "v": cell.intent.value}
    return {**document, **(cell.value or {})}


class Cells:
    """``commit_record.Store`` on CouchDB."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections
        self.session = collections.session

    # Cells

    def read_cells(self, keys: Collection[Key]) -> dict[Key, Cell]:
        """One ``_bulk_get`` for each database, or a plain get of a single document."""
        found: dict[Key, Cell] = {}
        for table, part in self._by_table(keys):
            if len(part) == 1:
                stored = self._told(self.get, table, document_key(*part[0]))
                documents: Iterable[Document] = [] if stored is None else [stored]
            else:
                ids = [document_key(*key) for key in part]
                documents = self._told(self.bulk_get, table, ids)
            for stored in documents:
                tenant, id = split_key(stored["_id"])
                found[Name(tenant, table.name), id] = cell_of(stored)
        return found

    def read_hints(self, keys: Collection[Key]) -> dict[Key, str]:
        """Revisions come from the id index alone, without the documents."""
        found: dict[Key, str] = {}
        for table, part in self._by_table(keys):
            rows = self._told(self.revisions, table, [document_key(*key) for key in part])
            for key, rev in rows.items():
                tenant, id = split_key(key)
                found[Name(tenant, table.name), id] = rev
        return found

    def bearing(self, keys: Collection[Key]) -> dict[Key, Cell]:
        """The index without fields tells which they are. The documents themselves are fetched: what goes through a view
        goes through JavaScript, in which a large float is an integer, and what is read here is written back."""
        found: dict[Key, Cell] = {}
        for table, part in self._by_table(keys):
            starts = sorted({"p" + tenant_key(name.tenant) for name, _ in part})
            query = {"keys": starts, "reduce": False}
            path = table.view(None)
            answer = self._told(self.session.json, "POST", path, query, safe=True)
            asked = {document_key(*key) for key in part}
            ids = [row["id"] for row in answer["rows"] if row["id"] in asked]
            for stored in self._told(self.bulk_get, table, ids, BULK_TIMEOUT) if ids else []:
                tenant, id = split_key(stored["_id"])
                found[Name(tenant, table.name), id] = cell_of(stored)
        return found

    def swap_cells(self, swaps: Sequence[Swap]) -> list[str | None]:
        """One ``_bulk_docs`` for each database: CouchDB decides each document on its own."""
        hints: dict[Key, str | None] = {}
        for table, part in self._by_table([swap.key for swap in swaps], write=True):
            chosen = set(part)
            mine = [swap for swap in swaps if swap.key in chosen]
            documents = [stored_cell(swap.key, swap.cell, swap.hint) for swap in mine]
            rows = self._told(self.bulk_write, table, documents)
            for swap, row in zip(mine, rows, strict=True):
                hints[swap.key] = None if refused(row) else "" if swap.cell is None else row["rev"]
        return [hints[swap.key] for swap in swaps]

    # Requests on documents, which the rest of the backend uses too

    def get(self, table: Table, key: str) -> Document | None:
        """One document as it is stored."""
        try:
            found: Document = self.session.json("GET", f"{table.path}/{quote(key, safe='')}")
        except HttpFailure as error:
            if error.no_document:
                return None
            raise
        return found

    def bulk_get(self, table: Table, keys: Sequence[str], timeout: float | None = None) -> list[Document]:
        """The documents found, as they are stored, in one request."""
        asked = {"docs": [{"id": key} for key in keys]}
        answer = self.session.json("POST", f"{table.path}/_bulk_get", asked, safe=True, timeout=timeout)
        found = []
        for result in answer["results"]:
            for leaf in result["docs"]:
                if "ok" not in leaf and leaf["error"]["error"] != "not_found":
                    raise row_failure(leaf["error"])
            leaves = [leaf["ok"] for leaf in result["docs"] if "ok" in leaf and "_deleted" not in leaf["ok"]]
            if leaves:
                # More than one only where replication brought conflicts: CouchDB shows the highest revision.
                found.append(max(leaves, key=_rank) if len(leaves) > 1 else leaves[0])
        return found

    def revisions(self, table: Table, keys: Sequence[str]) -> dict[str, str]:
        """CouchDB's revisions of the documents that exist."""
        answer = self.session.json("POST", f"{table.path}/_all_docs", {"keys": list(keys)}, safe=True)
        for row in answer["rows"]:
            if row.get("error", "not_found") != "not_found":
                raise row_failure(row)
        return {
            row["id"]: row["value"]["rev"]
            for row in answer["rows"]
            if "error" not in row and row["value"] is not None and not row["value"].get("deleted")
        }

    def bulk_write(
        self, table: Table, documents: Sequence[Document | bytes], timeout: float | None = None
    ) -> list[dict[str, Any]]:
        """CouchDB's answer for each document, in order: each is decided on its own, but a bad one fails all."""
        parts = [document if type(document) is bytes else orjson.dumps(document) for document in documents]
        body = b'{"docs":[' + b",".join(parts) + b"]}"
        reply = self.session.request("POST", f"{table.path}/_bulk_docs", body, timeout=timeout)
        return answers(reply.status, reply.body)

    # Records

    def create_record(self, tx: str, keys: Sequence[Key], now: float) -> str:
        """A document of the system database, readable by people."""
        record = {"state": "pending", "keys": [[name.path, id] for name, id in keys], "since": now}
        path = self._told(self._record_path, tx)
        rev: str = self._told(self.session.json, "PUT", path, record)["rev"]
        return rev

    def read_record(self, tx: str) -> Record | None:
        """One request."""
        try:
            return _record(self.session.json("GET", self._record_path(tx)))
        except HttpFailure as error:
            if error.no_document:
                return None
            raise _outage(error) from error
        except CouchError as error:
            raise _outage(error) from error

    def decide_record(self, record: Record, state: State, now: float) -> bool:
        """One request."""
        changed = {
            "_rev": record.hint,
            "state": state,
            "keys": [[name.path, id] for name, id in record.keys],
            "since": now,
        }
        try:
            self.session.json("PUT", self._record_path(record.tx), changed)
        except HttpFailure as error:
            if error.status == 409:
                return False
            raise _outage(error) from error
        except CouchError as error:
            raise _outage(error) from error
        return True

    def list_records(self, limit: int, after: str = "") -> list[Record]:
        """One request, and another where a record went away while it was listed."""
        found: list[Record] = []
        start = f"{_TX}{after}\x00" if after else _TX
        while True:
            left = limit - len(found)
            query = {"include_docs": True, "limit": left, "start_key": start, "end_key": _TX + "~"}
            answer = self._of_system("POST", "_all_docs", query)
            rows = [] if answer is None else answer["rows"]
            found += [_record(row["doc"]) for row in rows if row["doc"] is not None]
            if len(rows) < left or len(found) == limit:
                return found
            start = rows[-1]["id"] + "\x00"

    def pending_since(self, mark: str) -> tuple[list[Record], str]:
        """The pending records that were created since ``mark`` ("": ever), and the mark of now.

        Without a mark those that are there are listed, as the changes since ever tell every record there ever was. The
        mark is taken first: what is created before that is in the list, unless it is decided and gone, and what is
        created after that is told by the changes since.
        """
        if not mark:
            info = self._of_system("GET", "")
            return ([], "") if info is None else (list(self._pending()), str(info["update_seq"]))
        found: list[Record] = []
        while True:
            query = f"_changes?include_docs=true&limit={_PAGE}&since={quote(mark, safe='')}"
            answer = self._of_system("GET", query)
            if answer is None:
                return found, ""
            rows = [row for row in answer["results"] if row["id"].startswith(_TX) and not row.get("deleted")]
            records = [_record(row["doc"]) for row in rows if row.get("doc") is not None]
            found += [record for record in records if record.state == "pending"]
            mark = str(answer["last_seq"])
            if len(answer["results"]) < _PAGE:
                return found, mark

    def _pending(self) -> Iterator[Record]:
        after = ""
        while True:
            page = self.list_records(_PAGE, after)
            yield from (record for record in page if record.state == "pending")
            if len(page) < _PAGE:
                return
            after = page[-1].tx

    def _of_system(self, method: str, path: str, query: Any = None) -> Any:
        """What the system database answers to a question; None if there is none."""
        try:
            return self.session.json(
                method, f"{self._collections.system}/{path}", query, safe=True, timeout=BULK_TIMEOUT
            )
        except HttpFailure as error:
            if error.no_database:
                return None
            raise _outage(error) from error
        except CouchError as error:
            raise _outage(error) from error

    def remove_records(self, records: Sequence[Record]) -> None:
        """One request."""
        gone = [{"_id": _TX + record.tx, "_rev": record.hint, "_deleted": True} for record in records]
        path = f"{self._collections.system}/_bulk_docs"
        self._told(self.session.json, "POST", path, {"docs": gone}, timeout=BULK_TIMEOUT)

    def _record_path(self, tx: str) -> str:
        return f"{self._collections.system_database()}/{_TX}{tx}"

    def _by_table(self, keys: Collection[Key], *, write: bool = False) -> list[tuple[Table, list[Key]]]:
        """The keys by the database they are in; without those whose collection does not exist, unless it is to be
        written."""
        parts = []
        ordered = sorted(keys, key=lambda key: key[0].collection)
        for collection, part in groupby(ordered, key=lambda key: key[0].collection):
            mine = list(part)
            if write:
                table: Table | None = self._told(self._collections.writable, mine[0][0])
            else:
                table = self._told(self._collections.look, collection)
            if table is not None:
                parts.append((table, mine))
        return parts

    def _told(self, request: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The protocol knows the contract's errors only."""
        try:
            return request(*args, **kwargs)
        except CouchError as error:
            raise _outage(error) from error
        except Unavailable as error:
            error.outcome = None
            raise


def answers(status: int, body: bytes) -> list[dict[str, Any]]:
    """What a ``_bulk_docs`` answered for each document."""
    if status == 202:
        raise not_stored()
    if status >= 400:
        raise failure(status, body)
    try:
        rows: list[dict[str, Any]] = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ReplyLost("not JSON", write=True) from error
    return rows


def not_stored() -> Unavailable:
    """What the status 202 means: the server that keeps the document was away, and another took it for later."""
    return Unavailable("CouchDB accepted a write without storing it.", retry_after=2.0, outcome="unknown")


def _outage(error: CouchError) -> DatabaseError:
    """The contract's error. The protocol alone knows what a lost write means for its commit."""
    translated = translate(error)
    if isinstance(translated, Unavailable):
        translated.outcome = None
    return translated


def refused(row: dict[str, Any]) -> bool:
    """Whether a document of a ``_bulk_docs`` met another revision; raises for anything else that is wrong."""
    error = row.get("error")
    if error is None or error == "conflict":
        return error is not None
    raise translate(row_failure(row))


def _record(stored: Document) -> Record:
    keys = tuple((parse_name(path), id) for path, id in stored["keys"])
    return Record(stored["_id"].removeprefix(_TX), stored["_rev"], stored["state"], keys, stored["since"])


def _rank(stored: Document) -> tuple[int, str]:
    generation, _, digest = stored["_rev"].partition("-")
    return int(generation), digest
