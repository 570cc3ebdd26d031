"""Whether the tests can have a CouchDB here: the one that TEST_COUCHDB_URL names, or an installed one.

TEST_COUCHDB=pouchdb asks for a stand-in instead, for a smoke run (tests/db/pouchdb_server.py). It never takes CouchDB's
place by itself, and not where WHERRY_REQUIRE names couchdb.
"""

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from tests import pouchdb_installed

REMEDY = (
    "install Apache CouchDB 3.4 or later, or name one in TEST_COUCHDB_URL (couchdb://user:password@host:5984), or look"
    " at a stand-in (make smoke-couchdb)"
)
_PLACE = Path("/opt/couchdb/bin/couchdb")
"""Where Apache's own packages put it."""


def installed() -> str | None:
    """The path of an installed CouchDB."""
    return str(_PLACE) if _PLACE.exists() else shutil.which("couchdb")


def stand_in() -> bool:
    """Whether the tests are to run on pouchdb-server."""
    return os.environ.get("TEST_COUCHDB", "") != "" and not os.environ.get("TEST_COUCHDB_URL")


def look() -> tuple[bool, str]:
    """Whether tests can have a CouchDB, and which one, or what is missing."""
    url = os.environ.get("TEST_COUCHDB_URL")
    if url:
        parts = urlsplit(url)
        return True, f"{parts.hostname}:{parts.port or 5984}"
    if stand_in():
        if os.environ["TEST_COUCHDB"] != "pouchdb":
            return False, f"TEST_COUCHDB is {os.environ['TEST_COUCHDB']!r}; the only stand-in is pouchdb"
        if "couchdb" in os.environ.get("WHERRY_REQUIRE", "").replace(" ", "").split(","):
            return False, "TEST_COUCHDB asks for a stand-in, which does not count where CouchDB is required"
        return pouchdb_installed.look()
    path = installed()
    return path is not None, path or "no CouchDB is installed, and TEST_COUCHDB_URL is not set"
