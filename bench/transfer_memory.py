"""``python -m bench.transfer_memory SOURCE TARGET``: copy a file.

Prints the documents, the process's peak in MB, and by how much that grew from before the copy.
"""

import sys
from pathlib import Path

from app.db.transfer.copying import CopyOptions, copy
from app.db.transfer.garbage import seldom_collected
from app.db.transfer.progress import Silent
from bench.data import SCHEMA
from bench.files import open_file
from bench.memory import peak_in_mb


def main(source: Path, target: Path) -> None:
    """See the module."""
    before = peak_in_mb()
    with seldom_collected():  # as the command does
        report = copy(open_file(source), open_file(target, durability="full"), CopyOptions(), Silent(), SCHEMA)
    print(report.copied, round(peak_in_mb(), 1), round(peak_in_mb() - before, 1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
