"""Continuous verification: beside the tail, both databases are read and compared, again and again.

A page is read from one side and looked up on the other; documents that only the other side has are found when the pages
come from there. What differs is looked at once more after the tail's next round, because it may only have been on its
way. What still differs then, and of which no change record tells, counts; it is marked for the tail, which repairs it.
So it does not matter that somebody always writes: a document is only ever ahead of the other side if its record waits.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from app.db.backend import Backend
from app.db.documents import Document, canonical_json, split_rev
from app.db.errors import Conflict, Key
from app.db.transfer.collections import is_machinery
from app.db.transfer.live.changes import mark_dirty, read_changes
from app.db.transfer.live.fences import read_snapshot

_PAGE: Final = 200
_AT_ONCE: Final = 100
_WAITING: Final = 2_000
_REST: Final = 30.0


@dataclass(slots=True)
class Pass:
    """One reading of everything: how many documents were compared, and how many differed for good."""

    documents: int = 0
    differences: int = 0
    first: list[Key] = field(default_factory=list)


class Checker:
    """Compares the two sides, a page at each ``step``. ``rest``: seconds between a clean pass and the next."""

    def __init__(self, serving: Backend, other: Backend, *, rest: float = _REST) -> None:
        self._serving, self._other = serving, other
        self._rest = rest
        self._pages: Iterator[list[Key]] | None = None
        self._suspects: list[Key] = []
        self._again = 0.0
        self.now = Pass()
        self.last: Pass | None = None
        """The latest that is complete."""

    @property
    def clean(self) -> bool:
        """Whether the latest complete pass found nothing."""
        return self.last is not None and not self.last.differences

    def step(self) -> bool:
        """Compare the next page, or look again at what differed on the one before. False while it rests.

        To be called between two rounds of the tail, by its own thread.
        """
        if self._suspects:
            self._look_again()
            return True
        if self._pages is None:
            if time.monotonic() < self._again:
                return False
            self._pages, self.now = self._all_pages(), Pass()
        keys = next(self._pages, None)
        if keys is None:
            self._pages, self.last = None, self.now
            self._again = time.monotonic() + (self._rest if self.clean else 0.0)
            return True
        self.now.documents += len(keys)
        self._suspects = self._differing(keys)
        return True

    def _all_pages(self) -> Iterator[list[Key]]:
        for service in (self._serving, self._other):
            for one in service.collections():
                if is_machinery(one.name):
                    continue
                after: str | None = None
                while True:
                    page = service.scan(one.name, after, _PAGE)
                    yield [(path, document["_id"]) for path, document in page.documents]
                    after = page.after
                    if after is None:
                        break

    def _differing(self, keys: list[Key]) -> list[Key]:
        differing: list[Key] = []
        for path, part in groupby(sorted(keys), key=lambda key: key[0]):
            ids = [id for _, id in part]
            mine, theirs = self._serving.get_many(path, ids), self._other.get_many(path, ids)
            differing += [(path, id) for id in ids if _entry(mine.get(id)) != _entry(theirs.get(id))]
        return differing

    def _look_again(self) -> None:
        still = self._differing(self._suspects)
        if still:
            # Read after the documents: whatever was written until then has its record, for only the tail forgets them.
            ids, waiting = read_changes(self._serving, _WAITING)
            if len(ids) == _WAITING:
                return  # too many to tell: look again later
            on_the_way = set(waiting)
            still = [key for key in still if key not in on_the_way]
        self._suspects = []
        for start in range(0, len(still), _AT_ONCE):
            part = still[start : start + _AT_ONCE]
            fences = read_snapshot(self._serving).fences
            if fences is None:
                return
            try:
                mark_dirty(self._serving, fences, part)
            except Conflict:
                return  # a switch is under way: the next pass finds them
            self.now.differences += len(part)
            self.now.first = (self.now.first + part)[:20]


def _entry(document: Document | None) -> tuple[str, bytes] | None:
    """What has to be equal: the revision's token and the contents."""
    if document is None:
        return None
    body = {key: value for key, value in document.items() if key not in ("_id", "_rev")}
    return split_rev(document["_rev"])[0], canonical_json(body)
