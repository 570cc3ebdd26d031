"""The CouchDB that tests run against: the server that TEST_COUCHDB_URL names, or an installed one that is started here.

An installed one (``/opt/couchdb/bin/couchdb``, or ``couchdb`` on the PATH) gets a data folder and a free loopback port
of its own, once for the whole run, and is stopped at its end. Processes that tests start load this file too: it imports
no test tools.
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
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from app.db import DatabaseService, Schema, open_database
from app.db.backends.couchdb_http import Session
from tests.couchdb_installed import installed

USER, PASSWORD = "wherry", "only for tests"
_numbers = count(1)

_INI = """
[couchdb]
database_dir = {folder}/data
view_index_dir = {folder}/data
single_node = true
uuid = 00000000000000000000000000000000
[admins]
{user} = {password}
[chttpd]
port = {port}
bind_address = 127.0.0.1
[cluster]
q = 1
n = 1
[smoosh]
db_channels =
view_channels =
cleanup_channels =
[log]
writer = file
file = {folder}/couchdb.log
level = warning
"""
# No name, so that it needs no port mapper, which would outlive it.
_VM_ARGS = """
-kernel error_logger silent
-sasl sasl_error_logger false
+SDio 4
+Bd -noinput
-os_mon start_cpu_sup false
-os_mon start_memsup false
"""


class Server:
    """A CouchDB of our own on a free port of the loopback interface."""

    def __init__(self, program: str, ini: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="wherry-couchdb-"))
        self.port = free_port()
        self.url = f"couchdb://{USER}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}"
        self._program = program
        (self.folder / "data").mkdir()
        settings = _INI.format(folder=self.folder, port=self.port, user=USER, password=PASSWORD)
        (self.folder / "test.ini").write_text(settings + ini)
        (self.folder / "vm.args").write_text(_VM_ARGS)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers; raises with the end of its log if it does not within 30 seconds."""
        default = Path(self._program).resolve().parent.parent / "etc" / "default.ini"
        environment = {
            **os.environ,
            "COUCHDB_INI_FILES": f"{default} {self.folder / 'test.ini'}",
            "COUCHDB_ARGS_FILE": str(self.folder / "vm.args"),
        }
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [self._program], env=environment, stdout=output, stderr=output, start_new_session=True
            )
        end = time.monotonic() + 30
        while time.monotonic() < end and self.process.poll() is None:
            if self._answers():
                return
            time.sleep(0.05)
        log = self.folder / "couchdb.log"
        raise RuntimeError(f"CouchDB does not start: {log.read_text()[-2000:] if log.exists() else 'no log'}")

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
        """Stop it and delete its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/_up")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@cache
def shared_url() -> str:
    """The URL, without a prefix, of the server that all tests of a run share; it is started when first asked for."""
    named = os.environ.get("TEST_COUCHDB_URL")
    if named:
        parts = urlsplit(named)
        return parts._replace(path="", query="").geturl()
    server = Server(str(installed()))
    atexit.register(server.remove)
    server.start()
    return server.url


def fresh_prefix() -> str:
    """What the names of one test's databases begin with; never used again, as CouchDB deletes in the background."""
    return f"t{os.getpid():x}-{time.time_ns() // 1_000_000:x}-{next(_numbers)}"


class CouchBackend:
    """One test's databases on a server."""

    def __init__(self, url: str, prefix: str, options: str = "") -> None:
        self.url, self.prefix = url, prefix
        self._options = options

    def open(self, schema: Schema | None = None, **options: Any) -> DatabaseService:
        """See ContractBackend."""
        return open_database(f"{self.url}/{self.prefix}{self._options}", schema, **options)

    def session(self) -> Session:
        """A plain session on the server, for looking behind the backend."""
        parts = urlsplit(self.url)
        return Session(
            str(parts.hostname),
            parts.port or 5984,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            timeout=30.0,
        )

    def remove(self) -> None:
        """Delete the test's databases."""
        session = self.session()
        bounds = f"startkey=%22{self.prefix}-%22&endkey=%22{self.prefix}-~%22"
        for name in session.json("GET", f"/_all_dbs?{bounds}"):
            session.request("DELETE", f"/{name}")
        session.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
