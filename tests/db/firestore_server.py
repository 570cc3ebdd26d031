"""The Firestore that tests run against: the server that TEST_FIRESTORE_URL names, or Google's emulator, started here.

Java is started directly, as the SDK's own script leaves it running; once for the whole run (server_process.py).
Every test has a project of its own, and the emulator forgets it afterwards: it keeps everything in memory. Processes
that tests start load this file too: it imports no test tools.
"""

import http.client
import os
import shutil
import uuid
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from app.db import DatabaseService, Schema, open_database
from tests.db.server_process import ServerProcess, free_port
from tests.firestore_installed import emulator_jar

__all__ = ["FirestoreBackend", "Server", "free_port", "fresh_backend", "shared_url"]

_MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
_HEAP = "-Xmx3g"
"""The emulator keeps something of every document that ever was, and a run of all tests shares it: with a quarter of
this it ends up collecting garbage and little else."""
DEADLINE = 4.0
"""The emulator stops now and then to collect garbage. Longer costs time, as whoever adds an index waits for so long;
the tests of deadlines set their own."""
LEASE = 0.1


class Server(ServerProcess):
    """An emulator of our own."""

    def __init__(self, *options: str) -> None:
        super().__init__("Firestore emulator")
        self._options = options

    def command(self) -> list[str]:
        """See ServerProcess."""
        java, jar = shutil.which("java"), emulator_jar()
        assert java
        assert jar
        command = [java, _HEAP, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", str(jar), _MAIN]
        return [*command, "--host=127.0.0.1", f"--port={self.port}", *self._options]


class FirestoreBackend:
    """One test's own database: a project of an emulator, or below a prefix of a real one."""

    def __init__(self, url: str) -> None:
        self.url = url

    def open(self, schema: Schema | None = None, **options: Any) -> DatabaseService:
        """See ContractBackend."""
        return open_database(self.url, schema, **{"deadline": DEADLINE, "lease": LEASE, **options})

    def remove(self) -> None:
        """Let the emulator forget the project. What was written to a real database stays below its prefix."""
        parts = urlsplit(self.url)
        emulator = parse_qs(parts.query).get("emulator")
        if emulator:
            connection = http.client.HTTPConnection(emulator[-1], timeout=30)
            connection.request("DELETE", f"/emulator/v1/projects/{parts.netloc}/databases/(default)/documents")
            connection.getresponse().read()
            connection.close()


@cache
def shared_url() -> str:
    """The URL of the server that all tests of a run share; it is started when first asked for."""
    named = os.environ.get("TEST_FIRESTORE_URL")
    if named:
        return named
    server = Server()
    server.start()
    return f"firestore://wherry-tests/wherry?emulator={server.address}"


def fresh_backend(url: str) -> FirestoreBackend:
    """An empty database on the server of a URL."""
    parts = urlsplit(url)
    name = f"t{uuid.uuid4().hex[:20]}"
    if "emulator" in parse_qs(parts.query):
        return FirestoreBackend(parts._replace(netloc=name).geturl())
    return FirestoreBackend(parts._replace(path=f"/{name}").geturl())
