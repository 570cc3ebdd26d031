"""What one session has committed in the last seconds, for databases whose indexes may not have noticed yet.

A list that a person opens after saving shall show what they saved. Where ``capabilities.fresh_queries`` is false,
whoever opens units of work for one session after the other (the web layer, from a signed cookie) hands each the
session's ``RecentCommits``; the stores then ask every query to show these documents as they are (``Query.recent``).

Nothing else depends on it: who may do what, and what is unique, is decided by reading by key.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from app.db.errors import Key
from app.db.planner import plan_count
from app.db.query import MAX_LIMIT, MAX_RECENT, Condition, Query
from app.db.schema import Schema
from app.db.service import DatabaseService

WINDOW: Final = 5.0
"""Seconds for which a commit is remembered."""


class RecentCommits:
    """The keys that were written, each with when; at most 100, of which the oldest give way.

    Only documents of collections with indexes: nothing else can be looked for by a query. ``now`` answers seconds since
    1970; indexes lag in real time, so it is the machine's clock, whatever time the application is told.
    """

    def __init__(self, schema: Schema, now: Callable[[], float] = time.time) -> None:
        self._schema = schema
        self._now = now
        self._at: dict[Key, float] = {}
        self.changed = False
        """Whether a commit was noted since it was made or loaded."""

    def note(self, keys: Iterable[Key]) -> None:
        """Remember what was written just now."""
        now = self._now()
        for key in keys:
            declared = self._schema.get(key[0].rpartition("/")[2])
            if declared is not None and declared.indexes:
                self._at.pop(key, None)
                self._at[key] = now
                self.changed = True
        self._forget(now)

    def ids(self, path: str) -> tuple[str, ...]:
        """The documents of one collection that were written lately."""
        now = self._now()
        return tuple(id for (written, id), at in self._at.items() if written == path and abs(now - at) < WINDOW)

    def dump(self, most: int = MAX_RECENT) -> list[Any]:
        """The newest ``most`` as short JSON: ``[path, milliseconds, id ...]`` for each collection and moment."""
        self._forget(self._now())
        groups: dict[tuple[str, int], list[Any]] = {}
        for (path, id), at in list(self._at.items())[-most:]:
            moment = round(at * 1_000)
            groups.setdefault((path, moment), [path, moment]).append(id)
        return list(groups.values())

    def load(self, dumped: object) -> None:
        """Take over what ``dump`` answered. What is no such thing, or over, is left out."""
        for group in dumped if isinstance(dumped, list) else ():
            if isinstance(group, list) and len(group) > 2 and type(group[0]) is str and type(group[1]) is int:
                self._at |= {(group[0], id): group[1] / 1_000 for id in group[2:] if type(id) is str}
        self._forget(self._now())

    def _forget(self, now: float) -> None:
        # A moment in the future is another machine's, whose clock is ahead: it counts like one in the past.
        kept = [(key, at) for key, at in self._at.items() if abs(now - at) < WINDOW]
        self._at = dict(kept[-MAX_RECENT:])


def count_as_it_is(
    service: DatabaseService, path: str, where: tuple[Condition, ...], up_to: int, recent: tuple[str, ...]
) -> tuple[int, bool]:
    """``service.count`` with some documents as they are: page by page, as a count of an index cannot leave any out.

    Reads as much of the index as counting does.
    """
    declared = service.schema.get(path.rpartition("/")[2])
    plan = plan_count(declared.indexes if declared is not None else (), where)
    if plan.index is None:
        return service.count(path, where, up_to)  # the collection itself, which does not lag
    order_by = tuple(".".join(parts) for parts in plan.order)
    query = Query(where=where, order_by=order_by, limit=min(up_to + 1, MAX_LIMIT), fields=(), recent=recent)
    found = 0
    while True:
        page = service.query(path, query)
        found += len(page.documents)
        if page.cursor is None or found > up_to:
            return min(found, up_to), found <= up_to
        query = replace(query, cursor=page.cursor)
