"""Pages, counts and scans of CouchDB: rows of the views and of ``_all_docs``, with the intents of commits in flight
laid over them.

An index row shows a document as it is stored. Where a commit is in flight, or was not folded yet, what counts is its
intent, so every question brings the documents that bear one first, and then its rows, in the same request: an
acknowledged commit is then either folded, and in the rows, or among the intents.
"""

import heapq
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any, Final, NamedTuple
from zlib import crc32

from app.db.backends.couchdb_cells import BULK_TIMEOUT, Cells, cell_of
from app.db.backends.couchdb_collections import Table
from app.db.backends.couchdb_errors import CouchError, ReplyLost
from app.db.backends.couchdb_layout import (
    ABSENT_MARK,
    CUT,
    INTENT,
    TOKEN,
    answers_alone,
    document_key,
    fields_of,
    make_hint,
    split_key,
    tenant_key,
)
from app.db.capabilities import ScanPage
from app.db.commit_record import Cell, CommitRecords, Key
from app.db.documents import Document, join_rev
from app.db.errors import InvalidQuery, Unavailable
from app.db.fields import parse_field
from app.db.names import Name
from app.db.paging import Slice, Walk
from app.db.planner import Plan, Span
from app.db.schema import Index
from app.db.sortkeys import ABOVE, encode_fields

Row = dict[str, Any]

_ALL: Final = (Span(b"", b"", ABOVE),)
_PAGE: Final = 200
_ROUNDS: Final = 20
_INDEX_TIMEOUT: Final = 10.0


class _Entry(NamedTuple):
    """A place in a merged run: the key behind the run's prefix, the id, and the document or the row that shows it."""

    key: str
    id: str
    document: Document | None
    row: Row | None


class Reader:
    """Reads runs of documents."""

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

    # Walks

    def walk(self, table: Table, name: Name, walk: Walk) -> Slice:
        """See DatabaseService.walk."""
        if walk.index is None:
            return self._walk_ids(table, name, walk)
        extra = 0
        for _ in range(_ROUNDS):
            intents, runs = self._rows(table, name, walk.index, walk, walk.limit + 1 + extra)
            if len(intents) > extra:
                extra = len(intents) + 2  # their rows are left out: read as many more
                continue
            # A descending run that goes on behind a document begins with that document.
            if not intents and len(runs) == 1 and not (walk.descending and walk.after):
                plain = self._plain(table, name, walk, runs[0])
                if plain is not None:
                    return plain
            entries = self._merged(table, name, walk, intents, runs)
            documents = self._documents(table, name, walk, entries[: walk.limit])
            if documents is not None:
                return Slice(documents, len(entries) > walk.limit)
        raise Unavailable("These documents change too often to be listed.", retry_after=1.0)

    def count(self, table: Table, name: Name, plan: Plan, up_to: int) -> int:
        """How many documents the plan's runs hold; the sum may go beyond ``up_to``."""
        spans = plan.spans if plan.index is not None else _ALL
        prefix = tenant_key(name.tenant)
        queries: list[Row] = [_intents(prefix)]
        for span in spans:
            low, high = _bounds(prefix, span)
            queries.append({"reduce": True, "start_key": low, "end_key": high, "inclusive_end": False})
        results = self._queries(table, plan.index, queries)
        found = sum(int(row["value"]) for result in results[1:] for row in result["rows"])
        intents = [row["value"] for row in results[0]["rows"]]
        if not intents:
            return found
        # A row for each stored form was counted: take those away and count what the documents really are.
        paths = _paths(plan.index)
        visible = self.shown(table, [dict(stored) for stored in intents])
        for stored in intents:
            if ABSENT_MARK not in stored:
                found -= _within(encode_fields(fields_of(stored), paths), spans)
            if stored["_id"] in visible:
                found += _within(encode_fields(visible[stored["_id"]], paths), spans)
        return found

    def _rows(
        self, table: Table, name: Name, index: Index, walk: Walk, limit: int
    ) -> tuple[list[Document], list[list[Row]]]:
        """The documents that bear intents, and the rows of each run."""
        prefix = tenant_key(name.tenant)
        queries: list[Row] = [_intents(prefix)]
        for span in walk.spans:
            low, high = _bounds(prefix, span)
            query: Row = {"reduce": False, "limit": limit}
            if walk.descending:
                # The start is included, unless it is below every id.
                query |= {"descending": True, "start_key": high, "start_key_doc_id": "", "end_key": low}
            else:
                query |= {"start_key": low, "end_key": high, "inclusive_end": False}
            if walk.after is not None:
                place = f"k{prefix}{(span.prefix + walk.after.key).hex()}"
                id = document_key(name, walk.after.id)
                if walk.descending and place < high:
                    # CouchDB starts at the id itself: it is left out below.
                    query |= {"start_key": place, "start_key_doc_id": id, "limit": limit + 1}
                elif not walk.descending and place >= low:
                    query |= {"start_key": place, "start_key_doc_id": id + "\x00"}
                if (place < low) if walk.descending else (place >= high):
                    query = {"reduce": False, "keys": []}
            queries.append(query)
        results = self._queries(table, index, queries)
        return [row["value"] for row in results[0]["rows"]], [result["rows"] for result in results[1:]]

    def _queries(self, table: Table, index: Index | None, queries: list[Row]) -> list[Row]:
        path, asked = table.view(index) + "/queries", {"queries": queries}
        try:
            answer = self._session.json("POST", path, asked, safe=True)
        except ReplyLost:
            # A server that hangs is an outage at once; one that is busy indexing what was just written is waited for.
            if not self._catching_up(table, index):
                raise
            answer = self._session.json("POST", path, asked, safe=True, timeout=_INDEX_TIMEOUT)
        results: list[Row] = answer["results"]
        return results

    def _catching_up(self, table: Table, index: Index | None) -> bool:
        try:
            told = self._session.json("GET", table.view(index).removesuffix("/_view/rows") + "/_info", timeout=0.5)
        except CouchError:
            return False
        pending = told["view_index"].get("updates_pending", {}).get("total", 0)
        return bool(told["view_index"].get("updater_running") or pending)

    def _plain(self, table: Table, name: Name, walk: Walk, rows: list[Row]) -> Slice | None:
        """The usual page, at half the cost: one run, no intent, and rows that show all that is asked for. None for any
        other, and then the rows are as they were."""
        fields, seed, start = walk.fields, table.seed, len(tenant_key(name.tenant))
        for row in rows:
            value = row["value"]
            if INTENT in value or (CUT in value and not answers_alone(value, fields)):
                return None
        found: list[Document] = []
        for row in rows[: walk.limit]:
            document, key = row["value"], row["id"]
            document.pop(CUT, None)
            rev = document["_rev"]
            token = document.pop(TOKEN, None) or rev
            document["_id"] = key[start:]
            document["_rev"] = f"{token}.{make_hint(rev, token, key, seed)}"
            found.append(document)
        return Slice(found, len(rows) > walk.limit)

    def _merged(
        self, table: Table, name: Name, walk: Walk, intents: list[Document], runs: list[list[Row]]
    ) -> list[_Entry]:
        """At most one entry more than the limit, in the walk's order, with the intents resolved."""
        prefix = tenant_key(name.tenant)
        after = None if walk.after is None else (walk.after.key.hex(), walk.after.id)
        bearing = {stored["_id"] for stored in intents}
        fresh: set[str] = set()
        lists: list[list[_Entry]] = []
        for span, rows in zip(walk.spans, runs, strict=True):
            start = 1 + len(prefix) + 2 * len(span.prefix)
            entries = []
            for row in rows:
                key = row["id"]
                if key in bearing:
                    if INTENT in row["value"] or INTENT in (row["value"].get(CUT) or ()):
                        continue  # shown by its intent
                    fresh.add(key)  # folded since
                place = (row["key"][start:], key[len(prefix) :])
                if place != after:
                    entries.append(_Entry(*place, None, row))
            lists.append(entries)
        if intents:
            shown = self.shown(table, [dict(stored) for stored in intents])
            lists += self._laid_over(walk, after, {key: shown[key] for key in shown.keys() - fresh})
        if len(lists) == 1:
            return lists[0][: walk.limit + 1]
        merged = heapq.merge(*lists, key=itemgetter(0, 1), reverse=walk.descending)
        return [entry for _, entry in zip(range(walk.limit + 1), merged, strict=False)]

    def _laid_over(
        self, walk: Walk, after: tuple[str, str] | None, shown: dict[str, Document]
    ) -> Iterator[list[_Entry]]:
        """The entries of documents that bear intents, for each run that they are in."""
        paths = _paths(walk.index)
        for span in walk.spans:
            entries = []
            for document in shown.values():
                key = encode_fields(document, paths)
                if key is None or not span.low <= key < span.high:
                    continue
                place = (key[len(span.prefix) :].hex(), document["_id"])
                if after is None or (place < after if walk.descending else place > after):
                    entries.append(_Entry(*place, document, None))
            yield sorted(entries, key=itemgetter(0, 1), reverse=walk.descending)

    def _documents(self, table: Table, name: Name, walk: Walk, entries: list[_Entry]) -> list[Document] | None:
        """The documents of the entries; those that the index does not hold whole are fetched at once. None if one of
        these has changed its place meanwhile, so that it may not belong here any more."""
        rows = [entry.row for entry in entries if entry.row is not None]
        wanted = [row["id"] for row in rows if not answers_alone(row["value"], walk.fields)]
        fetched = self.shown(table, self._cells.bulk_get(table, wanted)) if wanted else {}
        paths, start = _paths(walk.index), "k" + tenant_key(name.tenant)
        found: list[Document] = []
        for _, _, document, row in entries:
            if row is None:
                if document is not None:
                    found.append(document)
            elif answers_alone(row["value"], walk.fields):
                found.append(self._of_row(table, row))
            else:
                whole = fetched.get(row["id"])
                key = None if whole is None else encode_fields(whole, paths)
                if whole is None or key is None or start + key.hex() != row["key"]:
                    return None
                found.append(whole)
        return found

    def _of_row(self, table: Table, row: Row) -> Document:
        """The document that an index row shows."""
        stored: Document = row["value"]
        stored.pop(CUT, None)
        intent = stored.pop(INTENT, None)
        document = self.document(table, row["id"], stored)
        if intent is not None:
            # It got an intent after the intents were read, so its old value is right; but CouchDB's revision is that
            # of the intent, and a precondition that nobody may be given.
            document["_rev"] = document["_rev"].partition(".")[0]
        return document

    def _walk_ids(self, table: Table, name: Name, walk: Walk) -> Slice:
        """By id: each document comes with its own intent, so nothing has to be laid over."""
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


def _intents(prefix: str) -> Row:
    return {"reduce": False, "start_key": "i" + prefix, "end_key": "i" + prefix}


def _bounds(prefix: str, span: Span) -> tuple[str, str]:
    return f"k{prefix}{span.low.hex()}", f"k{prefix}{span.high.hex()}"


def _paths(index: Index | None) -> tuple[tuple[str, ...], ...]:
    return () if index is None else tuple(parse_field(field) for field in index.fields)


def _within(key: bytes | None, spans: tuple[Span, ...]) -> int:
    return 0 if key is None else sum(span.low <= key < span.high for span in spans)
