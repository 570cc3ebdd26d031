"""A database server of a test's own, with a cable to it, and the ways in which it can be away.

A server that a TEST_..._URL variable names is not ours to stop: these tests always start one themselves.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from tests import couchdb_installed, dynamodb_installed, firestore_installed
from tests.db import couchdb_server, dynamodb_server, firestore_server
from tests.db.server_process import ServerProcess
from tests.run.cable import Cable
from tests.servers import missing, require

How = Literal["killed", "frozen", "refused", "reset", "silent", "slow"]
"""Killed (and started again, where it keeps its data), frozen (SIGSTOP), or what becomes of the cable."""
HOWS: dict[str, tuple[How, ...]] = {
    "couchdb": ("killed", "frozen", "refused", "reset", "silent", "slow"),
    # Killed, DynamoDB Local loses what it acknowledged, and Google's emulator keeps nothing on disk.
    "dynamodb": ("frozen", "refused", "reset", "silent", "slow"),
    "firestore": ("frozen", "refused", "reset", "silent", "slow"),
}


@dataclass(frozen=True, slots=True)
class Database:
    """A server behind a cable; ``variables`` aim the application at the cable."""

    name: str
    server: ServerProcess
    cable: Cable
    variables: Mapping[str, str]

    def go(self, how: How) -> None:
        """Be away from now on."""
        if how == "killed":
            self.server.kill()
        elif how == "frozen":
            self.server.freeze(on=True)
        else:
            self.cable.become(how)

    def come_back(self, how: How) -> None:
        """Be there again, on the same port; returns when the server answers."""
        if how == "killed":
            self.server.start()
        elif how == "frozen":
            self.server.freeze(on=False)
        else:
            self.cable.become("whole")


@contextmanager
def database(name: str, folder: Path) -> Iterator[Database]:
    """The database of that name, started; skips the test, or fails it where it is required, if there is none."""
    require(name)
    server, variables_for = _SERVERS[name](folder)
    server.start()
    cable = Cable(server.address)
    try:
        yield Database(name, server, cable, {"WHERRY_DATABASE_PROVIDER": name, **variables_for(cable.address)})
    finally:
        cable.close()
        server.remove()


Started = tuple[ServerProcess, Callable[[str], dict[str, str]]]


def _couchdb(folder: Path) -> Started:
    program = couchdb_installed.installed()
    if program is None:
        pytest.skip(f"couchdb: none is installed to be stopped; {couchdb_installed.REMEDY}")
    return couchdb_server.Server(program), lambda address: {
        "WHERRY_COUCHDB_URL": f"http://{address}",
        "WHERRY_COUCHDB_USER": couchdb_server.USER,
        "WHERRY_COUCHDB_PASSWORD": couchdb_server.PASSWORD,
    }


def _firestore(folder: Path) -> Started:
    if firestore_installed.emulator_jar() is None:
        pytest.skip(f"firestore: no emulator is installed to be stopped; {firestore_installed.REMEDY}")
    return firestore_server.Server(), lambda address: {
        "WHERRY_FIRESTORE_PROJECT": "wherry-outage",
        "WHERRY_FIRESTORE_EMULATOR": address,
    }


def _dynamodb(folder: Path) -> Started:
    if dynamodb_installed.home() is None and (failure := dynamodb_installed.fetch()):
        missing("dynamodb", failure, dynamodb_installed.REMEDY)
    return dynamodb_server.Server(), lambda address: {
        "WHERRY_DYNAMODB_REGION": "eu-central-1",
        "WHERRY_DYNAMODB_ENDPOINT": f"http://{address}",
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }


_SERVERS: dict[str, Callable[[Path], Started]] = {"couchdb": _couchdb, "firestore": _firestore, "dynamodb": _dynamodb}
