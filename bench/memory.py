"""``python -m bench.memory FILE list_all|scan TENANT``: how much memory walking through everything takes.

Prints the documents seen, and by how many MB the process' peak grew from the thousandth document to the last. SQLite's
own page cache (16 MiB a connection) fills meanwhile and is part of it.
"""

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from app.db import DatabaseService
from bench.data import COLLECTION
from bench.files import open_file


def peak_in_mb() -> float:
    """The most memory this program ever had resident."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux counts in ru_maxrss what the process was before it became this program
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1_000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000_000


def walk(service: DatabaseService, way: str, tenant: str) -> Iterator[int]:
    """The number of documents seen so far, again and again until the end."""
    seen = 0
    if way == "list_all":
        for _ in service.list_all(f"{tenant}/{COLLECTION}"):
            seen += 1
            yield seen
    else:
        after: str | None = None
        while True:
            page = service.scan(COLLECTION, after)
            seen += len(page.documents)
            yield seen
            after = page.after
            if after is None:
                return


def main(path: Path, way: str, tenant: str) -> None:
    """See the module."""
    service = open_file(path)
    before, seen = 0.0, 0
    for seen in walk(service, way, tenant):
        if not before and seen >= 1_000:
            before = peak_in_mb()
    print(seen, round(peak_in_mb() - before, 3))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
