"""Documents of CouchDB as callers see them, and the walks by id: ``_all_docs``, and the scan of every tenant's.

Where a commit is in flight, or was not folded yet, what counts is a document's intent. By id, each document brings its
own; the walks along an index, for which that is not so, are in couchdb_reading.py.
"""

from collections.abc import Iterable
from typing import Any, Final
from zlib import crc32

from app.db.backends.couchdb_cells import BULK_TIMEOUT, Cells, cell_of
from app.db.backends.couchdb_collections import Table
from app.db.backends.couchdb_layout import (
    ABSENT_MARK,
    INTENT,
    TOKEN,
    document_key,
    make_hint,
    split_key,
    tenant_key,
)
from app.db.capabilities import ScanPage
from app.db.commit_record import Cell, CommitRecords, Key
from app.db.documents import Document, join_rev
from app.db.errors import InvalidQuery
from app.db.names import Name
from app.db.paging import Slice, Walk

Row = dict[str, Any]

_PAGE: Final = 200


class ReaderById:
    """Shows documents, and reads them by id."""

    def __init__(self, cells: Cells, records: CommitRecords) -> None:
        self._cells = cells
        self._session = cells.session
        self._records = records

    def document(self, table: Table, key: str, stored: Document) -> Document:
        """What callers get of a stored document that bears no intent; takes it apart."""
        rev = stored["_rev"]
        token = stored.pop(TOKEN, None) or rev
        stored["_id"] = split_key(key)[1]
        stored["_rev"] = f"{token}.{make_hint(rev, token, key, table.seed)}"
        return stored

    def shown(self, table: Table, stored: Iterable[Document]) -> dict[str, Document]:
        """Stored documents as readers have to see them, by their id in CouchDB; those without a value are left out."""
        found: dict[str, Document] = {}
        intents: dict[Key, Cell] = {}
        for document in stored:
            key = document["_id"]
            if INTENT in document or ABSENT_MARK in document:
                tenant, id = split_key(key)
                intents[Name(tenant, table.name), id] = cell_of(document)
                found[key] = document  # keeps the place
            else:
                found[key] = self.document(table, key, document)
        if not intents:
            return found
        visible = self._records.visible(intents)
        for name, id in intents:
            key = document_key(name, id)
            cell = visible.get((name, id))
            if cell is None:
                del found[key]
            else:
                found[key] = self.of_cell(table, key, cell)
        return found

    def of_cell(self, table: Table, key: str, cell: Cell) -> Document:
        """What callers get of a cell with a value."""
        hint = make_hint(cell.hint, cell.token, key, table.seed) if cell.hint else ""
        return {**(cell.value or {}), "_id": split_key(key)[1], "_rev": join_rev(cell.token, hint)}

    def walk_ids(self, table: Table, name: Name, walk: Walk) -> Slice:
        """See DatabaseService.walk. By id each document comes with its own intent, so nothing has to be laid over."""
        prefix = tenant_key(name.tenant)
        end = prefix[:-1] + ";"  # the character after the colon
        start = None if walk.after is None else prefix + walk.after.id
        found: list[Document] = []
        while True:
            limit = walk.limit + 1 - len(found)
            query: Row = {"include_docs": True, "limit": limit}
            if walk.descending:
                query |= {"descending": True, "start_key": start or end, "end_key": prefix, "limit": limit + 1}
            else:
                query |= {"start_key": prefix if start is None else start + "\x00", "end_key": end}
                query["inclusive_end"] = False
            rows = self._all_docs(table, query)
            stored = [row["doc"] for row in rows if row["id"] != start and row["doc"] is not None]
            found += self.shown(table, stored).values()
            if len(rows) < query["limit"] or len(found) > walk.limit:
                return Slice(found[: walk.limit], len(found) > walk.limit)
            start = rows[-1]["id"]

    def scan(self, table: Table, after: str | None, limit: int) -> ScanPage:
        """Every tenant's documents, by their id in CouchDB, in which the design documents lie too."""
        found: list[tuple[str, Document]] = []
        start = None if after is None else _opened(after)
        while len(found) < limit:
            query: Row = {"include_docs": True, "limit": limit - len(found)}
            if start is not None:
                query["start_key"] = start + "\x00"
            rows = self._all_docs(table, query)
            stored = [row["doc"] for row in rows if not row["id"].startswith("_design/") and row["doc"] is not None]
            for key, document in self.shown(table, stored).items():
                found.append((Name(split_key(key)[0], table.name).path, document))
            if len(rows) < query["limit"]:
                return ScanPage(found, None)
            start = str(rows[-1]["id"])
        return ScanPage(found, None if start is None else f"{crc32(start.encode()):08x}{start}")

    def _all_docs(self, table: Table, query: Row) -> list[Row]:
        timeout = BULK_TIMEOUT if query["limit"] > _PAGE else None
        answer = self._session.json("POST", f"{table.path}/_all_docs", query, safe=True, timeout=timeout)
        rows: list[Row] = answer["rows"]
        return rows


def _opened(after: str) -> str:
    """The id behind a scan's ``after``, which carries its check sum."""
    sum_, start = after[:8], after[8:]
    if not sum_ or sum_ != f"{crc32(start.encode(errors='replace')):08x}":
        raise InvalidQuery("not a place in this scan", name="after")
    return start
