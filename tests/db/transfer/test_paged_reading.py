"""Reading whole collections in pages: how much is asked for at once, and what follows when no answer comes."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event
from typing import Any, Final

import pytest

from app.db import DatabaseService
from app.db.backends.memory import MemoryDatabase
from app.db.capabilities import CollectionInfo, ScanPage
from app.db.documents import Document
from app.db.errors import Unavailable
from app.db.query import Page, Query
from app.db.transfer.entries import entries_of
from app.db.transfer.pacing import Patience
from app.db.transfer.paged_reading import by_id, stretches
from app.db.transfer.progress import Silent
from tests.db.transfer.kit import SCHEMA

BOATS: Final = CollectionInfo("boats", "tenant")
SMALL, LARGE = "x" * 400, "x" * 340_000
CEILING: Final = 40_000_000
"""The most bytes of JSON that one page may have."""


class Shelf(MemoryDatabase):
    """A server's documents, ``small`` ones and then ``large`` ones, made as they are asked for. ``limits`` are those
    asked for; ``fails`` tells of which no answer comes."""

    answers_within = 2.0

    def __init__(self, small: int, large: int = 0) -> None:
        super().__init__(SCHEMA)
        self.small, self.number = small, small + large
        self.limits: list[int] = []
        self.largest = 0
        self.fails: Callable[[int], bool] = lambda limit: False

    def scan(self, name: str, after: str | None = None, limit: int = 500) -> ScanPage:
        documents, place = self._some(after, limit)
        return ScanPage([("t1/boats", document) for document in documents], place)

    def query(self, collection: str, query: Query) -> Page:
        documents, place = self._some(query.cursor, query.limit)
        return Page(documents, place)

    def _some(self, after: str | None, limit: int) -> tuple[list[Document], str | None]:
        self.limits.append(limit)
        if self.fails(limit):
            raise Unavailable("No answer came in time.")
        start = int(after or 0)
        end = min(start + limit, self.number)
        found: list[dict[str, Any]] = [
            {"_id": f"{n:05}", "_rev": "r", "text": SMALL if n < self.small else LARGE} for n in range(start, end)
        ]
        self.largest = max(self.largest, sum(len(document["text"]) for document in found))
        return found, str(end) if end < self.number else None


class Tireless(Patience):
    """Tries again at once."""

    def __init__(self) -> None:
        super().__init__("The source", 1.0, Event(), Silent())

    def wait(self, error: Unavailable) -> None:
        """No time passes."""


def copied(source: DatabaseService, tenants: list[str] | None) -> Iterator[str]:
    for stretch in stretches(source, BOATS, tenants, None, 1_000, Tireless()):
        assert stretch.bytes < CEILING
        yield from (document["_id"] for _, document in stretch.documents)


def compared(source: DatabaseService, tenants: list[str] | None) -> Iterator[str]:
    for part in entries_of(source, BOATS, Tireless(), tenants):
        yield from (data.partition(b'"_id":"')[2][:5].decode() for _, data in part.entries)


WAYS: Final[dict[str, Callable[[DatabaseService], Iterator[str]]]] = {
    "copied": lambda source: copied(source, None),
    "a tenant's copied": lambda source: copied(source, ["t1"]),
    "compared": lambda source: compared(source, None),
    "a tenant's compared": lambda source: compared(source, ["t1"]),
    "by id": lambda source: (document["_id"] for document in by_id(source, "t1/boats", Tireless())),
}


@pytest.mark.parametrize(("tenants", "most"), [(None, 1_000), (["t1"], 100)])
def test_a_scan_asks_for_as_many_as_the_backend_allows_and_a_list_for_a_hundred(
    tenants: list[str] | None, most: int
) -> None:
    source = Shelf(5_000)
    source.capabilities = replace(source.capabilities, scan_at_once=1_000)  # type: ignore[misc]
    assert len(list(copied(source, tenants))) == len(list(compared(source, tenants))) == 5_000
    assert max(source.limits) == most


@pytest.mark.parametrize("way", WAYS)
class TestPages:
    def test_no_page_is_too_large_when_large_documents_follow_small_ones(self, way: str) -> None:
        source = Shelf(5_000, 600)
        assert list(WAYS[way](source)) == [f"{n:05}" for n in range(5_600)]
        assert source.largest < CEILING
        assert len(source.limits) < 5_000 / 100 + 600 / 2  # and still they come in pages

    def test_when_no_answer_comes_fewer_are_asked_for(self, way: str) -> None:
        source = Shelf(500)
        source.fails = lambda limit: limit > 10
        assert list(WAYS[way](source)) == [f"{n:05}" for n in range(500)]
        assert source.limits[:6] == [100, 100, 50, 25, 12, 6]
        assert sum(limit > 10 for limit in source.limits[5:]) < len(source.limits) / 3

    def test_a_single_one_can_come_where_more_cannot(self, way: str) -> None:
        source = Shelf(0, 20)
        source.fails = lambda limit: limit > 1
        assert len(list(WAYS[way](source))) == 20

    def test_after_an_outage_there_are_slowly_more_again(self, way: str) -> None:
        source = Shelf(2_000)
        source.fails = lambda limit: len(source.limits) <= 3
        assert len(list(WAYS[way](source))) == 2_000
        assert source.limits[:11] == [100, 100, 50, 25, 25, 25, 25, 25, 25, 50, 50]
        assert source.limits[-1] > 90
