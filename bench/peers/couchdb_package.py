"""CouchDB with the ``couchdb`` package's own client, as its documentation teaches, on the plain database."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import couchdb

from bench.data import PAGE
from bench.peers import Document


class CouchPackage:
    """One database; see plain_couchdb.py for what lies in it."""

    title = "the couchdb package"

    def __init__(self, url: str, database: str) -> None:
        parts = urlsplit(url)
        server = couchdb.Server(f"http://{parts.hostname}:{parts.port or 5984}")
        if parts.username:
            server.resource.credentials = (unquote(parts.username), unquote(parts.password or ""))
        self._server, self._name = server, database
        self._found: Any = None

    @property
    def _database(self) -> Any:
        if self._found is None:
            self._found = self._server[self._name]
        return self._found

    def get(self, tenant: str, id: str) -> Document:
        """One document."""
        found: Document = self._database[f"{tenant}:{id}"]
        return found

    def save(self, tenant: str, id: str, document: Document) -> str:
        """Replace the revision in ``_rev``, or create; the new revision."""
        _, rev = self._database.save({**document, "_id": f"{tenant}:{id}"})
        return str(rev)

    def insert_many(self, tenant: str, documents: Sequence[tuple[str, Document]]) -> None:
        """Create them."""
        for done, _, rev in self._database.update(
            [{**document, "_id": f"{tenant}:{id}"} for id, document in documents]
        ):
            if not done:
                raise RuntimeError(str(rev))

    def find(self, tenant: str, status: str) -> list[Document]:
        """A page of whole documents from ``_find``."""
        asked = {
            "selector": {"tenant": tenant, "status": status},
            "sort": ["tenant", "status", "name"],
            "limit": PAGE,
            "use_index": ["mango", "page"],
        }
        return list(self._database.find(asked))
