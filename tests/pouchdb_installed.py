"""pouchdb-server, which stands in for CouchDB in a smoke run: npm brings it into the cache folder at the first use."""

import shutil
from pathlib import Path

from tests.cache import bring, cache_folder

VERSION = "4.2.0"
_PACKAGE = f'{{"name": "wherry-test-server", "private": true, "dependencies": {{"pouchdb-server": "{VERSION}"}}}}\n'
_PROGRAM = Path("node_modules/pouchdb-server/bin/pouchdb-server")


def look() -> tuple[bool, str]:
    """Whether tests can have it, and what it is, or what is missing."""
    if shutil.which("node") is None or (not program().is_file() and shutil.which("npm") is None):
        return False, "TEST_COUCHDB=pouchdb needs Node.js and npm, which are not installed"
    return True, f"pouchdb-server {VERSION}, a stand-in: a smoke run, no proof"


def program() -> Path:
    """Where it is, or will be."""
    return cache_folder(f"pouchdb-server-{VERSION}") / _PROGRAM


def fetch() -> str:
    """Let npm bring it, if it is not here; "" or why that failed. No package runs scripts of its own."""
    if program().is_file():
        return ""
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    folder = cache_folder(f"pouchdb-server-{VERSION}")
    return bring(folder, ("package.json", _PACKAGE), command, lambda place: (place / _PROGRAM).is_file())
