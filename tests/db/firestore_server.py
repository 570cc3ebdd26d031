"""The Firestore that tests run against: the server that TEST_FIRESTORE_URL names, or Google's emulator, started here.

Java is started directly, as the SDK's own script leaves it running; once for the whole run, on a free loopback port.
Every test has a project of its own, and the emulator forgets it afterwards: it keeps everything in memory. Processes
that tests start load this file too: it imports no test tools.
"""

import atexit
import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from app.db import DatabaseService, Schema, open_database
from tests.firestore_installed import emulator_jar

_MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
_HEAP = "-Xmx768m"
DEADLINE = 3.0
"""For busy machines; the tests of deadlines set their own."""
LEASE = 0.1


class Server:
    """An emulator of our own on a free port of the loopback interface."""

    def __init__(self, *options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="wherry-firestore-"))
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._options = options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers; raises with the end of its output if it does not within a minute."""
        java, jar = shutil.which("java"), emulator_jar()
        assert java
        assert jar
        command = [java, _HEAP, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", str(jar), _MAIN]
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [*command, "--host=127.0.0.1", f"--port={self.port}", *self._options],
                cwd=self.folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            if self._answers():
                return
            time.sleep(0.05)
        raise RuntimeError(f"The emulator does not start: {(self.folder / 'output').read_text()[-2000:]}")

    def kill(self) -> None:
        """Stop it at once, as a power cut would."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def freeze(self, *, on: bool) -> None:
        """Let it hang, with its port open, or go on."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP if on else signal.SIGCONT)

    def remove(self) -> None:
        """Stop it; it leaves nothing."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


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
    atexit.register(server.remove)
    server.start()
    return f"firestore://wherry-tests/wherry?emulator={server.address}"


def fresh_backend(url: str) -> FirestoreBackend:
    """An empty database on the server of a URL."""
    parts = urlsplit(url)
    name = f"t{uuid.uuid4().hex[:20]}"
    if "emulator" in parse_qs(parts.query):
        return FirestoreBackend(parts._replace(netloc=name).geturl())
    return FirestoreBackend(parts._replace(path=f"/{name}").geturl())


def free_port() -> int:
    """A port of the loopback interface on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
