"""Dumping and comparing SQLite files against loops by hand with the plain ``sqlite3`` bulk reads; and their memory.

The sides take turns, each in this process and on the same file. The loop by hand that is compared with a goal makes the
same file as ours, or the same digests; what else there is, is information.
"""

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from shutil import copyfile
from time import perf_counter

from app.db.transfer.dumping import DumpOptions, dump
from app.db.transfer.garbage import seldom_collected
from app.db.transfer.progress import Silent
from app.db.transfer.verifying import VerifyOptions, verify
from bench.data import COLLECTION, documents
from bench.figures import Figure
from bench.files import fill, open_file
from bench.harness import Effort
from bench.peers.plain_dump import compare, dump_parsed, dump_verbatim

GOAL = 0.7
VERIFY_GOAL = 0.6
MEGABYTES = 60.0
PUBLISHED = 160_000.0
"""Documents hashed in a second by a prototype."""
TENANTS = 30
_SMALL = 10
_MOST_ROUNDS = 15
Side = Callable[[], int]


def run(folder: Path, number: int, effort: Effort) -> Iterator[Figure]:
    """Every figure of this group; ``number`` is how many documents the larger files have."""
    small, large = folder / "small.db", folder / "large.db"
    part = max(1_000, number // _SMALL)
    _make(small, part)
    _make(large, number)
    yield from _dumps(folder, small, part, effort)
    yield from _comparisons(folder, small, part, effort)
    for what in ("dump", "verify"):
        yield _memory(folder, what, (small, part), (large, number))


def _make(path: Path, number: int) -> None:
    """So many documents of about 450 bytes in 30 tenants, and a copy of the file."""
    service = open_file(path)
    share = -(-number // TENANTS)
    made = documents(number)
    for tenant in range(TENANTS):
        fill(service, f"tenant-{tenant:02}/{COLLECTION}", islice(made, share))
    service.close()
    copyfile(path, _copy_of(path))


def _copy_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}-copy.db")


def _dumps(folder: Path, source: Path, number: int, effort: Effort) -> Iterator[Figure]:
    def ours() -> int:
        service = open_file(source)
        with seldom_collected():
            report = dump(service, folder / "ours.dump", DumpOptions(force=True), Silent())
        service.close()
        return report.documents

    sides: dict[str, Side] = {
        "wherry db dump": ours,
        "by hand": lambda: dump_parsed(source, folder / "theirs.dump"),
        "by hand, text as it is, no digests": lambda: dump_verbatim(source, folder / "theirs.dump"),
    }
    rates = _rates(sides, number, effort)
    first = next(iter(sides))
    for other, goal in zip(list(sides)[1:], (GOAL, None), strict=True):
        name = f"SQLite to a file, {number:,} documents, {first} / {other}"
        yield Figure.from_rounds(name, rates[first], rates[other], "docs/s", at_least=goal)


def _comparisons(folder: Path, source: Path, number: int, effort: Effort) -> Iterator[Figure]:
    def ours() -> int:
        sides = open_file(source), open_file(_copy_of(source))
        with seldom_collected():
            report = verify(*sides, VerifyOptions(), Silent())
        for side in sides:
            side.close()
        return sum(report.documents)

    sides: dict[str, Side] = {"wherry db verify": ours, "by hand": lambda: compare(source, _copy_of(source))}
    rates = _rates(sides, 2 * number, effort)
    name = f"SQLite against SQLite, {number:,} documents each, wherry db verify / "
    found, by_hand = rates.values()
    yield Figure.from_rounds(name + "by hand", found, by_hand, "docs/s", at_least=VERIFY_GOAL)
    yield Figure.from_rounds(name + "a published figure", found, [PUBLISHED] * len(found), "docs/s")


def _rates(sides: dict[str, Side], number: int, effort: Effort) -> dict[str, list[float]]:
    """Documents a second, one value for each side and round."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    chance = random.Random(20_260_101)
    order = list(sides)
    for round_ in range(1 + min(effort.rounds, _MOST_ROUNDS)):
        chance.shuffle(order)
        for name in order:
            began = perf_counter()
            done = sides[name]()
            seconds = perf_counter() - began
            if done != number:
                raise AssertionError(f"{name} saw {done:,} documents, not {number:,}")
            if round_:  # the first one warms the disk's cache
                rates[name].append(number / seconds)
    return rates


def _memory(folder: Path, what: str, *sizes: tuple[Path, int]) -> Figure:
    """A run at each size in a process of its own; ``theirs`` is the allowance."""
    peaks = []
    for source, number in sizes:
        second = str(folder / "memory.dump") if what == "dump" else f"sqlite:///{_copy_of(source)}"
        command = [sys.executable, "-m", "bench.dumping_run", what, f"sqlite:///{source}", second]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        if int(answer[0]) != (number if what == "dump" else 2 * number):
            raise AssertionError(f"{what} saw {answer[0]} documents, not {number:,}")
        peaks.append(float(answer[2]))
    grown = max(0.0, peaks[1] - peaks[0])
    ratio = grown / MEGABYTES
    return Figure(
        f"SQLite {what}, memory of {sizes[1][1]:,} documents above {sizes[0][1]:,} / {MEGABYTES:g} MB",
        ratio, ratio, ratio, grown, MEGABYTES, "MB", 1, at_most=1.0, note=f"peak {peaks[1]:.0f} MB",
    )  # fmt: skip
