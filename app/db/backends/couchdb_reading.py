"""Pages and counts of CouchDB along an index: rows of the views, with the intents of commits in flight laid over them.

An index row shows a document as it is stored. Where a commit is in flight, or was not folded yet, what counts is its
intent. A page from the beginning of its run sees in its own rows whether there is one that concerns it. Every other
question brings the documents that bear one first, and then its rows, in the same request: an acknowledged commit is
then either folded, and in the rows, or among the intents.
"""

import heapq
from collections.abc import Iterator
from itertools import islice
from operator import itemgetter
from time import sleep
from typing import Any, Final, NamedTuple

from app.db.backends.couchdb_by_id import ReaderById, Row
from app.db.backends.couchdb_collections import Table
from app.db.backends.couchdb_errors import CouchError, ReplyLost
from app.db.backends.couchdb_layout import (
    ABSENT_MARK,
    CUT,
    INTENT,
    TOKEN,
    answers_alone,
    count_fields,
    document_key,
    fields_of,
    make_hint,
    tenant_key,
)
from app.db.documents import MAX_INTEGER, Document
from app.db.errors import Unavailable
from app.db.fields import parse_field
from app.db.growing_waits import growing_waits
from app.db.names import Name
from app.db.paging import Slice, Walk
from app.db.planner import Plan, Span
from app.db.schema import Index
from app.db.sortkeys import ABOVE, encode_fields

_ALL: Final = (Span(b"", b"", ABOVE),)
_ROUNDS: Final = 20
_INDEX_TIMEOUT: Final = 10.0


class _Entry(NamedTuple):
    """A place in a merged run: the key behind the run's prefix, the id, and the document or the row that shows it."""

    key: str
    id: str
    document: Document | None
    row: Row | None


class Reader(ReaderById):
    """Reads runs of documents."""

    def walk(self, table: Table, name: Name, walk: Walk) -> Slice:
        """See DatabaseService.walk."""
        if walk.index is None:
            return self.walk_ids(table, name, walk)
        found = self._at_once(table, name, walk.index, walk)
        if found is not None:
            return found
        extra = 0
        for _ in range(_ROUNDS):
            intents, rows = self._rows(table, name, walk.index, walk, walk.limit + 1 + extra)
            runs = [[row for row in run if row["value"] is not None] for run in rows]  # without the marks
            marks = max(len(marked) - len(run) for marked, run in zip(rows, runs, strict=True))
            lost = len(intents) + marks
            if lost > extra:
                extra = lost + 2  # so many are left out: read as many more
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
            low, high = _bounds(prefix, span, plan.index)
            queries.append({"reduce": True, "start_key": low, "end_key": high, "inclusive_end": False})
        queries.append(_intents(prefix))
        for wait in islice(growing_waits(0.005, 0.1), _ROUNDS):
            first, *results, last = self._queries(table, plan.index, queries)
            # CouchDB answers one query after the other: what is counted by its intent must have had it all the while.
            if _revisions(first) != _revisions(last):
                sleep(wait)
                continue
            found = sum(int(row["value"]) for result in results for row in result["rows"])
            return found + self._correction(table, _of_rows(first["rows"]), _paths(plan.index), spans)
        raise Unavailable("These documents change too often to be counted.", retry_after=1.0)

    def _correction(
        self, table: Table, intents: list[Document], paths: tuple[tuple[str, ...], ...], spans: tuple[Span, ...]
    ) -> int:
        """What a count of stored forms lacks: without the forms of those that bear intents, with what they really
        are."""
        found = 0
        visible = self.shown(table, [dict(stored) for stored in intents])
        for stored in intents:
            if ABSENT_MARK not in stored:
                found -= _within(encode_fields(fields_of(stored), paths), spans)
            if stored["_id"] in visible:
                found += _within(encode_fields(visible[stored["_id"]], paths), spans)
        return found

    def _at_once(self, table: Table, name: Name, index: Index, walk: Walk) -> Slice | None:
        """A page that begins where all keys with its leads begin, without asking for intents: the mark in front of them
        tells whether there is one that concerns it, and CouchDB answers marks and rows of one moment. None if there is,
        or if the page begins elsewhere."""
        if walk.after is not None or not all(
            span.low == span.prefix and count_fields(span.prefix) == len(index.fields) - 1 for span in walk.spans
        ):
            return None
        queries: list[Row] = []
        for span in walk.spans:
            lead = f"k{tenant_key(name.tenant)}{span.prefix.hex()}"
            query: Row = {"reduce": False, "limit": walk.limit + 1}
            if walk.descending:
                query |= {"descending": True, "start_key": lead + "g", "end_key": lead + "1"}
            else:
                query |= {"start_key": lead + "0", "end_key": lead + "g", "inclusive_end": False}
            queries.append(query)
        runs: list[list[Row]] = [result["rows"] for result in self._queries(table, index, queries)]
        if any(run and run[0]["value"] is None for run in runs):
            return None
        if len(runs) == 1 and (plain := self._plain(table, name, walk, runs[0])) is not None:
            return plain
        entries = self._merged(table, name, walk, [], runs)
        documents = self._documents(table, name, walk, entries[: walk.limit])
        return None if documents is None else Slice(documents, len(entries) > walk.limit)

    def _rows(
        self, table: Table, name: Name, index: Index, walk: Walk, limit: int
    ) -> tuple[list[Document], list[list[Row]]]:
        """The documents that bear intents, and the rows of each run."""
        prefix = tenant_key(name.tenant)
        queries: list[Row] = [_intents(prefix)]
        for span in walk.spans:
            low, high = _bounds(prefix, span, index)
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
        return _of_rows(results[0]["rows"]), [result["rows"] for result in results[1:]]

    def _queries(self, table: Table, index: Index | None, queries: list[Row]) -> list[Row]:
        path, asked = table.view(index), queries[0]
        if len(queries) > 1:
            path, asked = path + "/queries", {"queries": queries}
        try:
            answer = self._session.json("POST", path, asked, safe=True)
        except ReplyLost:
            # A server that hangs is an outage at once. One that is busy indexing what was just written is waited for,
            # and one that is there after all, while we doubted it and had little patience, is asked again.
            catching_up = self._catching_up(table, index)
            if catching_up is None:
                raise
            patience = _INDEX_TIMEOUT if catching_up else None
            answer = self._session.json("POST", path, asked, safe=True, timeout=patience)
        results: list[Row] = answer["results"] if len(queries) > 1 else [answer]
        return results

    def _catching_up(self, table: Table, index: Index | None) -> bool | None:
        """Whether an index is behind its documents; None if the server does not answer."""
        try:
            told = self._session.json("GET", table.view(index).removesuffix("/_view/rows") + "/_info", timeout=0.5)
        except CouchError:
            return None
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


def _of_rows(rows: list[Row]) -> list[Document]:
    """The documents that bear intents, with floats as they were stored: JavaScript writes those above 2^53 that are
    integers like integers, of which no document has any there."""
    return [_with_floats(row["value"]) for row in rows]


def _with_floats(value: Any) -> Any:
    if type(value) is dict:
        return {key: _with_floats(item) for key, item in value.items()}
    if type(value) is list:
        return [_with_floats(item) for item in value]
    return float(value) if type(value) is int and abs(value) > MAX_INTEGER else value


def _intents(prefix: str) -> Row:
    return {"reduce": False, "key": "p" + prefix}


def _revisions(result: Row) -> list[tuple[str, str]]:
    return [(row["id"], row["value"]["_rev"]) for row in result["rows"]]


def _bounds(prefix: str, span: Span, index: Index | None) -> tuple[str, str]:
    low = f"k{prefix}{span.low.hex()}"
    if index is not None and span.low == span.prefix and count_fields(span.prefix) < len(index.fields):
        low += "1"  # behind the mark: what comes next in a key is another value, whose first digit is 1 to 4
    return low, f"k{prefix}{span.high.hex()}"


def _paths(index: Index | None) -> tuple[tuple[str, ...], ...]:
    return () if index is None else tuple(parse_field(field) for field in index.fields)


def _within(key: bytes | None, spans: tuple[Span, ...]) -> int:
    return 0 if key is None else sum(span.low <= key < span.high for span in spans)
