"""``python -m bench.dumping_run dump|verify|restore FIRST SECOND``: one of ours in a process of its own, as the command
runs it.

FIRST and SECOND are as the command takes them. Prints the documents, the seconds, and the process's peak in MB.
"""

import sys
from pathlib import Path
from time import perf_counter

from app.db import DatabaseService, open_database
from app.db.transfer.dumping import DumpOptions, dump
from app.db.transfer.garbage import seldom_collected
from app.db.transfer.progress import Silent
from app.db.transfer.restoring import RestoreOptions, restore
from app.db.transfer.verifying import VerifyOptions, verify
from bench.data import SCHEMA
from bench.memory import peak_in_mb


def main(what: str, first: str, second: str) -> None:
    """See the module."""
    began = perf_counter()
    with seldom_collected():
        number = {"dump": _dump, "verify": _verify, "restore": _restore}[what](first, second)
    print(number, round(perf_counter() - began, 4), round(peak_in_mb(), 1))


def _dump(source: str, file: str) -> int:
    return dump(_open(source), Path(file), DumpOptions(force=True), Silent()).documents


def _verify(source: str, target: str) -> int:
    report = verify(_open(source), _open(target), VerifyOptions(), Silent())
    if not report.equal:
        raise AssertionError("the two databases differ")
    return sum(report.documents)


def _restore(file: str, target: str) -> int:
    return restore(Path(file), _open(target), RestoreOptions(), Silent(), SCHEMA).carried.copied


def _open(url: str) -> DatabaseService:
    return open_database(url, SCHEMA, strict=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])
