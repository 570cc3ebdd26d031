"""What a page costs one tenant when the others grow, and what memory it takes to walk through everything.

Two files: in both one tenant has 1,000 documents that match, in one the others have 9,000 in all, in the other a
million and more. The pages are read in turns.
"""

import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from app.db import DatabaseService, Query, where
from bench.data import COLLECTION, MATCHING, PAGE, PATH, documents
from bench.figures import Figure
from bench.files import fill, open_file
from bench.harness import Effort, Run, measure

OTHERS = 9
GOAL = 1.3
MEGABYTES = 20.0


def run(folder: Path, number: int, effort: Effort) -> Iterator[Figure]:
    """Every figure of this group; ``number`` is what one of the others grows to."""
    small, large = folder / "small.db", folder / "large.db"
    services = {"small": open_file(small), "large": open_file(large)}
    _fill_all(services["small"], MATCHING)
    _fill_all(services["large"], number)
    yield from _pages(services, number, effort)
    for service in services.values():
        service.close()
    for way in ("list_all", "scan"):
        yield _memory(large, way, number)


def _fill_all(service: DatabaseService, grown: int) -> None:
    """The measured tenant's documents come in between the others', as they would in use."""
    fill(service, f"{_other(0)}/{COLLECTION}", documents(grown // 2, seed=100))
    fill(service, PATH, _matching())
    fill(service, f"{_other(0)}/{COLLECTION}", documents(grown - grown // 2, seed=101))
    for place in range(1, OTHERS):
        fill(service, f"{_other(place)}/{COLLECTION}", documents(MATCHING, seed=place))


def _matching() -> Iterator[tuple[str, dict[str, Any]]]:
    return documents(MATCHING)  # so few have one status only


def _other(place: int) -> str:
    return f"other-{place}"


def _pages(services: dict[str, DatabaseService], number: int, effort: Effort) -> Iterator[Figure]:
    status = next(_matching())[1]["status"]

    def query(cursor: str | None) -> Query:
        return Query(where=(where("status").eq(status),), order_by=("name",), limit=PAGE, cursor=cursor)

    def places(service: DatabaseService) -> list[str | None]:
        """The cursors of all pages: each is as likely to be asked for."""
        found: list[str | None] = [None]
        while (cursor := service.query(PATH, query(found[-1])).cursor) is not None:
            found.append(cursor)
        return found

    def reads(service: DatabaseService, cursors: list[str | None]) -> Run:
        def run(asked: Sequence[int]) -> None:
            for place in asked:
                service.query(PATH, query(cursors[place]))

        return run

    cursors = places(services["small"])
    if len(cursors) != MATCHING // PAGE or cursors != places(services["large"]):
        raise AssertionError("the measured tenant's pages differ between the files")
    runs = {name: reads(service, cursors) for name, service in services.items()}

    def inputs(chance: random.Random, size: int) -> Sequence[int]:
        return chance.choices(range(len(cursors)), k=size)

    rounds = measure(runs, inputs, effort)
    yield Figure.from_rounds(
        f"SQLite page of 50 of 1,000 matching, the others have {number + (OTHERS - 1) * MATCHING:,} / 9,000",
        rounds.in_microseconds("large"),
        rounds.in_microseconds("small"),
        "us",
        at_most=GOAL,
    )


def _memory(path: Path, way: str, number: int) -> Figure:
    """One run in a process of its own; ``theirs`` is the allowance."""
    command = [sys.executable, "-m", "bench.memory", str(path), way, _other(0)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    expected = number if way == "list_all" else number + OTHERS * MATCHING
    if int(answer[0]) != expected:
        raise AssertionError(f"{way} saw {answer[0]} documents, not {expected}")
    grown = float(answer[1])
    ratio = grown / MEGABYTES
    return Figure(
        f"SQLite {way} over {expected:,}: memory grown / {MEGABYTES:g} MB",
        ratio,
        ratio,
        ratio,
        grown,
        MEGABYTES,
        "MB",
        1,
        at_most=1.0,
    )
