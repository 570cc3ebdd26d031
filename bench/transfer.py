"""Copying SQLite to SQLite against a loop by hand with the plain ``sqlite3`` bulk calls; and the memory that it takes.

The loop by hand does what the result needs: it reads rows in bulk, parses each document to compute its index key, and
writes them in bulk so that a newer row of the target stands, a place to go on from in each transaction. It checks no
document. A second loop moves the rows as they are, keys and all, which only works between two files of one layout: it
is information. Both sides write to a new file each time, as durable as production, and nothing else is measured.
"""

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from time import perf_counter

from app.db.transfer.copying import CopyOptions, copy
from app.db.transfer.garbage import seldom_collected
from app.db.transfer.progress import Silent
from bench.data import COLLECTION, SCHEMA, documents
from bench.figures import Figure
from bench.files import fill, open_file
from bench.harness import Effort
from bench.peers.plain_transfer import copy_parsed, copy_verbatim

GOAL = 0.7
MEGABYTES = 60.0
TENANTS = 30
_TOGETHER = 10
"""Documents of one tenant that were written one after the other."""
_SMALL = 10
"""The memory's smaller size is a tenth."""
_MOST_ROUNDS = 15
Side = Callable[[Path, Path], int]
OURS, PARSED, VERBATIM = "wherry db copy", "by hand", "by hand, rows as they are"


def run(folder: Path, number: int, effort: Effort) -> Iterator[Figure]:
    """Every figure of this group; ``number`` is how many documents the larger memory run has."""
    source = folder / "source.db"
    part = max(1_000, number // _SMALL)
    make_source(source, part)
    yield from _throughput(folder, source, part, effort)
    large = folder / "large.db"
    make_source(large, number)
    yield _memory(folder, source, large, part, number)


def make_source(path: Path, number: int) -> None:
    """So many documents of about 450 bytes of 30 tenants, mixed as they would be in use."""
    service = open_file(path)
    made = documents(number)
    for place in range(-(-number // _TOGETHER)):
        fill(service, f"tenant-{place % TENANTS:02}/{COLLECTION}", islice(made, _TOGETHER))
    service.close()


def _throughput(folder: Path, source: Path, number: int, effort: Effort) -> Iterator[Figure]:
    sides: dict[str, Side] = {OURS: _ours, PARSED: copy_parsed, VERBATIM: copy_verbatim}
    rates: dict[str, list[float]] = {name: [] for name in sides}
    chance = random.Random(20_260_101)
    order = list(sides)
    for round_ in range(1 + min(effort.rounds, _MOST_ROUNDS)):
        chance.shuffle(order)
        for name in order:
            rate = number / _timed(sides[name], source, folder / "target.db", number)
            if round_:  # the first one warms the disk's cache
                rates[name].append(rate)
    for other, goal in ((PARSED, GOAL), (VERBATIM, None)):
        yield Figure.from_rounds(
            f"SQLite to SQLite, {number:,} documents, {OURS} / {other}",
            rates[OURS],
            rates[other],
            "docs/s",
            at_least=goal,
        )


def _timed(side: Side, source: Path, target: Path, number: int) -> float:
    for file in target.parent.glob(f"{target.name}*"):
        file.unlink()
    service = open_file(target, durability="full")
    service.prepare(SCHEMA)
    service.close()
    began = perf_counter()
    copied = side(source, target)
    seconds = perf_counter() - began
    if copied != number:
        raise AssertionError(f"{copied:,} documents arrived, not {number:,}")
    return seconds


def _ours(source: Path, target: Path) -> int:
    ours, theirs = open_file(source), open_file(target, durability="full")
    try:
        with seldom_collected():  # as the command does
            return copy(ours, theirs, CopyOptions(), Silent(), SCHEMA).copied
    finally:
        ours.close()
        theirs.close()


def _memory(folder: Path, small: Path, large: Path, part: int, number: int) -> Figure:
    """Two runs in processes of their own; ``theirs`` is the allowance."""
    peaks = []
    for source in (small, large):
        target = folder / f"{source.stem}-copy.db"
        command = [sys.executable, "-m", "bench.transfer_memory", str(source), str(target)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        peaks.append(float(answer[1]))
    grown = max(0.0, peaks[1] - peaks[0])
    ratio = grown / MEGABYTES
    return Figure(
        f"SQLite to SQLite, memory of {number:,} documents above {part:,} / {MEGABYTES:g} MB",
        ratio, ratio, ratio, grown, MEGABYTES, "MB", 1, at_most=1.0, note=f"peak {peaks[1]:.0f} MB",
    )  # fmt: skip
