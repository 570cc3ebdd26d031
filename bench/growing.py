"""What a page costs one tenant when the others grow, on a server: what CouchDB, Firestore and DynamoDB share.

Two databases on one server: in both, one tenant has 500 documents that match and 250 that do not, loaded in the midst
of the others'; in one the others have 1,000 in all, in the other a hundred times as many, with the same values in the
same fields. All pages of the 500 are asked for with the same likelihood, both databases in the same rounds. Then each
page is looked at once by the server's own means: how much was read for it, and whose documents that were.
"""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import Any, Final, NamedTuple

from app.db import DatabaseService, Page, Query, where
from bench.data import COLLECTION, PAGE, PATH, documents
from bench.figures import Figure
from bench.harness import Effort, Rounds, Run, measure

MATCHING: Final = 500
OTHERS: Final = 9
START: Final = 1_000
GOAL: Final = 1.5
SMALL, LARGE = "small", "large"
_THREADS: Final = 4
_BATCH: Final = 500
_STATUSES: Final = ("open", "closed", "open")

Batch = tuple[str, list[dict[str, Any]]]
Look = Callable[[DatabaseService, Callable[[], None]], "Evidence"]


class Evidence(NamedTuple):
    """What a server read for the tenant's pages, in ``unit``; and by what that was seen, after "shown by"."""

    read: float
    unit: str
    seen: str


class Grown(NamedTuple):
    """The two databases, how many documents the others have in each, and how many a second were loaded."""

    services: dict[str, DatabaseService]
    numbers: dict[str, int]
    cursors: list[str | None]
    rate: float

    @property
    def sizes(self) -> str:
        """For a figure's name."""
        return f"the others have {self.numbers[LARGE]:,} / {self.numbers[SMALL]:,}"


def page(service: DatabaseService, cursor: str | None) -> Page:
    """The measured tenant's filtered, sorted page."""
    asked = Query(where=(where("status").eq("open"),), order_by=("name",), limit=PAGE, cursor=cursor)
    return service.query(PATH, asked)


def grow(small: DatabaseService, large: DatabaseService, number: int) -> Grown:
    """Fill both: the others grow to ``number`` documents in all. Raises if the tenant's pages are not the same."""
    services = {SMALL: small, LARGE: large}
    numbers = {SMALL: START if number > START else max(OTHERS, number // 10), LARGE: number}
    began = perf_counter()
    for side, service in services.items():
        service.prepare()
        _fill(service, numbers[side])
        service.prepare()  # waits, where indexes are built after the fact
    rate = sum(numbers.values()) / (perf_counter() - began)
    cursors = _cursors(small)
    if len(cursors) != MATCHING // PAGE or cursors != _cursors(large):
        raise AssertionError("the measured tenant's pages differ between the databases")
    return Grown(services, numbers, cursors, rate)


def measure_pages(grown: Grown, effort: Effort, others: dict[str, Run] | None = None) -> Rounds:
    """All pages with the same likelihood; a run's inputs are places in ``grown.cursors``."""
    runs = {side: _reads(service, grown.cursors) for side, service in grown.services.items()}

    def inputs(chance: random.Random, size: int) -> Sequence[int]:
        return chance.choices(range(len(grown.cursors)), k=size)

    return measure(runs | (others or {}), inputs, effort)


def time_figure(title: str, grown: Grown, rounds: Rounds, *, goal: float | None = GOAL, note: str = "") -> Figure:
    """How much dearer a page is at the end."""
    return Figure.from_rounds(
        f"{title} page of {PAGE} of {MATCHING} matching, {grown.sizes}",
        rounds.in_microseconds(LARGE),
        rounds.in_microseconds(SMALL),
        "us",
        at_most=goal,
        note="; ".join(filter(None, (note, f"loaded {grown.rate:,.0f} documents a second"))),
    )


def read_figure(title: str, grown: Grown, look: Look) -> Figure:
    """How much more is read for all the tenant's pages at the end. ``look(service, ask)`` calls ``ask``, which asks for
    every page once, and says what the server read; it raises AssertionError where that was another tenant's."""
    found = {}
    for side, service in grown.services.items():

        def ask(service: DatabaseService = service) -> None:
            for cursor in grown.cursors:
                page(service, cursor)

        found[side] = look(service, ask)
    large, small = found[LARGE], found[SMALL]
    ratio = large.read / small.read
    name = f"{title} {large.unit} read for {len(grown.cursors)} pages, {grown.sizes}"
    return Figure(
        name, ratio, ratio, ratio, large.read, small.read, large.unit, 1, at_most=1.0, note=f"shown by {large.seen}"
    )


def _fill(service: DatabaseService, number: int) -> None:
    """The measured tenant's documents come in between the others', as they would in use."""
    shares = [number // OTHERS + (place < number % OTHERS) for place in range(OTHERS)]
    others = [
        batch
        for place, share in enumerate(shares)
        for batch in _batches(f"other-{place}/{COLLECTION}", share, seed=100 + place)
    ]
    measured = _batches(PATH, MATCHING * len(_STATUSES) // _STATUSES.count("open"), seed=7)

    def write(make: Callable[[], Batch]) -> None:
        for outcome in service.write_batch(*make()):
            if outcome.error is not None:
                raise outcome.error

    middle = len(others) // 2
    with ThreadPoolExecutor(_THREADS) as threads:
        for _ in threads.map(write, [*others[:middle], *measured, *others[middle:]]):
            pass


def _batches(path: str, number: int, seed: int) -> list[Callable[[], Batch]]:
    """Batches that are made when a thread gets to them, so that many documents need no memory."""

    def make(start: int) -> Batch:
        size = min(_BATCH, number - start)
        made = enumerate(documents(size, seed=seed + 1_000 * start), start)
        return path, [
            {**document, "_id": id, "status": _STATUSES[place % len(_STATUSES)]} for place, (id, document) in made
        ]

    return [partial(make, start) for start in range(0, number, _BATCH)]


def _cursors(service: DatabaseService) -> list[str | None]:
    found: list[str | None] = [None]
    while (cursor := page(service, found[-1]).cursor) is not None:
        found.append(cursor)
    return found


def _reads(service: DatabaseService, cursors: list[str | None]) -> Run:
    def run(asked: Sequence[int]) -> None:
        for place in asked:
            page(service, cursors[place])

    return run
