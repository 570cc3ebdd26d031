"""Dumping a CouchDB database beside ``@cloudant/couchbackup``, each as a command in a process of its own.

npm brings couchbackup into the cache folder, and its packages run no scripts. It writes the revisions of each document
as plain JSON; ours writes canonical JSON, packed, with digests, and looks for commits in flight. Both read the same
database of the tests' server, or of the one that TEST_COUCHDB_URL names, in turns.
"""

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

from app.db import open_database
from bench.data import COLLECTION, PATH, SCHEMA, documents
from bench.figures import Figure
from bench.files import fill
from bench.harness import Effort
from bench.needs import miss, need
from tests.cache import bring, cache_folder
from tests.db.couchdb_server import CouchBackend, fresh_prefix, shared_url

VERSION = "2.11.12"
OURS, THEIRS = "wherry db dump", "couchbackup"
_PACKAGE = f'{{"name": "wherry-bench", "private": true, "dependencies": {{"@cloudant/couchbackup": "{VERSION}"}}}}\n'
_PROGRAM = Path("node_modules/@cloudant/couchbackup/bin/couchbackup.bin.js")
_MOST_ROUNDS = 7


def run(folder: Path, number: int, effort: Effort) -> Iterator[Figure]:
    """The one figure of this group, over ``number`` documents."""
    need("couchdb")
    program = _couchbackup()
    backend = CouchBackend(shared_url(), fresh_prefix(), "?timeout=30")
    try:
        with closing(open_database(f"{backend.url}/{backend.prefix}?timeout=30", SCHEMA)) as service:
            fill(service, PATH, documents(number))
        http = urlsplit(backend.url)._replace(scheme="http").geturl()
        sides = {
            OURS: [
                sys.executable, "-m", "bench.dumping_run", "dump",
                f"{backend.url}/{backend.prefix}?timeout=30", str(folder / "ours.dump"),
            ],
            THEIRS: [
                "node", str(program), "--url", http, "--db", f"{backend.prefix}-{COLLECTION}",
                "--output", str(folder / "theirs.txt"), "--log", str(folder / "theirs.log"),
            ],
        }  # fmt: skip
        rates: dict[str, list[float]] = {name: [] for name in sides}
        chance = random.Random(20_260_101)
        order = list(sides)
        for round_ in range(1 + min(effort.rounds, _MOST_ROUNDS)):
            chance.shuffle(order)
            for name in order:
                rate = number / _timed(sides[name], folder)
                if round_:
                    rates[name].append(rate)
    finally:
        backend.remove()
    sizes = {name: (folder / file).stat().st_size for name, file in ((OURS, "ours.dump"), (THEIRS, "theirs.txt"))}
    note = f"files of {sizes[OURS] / 1e6:.1f} and {sizes[THEIRS] / 1e6:.1f} MB"
    name = f"CouchDB to a file, {number:,} documents, {OURS} / {THEIRS}"
    yield Figure.from_rounds(name, rates[OURS], rates[THEIRS], "docs/s", at_least=1.0, note=note)


def _timed(command: list[str], folder: Path) -> float:
    (folder / "theirs.log").unlink(missing_ok=True)
    began = perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{command[:3]} ended with {done.returncode}: {done.stderr[-500:]}")
    return seconds


def _couchbackup() -> Path:
    folder = cache_folder(f"couchbackup-{VERSION}")
    if not (folder / _PROGRAM).is_file():
        if shutil.which("npm") is None:
            miss("couchdb", "npm, which brings couchbackup, is not installed", "install Node.js and npm")
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        if failure := bring(folder, ("package.json", _PACKAGE), command, lambda place: (place / _PROGRAM).is_file()):
            miss("couchdb", failure, "let npm reach its registry")
    return folder / _PROGRAM
