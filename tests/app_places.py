"""Empty databases for the application's own tests, on each of the five: how to reach one, and how to empty it again."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from app.db.backends.couchdb_http import Session
from app.db.backends.dynamodb_client import Client
from app.db.backends.dynamodb_errors import NO_TABLE, Refused
from app.db.backends.dynamodb_layout import table_name
from tests import couchdb_installed, dynamodb_installed, pouchdb_installed
from tests.db import couchdb_server, dynamodb_server, firestore_server
from tests.servers import available, missing

PATIENCE = 20.0
"""Seconds that an operation may take: machines that run tests are busy."""


@dataclass(frozen=True, slots=True)
class Place:
    """One database of a test's own. ``settings`` are those of create_app, ``url`` and ``options`` of open_database.

    ``empty`` takes away every document and says whether the place can be used again; ``remove`` leaves nothing of it.
    """

    settings: dict[str, Any]
    url: str
    empty: Callable[[], bool]
    remove: Callable[[], None]
    options: dict[str, Any] = field(default_factory=dict)


def memory_place() -> Place:
    """A new one each time it is opened."""
    return Place({"DATABASE_PROVIDER": "memory"}, "memory:", lambda: False, lambda: None)


def sqlite_place() -> Place:
    """A file in a folder of its own; a new file costs less than to empty one."""
    folder = Path(tempfile.mkdtemp(prefix="wherry-app-"))
    file = folder / "test.sqlite3"

    def forget() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return False

    settings = {"DATABASE_PROVIDER": "sqlite", "SQLITE_PATH": str(file), "SQLITE_BUSY_TIMEOUT": PATIENCE}
    url = f"sqlite:///{quote(str(file))}?durability=normal&busy_timeout={PATIENCE}"
    return Place(settings, url, forget, lambda: None)


def couchdb_place() -> Place:
    """A prefix. Its databases stay, and their documents are deleted."""
    if couchdb_installed.stand_in() and (failure := pouchdb_installed.fetch()):
        missing("couchdb", failure, couchdb_installed.REMEDY)
    backend = couchdb_server.CouchBackend(couchdb_server.shared_url(), couchdb_server.fresh_prefix())
    parts = urlsplit(backend.url)
    session = _couchdb_session(backend.url)
    settings = {
        "DATABASE_PROVIDER": "couchdb",
        "COUCHDB_URL": f"http://{parts.hostname}:{parts.port or 5984}?timeout={PATIENCE}",
        "COUCHDB_USER": unquote(parts.username or ""),
        "COUCHDB_PASSWORD": unquote(parts.password or ""),
        "COUCHDB_PREFIX": backend.prefix,
    }

    def empty() -> bool:
        for name in _couchdb_names(session, backend.prefix):
            rows = session.json("GET", f"/{name}/_all_docs")["rows"]
            documents = [
                {"_id": row["id"], "_rev": row["value"]["rev"], "_deleted": True}
                for row in rows
                if not row["id"].startswith(("_design/", "collection:"))
            ]
            if documents:
                session.json("POST", f"/{name}/_bulk_docs", {"docs": documents})
        return True

    def remove() -> None:
        session.close()
        backend.remove()

    return Place(settings, f"{backend.url}/{backend.prefix}?timeout={PATIENCE}", empty, remove)


def firestore_place() -> Place:
    """A project of the emulator's, or a prefix of a real database; the emulator forgets a project at once."""
    backend = firestore_server.fresh_backend(firestore_server.shared_url())
    parts = urlsplit(backend.url)
    asked = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    settings = {
        "DATABASE_PROVIDER": "firestore",
        "FIRESTORE_PROJECT": parts.netloc,
        "FIRESTORE_PREFIX": parts.path.strip("/"),
        "FIRESTORE_DATABASE": asked.get("database", "(default)"),
        "FIRESTORE_EMULATOR": asked.get("emulator", ""),
        "FIRESTORE_CREDENTIALS": asked.get("credentials", ""),
    }

    def forget() -> bool:
        backend.remove()
        return False

    return Place(settings, backend.url, forget, lambda: None, {"deadline": PATIENCE})


def dynamodb_place() -> Place:
    """A prefix. Its tables stay, as making one takes longer than most tests, and their items are deleted."""
    if "Maven" in available("dynamodb").detail and (failure := dynamodb_installed.fetch()):
        missing("dynamodb", failure, dynamodb_installed.REMEDY)
    backend = dynamodb_server.DynamoBackend(dynamodb_server.shared_url(), dynamodb_server.fresh_prefix())
    parts = urlsplit(backend.url)
    client = backend.client()
    if parts.username:  # the settings have no place for credentials: they come from AWS's own
        os.environ["AWS_ACCESS_KEY_ID"] = unquote(parts.username)
        os.environ["AWS_SECRET_ACCESS_KEY"] = unquote(parts.password or "")
    settings = {
        "DATABASE_PROVIDER": "dynamodb",
        "DYNAMODB_REGION": parts.hostname,
        "DYNAMODB_ENDPOINT": parse_qs(parts.query).get("endpoint", [""])[-1],
        "DYNAMODB_PREFIX": backend.prefix,
    }

    def empty() -> bool:
        for table in _dynamodb_tables(client, backend.prefix):
            keys = list(_dynamodb_keys(client, table))
            for start in range(0, len(keys), 25):
                left = {table: [{"DeleteRequest": {"Key": key}} for key in keys[start : start + 25]]}
                while left:
                    left = client.call("BatchWriteItem", {"RequestItems": left}, "IDEMPOTENT")["UnprocessedItems"]
        return True

    def remove() -> None:
        client.close()
        backend.remove()

    url = parts._replace(path=f"/{backend.prefix}").geturl()
    return Place(settings, url, empty, remove, {"timeout": PATIENCE, "grace": 0.0})


def _couchdb_session(url: str) -> Session:
    parts = urlsplit(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Session(str(parts.hostname), parts.port or 5984, user=user, password=password, timeout=PATIENCE)


def _couchdb_names(session: Session, prefix: str) -> list[str]:
    names: list[str] = session.json("GET", f"/_all_dbs?startkey=%22{prefix}-%22&endkey=%22{prefix}-~%22")
    return names


def _dynamodb_tables(client: Client, prefix: str) -> list[str]:
    """The tables of the collections that are registered."""
    try:
        found = client.call("Scan", {"TableName": f"{prefix}--collections", "ConsistentRead": True})
    except Refused as error:
        if error.code != NO_TABLE:
            raise
        return []
    return [table_name(prefix, item["name"]["S"]) for item in found["Items"]]


def _dynamodb_keys(client: Client, table: str) -> Iterator[dict[str, Any]]:
    names = {"#t": "~tenant", "#i": "~id"}
    payload: dict[str, Any] = {"TableName": table, "ProjectionExpression": "#t, #i", "ExpressionAttributeNames": names}
    while True:
        found = client.call("Scan", payload)
        yield from found["Items"]
        if "LastEvaluatedKey" not in found:
            return
        payload["ExclusiveStartKey"] = found["LastEvaluatedKey"]


PLACES: dict[str, Callable[[], Place]] = {
    "memory": memory_place,
    "sqlite": sqlite_place,
    "couchdb": couchdb_place,
    "firestore": firestore_place,
    "dynamodb": dynamodb_place,
}
