"""What a careful developer would write by hand for exactly our tables: the plain ``sqlite3`` statements.

Same connection (so the same pragmas), same JSON library, same table with its key column and triggers, same returned
shape. It does what the result needs and no more: a new random token for each save, the key computed with the project's
own encoding, a row count looked at where a revision is expected, one row more than the page to know whether there is
another. It checks no ids, no values and no names. A page's end is a text for the next page's address, as everybody's
has to be, but not sealed: whoever changes it goes on elsewhere in the same list.
"""

import os
import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from orjson import OPT_STRICT_INTEGER, dumps, loads

from app.db.sortkeys import ABOVE, encode_fields, encode_value
from bench.data import PAGE

_FIELDS = (("status",), ("name",))
_LAYOUT = 1
_GET = "SELECT rev, data FROM agents WHERE tenant = ? AND id = ?"
_SAVE = f"""
    INSERT INTO agents (tenant, id, rev, data, "k:status,name", layout) VALUES (?, ?, ?, ?, ?, {_LAYOUT})
    ON CONFLICT (tenant, id) DO UPDATE SET rev = excluded.rev, data = excluded.data,
    "k:status,name" = excluded."k:status,name", layout = excluded.layout
"""
_REPLACE = f"""
    UPDATE agents SET rev = ?, data = ?, "k:status,name" = ?, layout = {_LAYOUT}
    WHERE tenant = ? AND id = ? AND rev = ?
"""
_PAGE = """
    SELECT id, rev, data FROM agents WHERE tenant = ? AND "k:status,name" >= ? AND "k:status,name" < ?
    ORDER BY "k:status,name", id LIMIT ?
"""
_PAGE_AFTER = """
    SELECT id, rev, data FROM agents WHERE tenant = ? AND "k:status,name" >= ? AND "k:status,name" < ?
    AND ("k:status,name", id) > (?, ?) ORDER BY "k:status,name", id LIMIT ?
"""


class PlainSqlite:
    """The functions, over one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def get(self, tenant: str, id: str) -> dict[str, Any]:
        """The document; KeyError if it is missing."""
        row = self.connection.execute(_GET, (tenant, id)).fetchone()
        if row is None:
            raise KeyError(id)
        document: dict[str, Any] = loads(row[1])
        document["_id"] = id
        document["_rev"] = row[0]
        return document

    def save(self, tenant: str, id: str, document: dict[str, Any]) -> dict[str, str]:
        """Create or replace; with ``_rev``, only that revision, else KeyError."""
        body = document.copy()
        body.pop("_id", None)
        expected = body.pop("_rev", None)
        rev = os.urandom(12).hex()
        data = dumps(body, option=OPT_STRICT_INTEGER).decode()
        key = encode_fields(body, _FIELDS)
        if expected is None:
            self.connection.execute(_SAVE, (tenant, id, rev, data, key))
        elif not self.connection.execute(_REPLACE, (rev, data, key, tenant, id, expected)).rowcount:
            raise KeyError(id)
        return {"id": id, "rev": rev}

    def page(self, tenant: str, status: str, after: str | None = None) -> tuple[list[dict[str, Any]], str | None]:
        """The first 50 documents of a status by name, or those after a place; and the place to go on from, if any."""
        low = encode_value(status) or b""
        if after is None:
            rows = self.connection.execute(_PAGE, (tenant, low, low + ABOVE, PAGE + 1)).fetchall()
        else:
            key, _, id = urlsafe_b64decode(after).rpartition(b"\n")
            place = (key, id.decode())
            rows = self.connection.execute(_PAGE_AFTER, (tenant, low, low + ABOVE, *place, PAGE + 1)).fetchall()
        documents = []
        for id, rev, data in rows[:PAGE]:
            document = loads(data)
            document["_id"] = id
            document["_rev"] = rev
            documents.append(document)
        if len(rows) <= PAGE:
            return documents, None
        last = documents[-1]
        key = encode_fields(last, _FIELDS) or b""
        return documents, urlsafe_b64encode(key + b"\n" + last["_id"].encode()).decode()
