"""The DynamoDB that tests run against: the server that TEST_DYNAMODB_URL names, or a DynamoDB Local started here.

DynamoDB Local keeps its data in memory, and is stopped at the end of the run (server_process.py). Processes that tests
start load this file too: it imports no test tools.
"""

import os
import time
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from app.db import DatabaseService, Schema, open_database
from app.db.backends.dynamodb import DynamoDatabase
from app.db.backends.dynamodb_client import Client, Target
from tests.db.server_process import ServerProcess
from tests.dynamodb_installed import home, jars_of

_numbers = count(1)


class Server(ServerProcess):
    """A DynamoDB Local of our own. ``data``: where it keeps its data; without one, in memory."""

    def __init__(self, data: Path | None = None, *options: str) -> None:
        super().__init__("DynamoDB Local", any_status=True)
        self.endpoint = f"http://{self.address}"
        self._options = ["-inMemory"] if data is None else ["-dbPath", str(data), "-sharedDb"]
        self._options += options

    @property
    def url(self) -> str:
        """What ``open_database`` takes, without a prefix."""
        return f"dynamodb://tests:secret@eu-central-1/any?endpoint={self.endpoint}"

    def command(self) -> list[str]:
        """See ServerProcess."""
        installed = home()
        assert installed is not None
        places = jars_of(installed)
        command = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        libraries = os.pathsep.join(map(str, places))
        command += [f"-D{name}={libraries}" for name in ("java.library.path", "sqlite4java.library.path")]
        command += ["-cp", os.pathsep.join(f"{place}/*" for place in places)]
        command += ["com.amazonaws.services.dynamodbv2.local.main.ServerRunner", "-disableTelemetry"]
        return [*command, *self._options, "-port", str(self.port)]

    def remove(self) -> None:
        """Stop it and delete its folder. (Killed, DynamoDB Local loses some of what it acknowledged.)"""
        self.stop()
        super().remove()


@cache
def shared_url() -> str:
    """The URL of the server that all tests of a run share; it is started when first asked for."""
    named = os.environ.get("TEST_DYNAMODB_URL")
    if named:
        return named
    server = Server()
    server.start()
    return server.url


def fresh_prefix() -> str:
    """What the names of one test's tables begin with; never used again."""
    return f"t{os.getpid():x}-{time.time_ns() // 1_000_000:x}-{next(_numbers)}"


class DynamoBackend:
    """One test's tables on a server. Leases are short, and requests patient, as the machine may be busy."""

    def __init__(self, url: str, prefix: str, **numbers: float) -> None:
        self.url, self.prefix = url, prefix
        self._numbers = {"timeout": 20.0, "lease": 0.5, "grace": -18.5, **numbers}

    def open(self, schema: Schema | None = None, **options: Any) -> DatabaseService:
        """See ContractBackend."""
        parts = urlsplit(self.url)
        return open_database(parts._replace(path=f"/{self.prefix}").geturl(), schema, **self._numbers, **options)

    def database(self, schema: Schema | None = None, **options: Any) -> DynamoDatabase:
        """The same with its type, for looking behind the service."""
        opened = self.open(schema, **options)
        assert isinstance(opened, DynamoDatabase)
        return opened

    def client(self) -> Client:
        """A plain client of the server."""
        parts = urlsplit(self.url)
        (endpoint,) = parse_qs(parts.query).get("endpoint", [""])
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return Client(Target(parts.hostname or "", endpoint, user, password), 20.0)

    def remove(self) -> None:
        """Delete the test's tables."""
        client = self.client()
        start: dict[str, Any] = {"ExclusiveStartTableName": self.prefix}
        for name in client.call("ListTables", start)["TableNames"]:
            if name.startswith(f"{self.prefix}-"):
                client.call("DeleteTable", {"TableName": name}, "IDEMPOTENT")
        client.close()
