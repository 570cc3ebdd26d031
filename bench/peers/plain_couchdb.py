"""What a careful developer would write by hand for CouchDB: ``http.client``, one kept connection, orjson.

Native documents under ``<tenant>:<id>`` with the tenant as a field, a view that emits what a page shows, and a Mango
index for ``_find``. It asks no HEAD, carries ``_rev``, and reads revisions with ``_all_docs`` before it replaces many.
Its page asks in the same request which documents a commit in flight has marked, as whoever keeps the promise of atomic
commits has to; ``bare_page`` does not. It has no tokens and no deadlines, checks nothing, and seals no cursor.
"""

import http.client
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import orjson

from bench.data import PAGE

Document = dict[str, Any]

_HIGH: Final = "\uffff"
# Raw collation, so that names are in code-point order, as the contract has them.
_VIEW: Final = {
    "map": """function (doc) {
        if (doc.pending) { emit(["pending", doc.tenant], doc); }
        emit(["page", doc.tenant, doc.status, doc.name], doc);
    }""",
    "options": {"collation": "raw"},
}
_MANGO: Final = {"index": {"fields": ["tenant", "status", "name"]}, "ddoc": "mango", "name": "page", "type": "json"}


class PlainCouch:
    """One database on the server of a ``couchdb://`` URL; ``connection`` may be given instead of a new one."""

    def __init__(self, url: str, database: str, connection: http.client.HTTPConnection | None = None) -> None:
        parts = urlsplit(url)
        made = http.client.HTTPConnection(str(parts.hostname), parts.port or 5984, timeout=60)
        self._connection = connection or made
        self._headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if parts.username:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = "Basic " + b64encode(login.encode()).decode()
        self.path = f"/{database}"

    def create(self) -> None:
        """Make the database and its indexes."""
        self.ask("PUT", self.path)
        self.ask("PUT", f"{self.path}/_design/page", {"language": "javascript", "views": {"rows": _VIEW}})
        self.ask("POST", f"{self.path}/_index", _MANGO)

    def ask(self, method: str, path: str, value: Any = None) -> Any:
        """One request, JSON both ways; RuntimeError for an error status."""
        body = None if value is None else orjson.dumps(value)
        self._connection.request(method, path, body, self._headers)
        reply = self._connection.getresponse()
        data = reply.read()
        if reply.status >= 400:
            raise RuntimeError(f"{method} {path} answers {reply.status}: {data[:200]!r}")
        return orjson.loads(data)

    def get(self, tenant: str, id: str) -> Document:
        """One document."""
        found: Document = self.ask("GET", f"{self.path}/{quote(f'{tenant}:{id}', safe='')}")
        return found

    def save(self, tenant: str, id: str, document: Document) -> str:
        """Replace the revision in ``_rev``, or create; the new revision."""
        rev: str = self.ask("PUT", f"{self.path}/{quote(f'{tenant}:{id}', safe='')}", document)["rev"]
        return rev

    def overwrite(self, tenant: str, id: str, document: Document) -> str:
        """Create or replace whatever is there: its revision is read first."""
        path = f"{self.path}/{quote(f'{tenant}:{id}', safe='')}"
        rev = self._revision(path)
        made: str = self.ask("PUT", path, {**document, "_rev": rev} if rev else document)["rev"]
        return made

    def insert_many(self, tenant: str, documents: Sequence[tuple[str, Document]]) -> None:
        """Create them."""
        self._write([{**document, "_id": f"{tenant}:{id}"} for id, document in documents])

    def replace_many(self, tenant: str, documents: Sequence[tuple[str, Document]]) -> None:
        """Create or replace them: their revisions are read first."""
        revs = self.revisions([f"{tenant}:{id}" for id, _ in documents])
        given = [{**document, "_id": f"{tenant}:{id}"} for id, document in documents]
        self._write([{**one, "_rev": revs[one["_id"]]} if one["_id"] in revs else one for one in given])

    def revisions(self, keys: list[str]) -> dict[str, str]:
        """The revisions of the documents that exist, without the documents."""
        rows = self.ask("POST", f"{self.path}/_all_docs", {"keys": keys})["rows"]
        return {row["id"]: row["value"]["rev"] for row in rows if "error" not in row}

    def page(self, tenant: str, status: str) -> tuple[list[Document], bool]:
        """A page from the view, and what is in flight, in one request; and whether there is more."""
        queries = [
            {"key": ["pending", tenant]},
            {
                "startkey": ["page", tenant, status],
                "endkey": ["page", tenant, status, _HIGH],
                "limit": PAGE + 1,
            },
        ]
        answer = self.ask("POST", f"{self.path}/_design/page/_view/rows/queries", {"queries": queries})
        pending, found = answer["results"]
        if pending["rows"]:
            raise RuntimeError("a commit is in flight")
        rows = found["rows"]
        return [row["value"] for row in rows[:PAGE]], len(rows) > PAGE

    def bare_page(self, tenant: str, status: str) -> tuple[list[Document], bool]:
        """A page from the view alone."""
        low, high = orjson.dumps(["page", tenant, status]), orjson.dumps(["page", tenant, status, _HIGH])
        bounds = f"startkey={quote(low)}&endkey={quote(high)}&limit={PAGE + 1}"
        rows = self.ask("GET", f"{self.path}/_design/page/_view/rows?{bounds}")["rows"]
        return [row["value"] for row in rows[:PAGE]], len(rows) > PAGE

    def find(self, tenant: str, status: str) -> list[Document]:
        """A page of whole documents from ``_find``, in its index's order."""
        asked = {
            "selector": {"tenant": tenant, "status": status},
            "sort": ["tenant", "status", "name"],
            "limit": PAGE,
            "use_index": ["mango", "page"],
        }
        found: list[Document] = self.ask("POST", f"{self.path}/_find", asked)["docs"]
        return found

    def _revision(self, path: str) -> str:
        """From the headers alone, "" if there is no document."""
        self._connection.request("HEAD", path, None, self._headers)
        reply = self._connection.getresponse()
        reply.read()
        if reply.status not in (200, 404):
            raise RuntimeError(f"HEAD {path} answers {reply.status}")
        return (reply.getheader("ETag") or "").strip('"')

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _write(self, documents: list[Document]) -> None:
        for row in self.ask("POST", f"{self.path}/_bulk_docs", {"docs": documents}):
            if "error" in row:
                raise RuntimeError(f"{row['id']}: {row['error']}")
