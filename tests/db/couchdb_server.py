"""The CouchDB that tests run against: the server that TEST_COUCHDB_URL names, or an installed one that is started here.

An installed one (``/opt/couchdb/bin/couchdb``, or ``couchdb`` on the PATH) gets a data folder and a free loopback port
of its own, once for the whole run, and is stopped at its end (server_process.py). Processes that tests start load this
file too: it imports no test tools.
"""

import os
import time
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlsplit

from app.db import DatabaseService, Schema, open_database
from app.db.backends.couchdb import CouchDatabase
from app.db.backends.couchdb_http import Session
from tests.couchdb_installed import installed, stand_in
from tests.db.pouchdb_server import PouchServer
from tests.db.server_process import ServerProcess, free_port

__all__ = ["CouchBackend", "Server", "free_port", "fresh_prefix", "shared_url"]

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
writer = stderr
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


class Server(ServerProcess):
    """A CouchDB of our own. ``ini``: settings of it beyond what tests need."""

    def __init__(self, program: str, ini: str = "") -> None:
        super().__init__("CouchDB", path="/_up")
        self.url = f"couchdb://{USER}:{quote(PASSWORD)}@{self.address}"
        self._program = program
        (self.folder / "data").mkdir()
        settings = _INI.format(folder=self.folder, port=self.port, user=USER, password=PASSWORD)
        (self.folder / "test.ini").write_text(settings + ini)
        (self.folder / "vm.args").write_text(_VM_ARGS)

    def command(self) -> list[str]:
        """See ServerProcess."""
        return [self._program]

    def environment(self) -> dict[str, str]:
        """See ServerProcess."""
        default = Path(self._program).resolve().parent.parent / "etc" / "default.ini"
        return {
            "COUCHDB_INI_FILES": f"{default} {self.folder / 'test.ini'}",
            "COUCHDB_ARGS_FILE": str(self.folder / "vm.args"),
        }


@cache
def shared_url() -> str:
    """The URL, without a prefix, of the server that all tests of a run share; it is started when first asked for."""
    named = os.environ.get("TEST_COUCHDB_URL")
    if named:
        parts = urlsplit(named)
        return parts._replace(path=parts.path.rpartition("/")[0]).geturl()
    server = PouchServer() if stand_in() else Server(str(installed()))
    server.start()
    return server.url


def fresh_prefix() -> str:
    """What the names of one test's databases begin with; never used again, as CouchDB deletes in the background."""
    return f"t{os.getpid():x}-{time.time_ns() // 1_000_000:x}-{next(_numbers)}"


class CouchBackend:
    """One test's databases on a server. Its options are those of the server's URL and the given ones."""

    def __init__(self, url: str, prefix: str, options: str = "") -> None:
        self.url, _, query = url.partition("?")
        self.prefix = prefix
        self._options = "&".join(part for part in (query, options.removeprefix("?")) if part)

    def open(self, schema: Schema | None = None, **options: Any) -> DatabaseService:
        """See ContractBackend."""
        return open_database(f"{self.url}/{self.prefix}?{self._options}", schema, **options)

    def session(self) -> Session:
        """A plain session on the server, for looking behind the backend."""
        patient = CouchBackend(f"{self.url}?{self._options}", self.prefix, "timeout=30")
        return cast(CouchDatabase, patient.open()).session

    def remove(self) -> None:
        """Delete the test's databases."""
        session = self.session()
        bounds = f"startkey=%22{self.prefix}-%22&endkey=%22{self.prefix}-~%22"
        for name in session.json("GET", f"/_all_dbs?{bounds}"):
            session.request("DELETE", f"/{name}")
        session.close()
