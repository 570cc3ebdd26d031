"""Reading a CouchDB that another program wrote: its databases and documents as they are, and nothing is written."""

import ssl
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, unquote

import orjson

from app.db.backends.couchdb_errors import CouchError, translate
from app.db.backends.couchdb_http import Session
from app.db.documents import Document
from app.db.transfer.errors import TransferRefused
from app.db.urls import read_url

_PAGE: Final = 200
_TIMEOUT: Final = 60.0


class ForeignCouch:
    """The databases of one server; ``prefix`` is what the names of those that count begin with."""

    def __init__(self, session: Session, name: str, prefix: str = "") -> None:
        self._session = session
        self._prefix = prefix
        self.name = name
        """As messages may show it: without a password."""

    @classmethod
    def from_url(cls, url: str, prefix: str = "") -> "ForeignCouch":
        """``http://user:password@host:5984`` (https, or couchdb for http); a WherryError for anything else."""
        parts = read_url(url, "What names the CouchDB")
        if parts.scheme not in ("http", "https", "couchdb") or not parts.hostname:
            raise TransferRefused("The CouchDB's URL is http://user:password@host:5984, or begins with https.")
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        port = parts.port or (443 if tls else 5984)
        session = Session(
            parts.hostname,
            port,
            tls=tls,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            base=parts.path.rstrip("/"),
            connect_timeout=5.0,
            timeout=_TIMEOUT,
        )
        return cls(session, f"{parts.scheme}://{parts.hostname}:{port}{parts.path.rstrip('/')}", prefix)

    def databases(self) -> dict[str, str]:
        """The databases' real names by their names without the prefix; those of CouchDB itself (``_users``) not."""
        found: list[str] = self._get("/_all_dbs")
        mine = [name for name in found if name.startswith(self._prefix) and not name.startswith("_")]
        return {name.removeprefix(self._prefix): name for name in mine}

    def documents(self, database: str) -> Iterator[Document]:
        """Every document, design documents too; with stubs of attachments, and ``_conflicts`` where there are some."""
        start: str | None = None
        while True:
            query = f"include_docs=true&conflicts=true&limit={_PAGE}"
            if start is not None:
                query += "&start_key=" + quote(orjson.dumps(start + "\x00").decode(), safe="")
            rows: list[dict[str, Any]] = self._get(f"/{quote(database, safe='')}/_all_docs?{query}")["rows"]
            yield from (row["doc"] for row in rows if row.get("doc") is not None)
            if len(rows) < _PAGE:
                return
            start = rows[-1]["id"]

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    def _get(self, path: str) -> Any:
        try:
            return self._session.json("GET", path, timeout=_TIMEOUT)
        except CouchError as error:
            raise translate(error) from error
