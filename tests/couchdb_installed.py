"""Whether the tests can have a CouchDB here: the one that TEST_COUCHDB_URL names, or an installed one."""

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

REMEDY = "install Apache CouchDB 3.4 or later, or name one in TEST_COUCHDB_URL (couchdb://user:password@host:5984)"
_PLACE = Path("/opt/couchdb/bin/couchdb")
"""Where Apache's own packages put it."""


def installed() -> str | None:
    """The path of an installed CouchDB."""
    return str(_PLACE) if _PLACE.exists() else shutil.which("couchdb")


def look() -> tuple[bool, str]:
    """Whether tests can have a CouchDB, and which one, or what is missing."""
    url = os.environ.get("TEST_COUCHDB_URL")
    if url:
        parts = urlsplit(url)
        return True, f"{parts.hostname}:{parts.port or 5984}"
    path = installed()
    return path is not None, path or "no CouchDB is installed, and TEST_COUCHDB_URL is not set"
