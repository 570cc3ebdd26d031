"""The database that the application's own tests run on: memory, or the one of the five that TEST_DATABASE names.

A test gets as many as it asks for, and they are empty. On a server they are prefixes whose databases or tables are made
once and emptied after each test, as making them is most of what a test would cost. The servers are those of the
conformance suite: TEST_COUCHDB_URL, TEST_FIRESTORE_URL and TEST_DYNAMODB_URL aim at others.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from app.db import DatabaseService, Schema, open_database
from app.db.backend import Backend
from tests.app_places import PLACES, Place
from tests.servers import require

VARIABLE = "TEST_DATABASE"
S = TypeVar("S", bound=DatabaseService)
EMBEDDED = ("memory", "sqlite")


class AppDatabases:
    """The databases of one run of the tests on the backend ``name``."""

    def __init__(self, name: str) -> None:
        if name not in PLACES:
            raise ValueError(f"{VARIABLE} must be one of {', '.join(PLACES)}, not {name!r}")
        self.name = name
        self.several = EMBEDDED if VARIABLE not in os.environ else (name,)
        """For tests of what is near to the database: both that need no server, or the one that is named."""
        self._free: dict[object, list[Place]] = defaultdict(list)
        self._taken: list[tuple[object, Place]] = []
        self._services: list[DatabaseService] = []
        self._closed: list[DatabaseService] = []

    def settings(self, declares: object = (), *, shared: bool = False) -> dict[str, Any]:
        """What ``create_app`` takes to run on an empty database.

        ``declares`` tells apart applications whose collections or indexes differ, so that none of them has to add an
        index to another's. ``shared``: several applications will use these settings at the same time, which cannot be
        one process's memory.
        """
        return self._take("sqlite" if shared and self.name == "memory" else self.name, ("settings", declares)).settings

    def open(self, schema: Schema | None = None, *, on: str = "", new: bool = False, **options: Any) -> Backend:
        """A service on an empty database, with DatabaseService's own options; it is closed when the test ends.

        ``on``: another backend than the run's. ``new``: nobody has used the database before, so that it has no
        collections either.
        """
        declared = () if schema is None else tuple(sorted(map(repr, schema)))
        place = self._take(on or self.name, object() if new else ("open", declared))
        return self.watch(open_database(place.url, schema, **place.options, **options))

    def watch(self, service: S) -> S:
        """Close this service, too, when the test ends."""
        self._services.append(service)
        return service

    @contextmanager
    def one_test(self) -> Iterator[None]:
        """Around a test: what is taken and opened meanwhile is given back. What was there before stays, for fixtures
        that live longer."""
        taken, services = len(self._taken), len(self._services)
        try:
            yield
        finally:
            self._give_back(taken, services)

    def remove(self) -> None:
        """Leave nothing on the server."""
        self._give_back(0, 0)
        for service in self._closed:
            service.close()
        for places in self._free.values():
            for place in places:
                place.remove()
        self._free.clear()

    def _take(self, name: str, declares: object) -> Place:
        if name != "memory":
            require(name)
        free = self._free[name, declares]
        place = free.pop() if free else PLACES[name]()
        self._taken.append(((name, declares), place))
        return place

    def _give_back(self, taken: int, services: int) -> None:
        while len(self._services) > services:
            service = self._services.pop()
            service.close()
            # A browser's last request may still be under way and give its connection back later.
            self._closed.append(service)
        while len(self._taken) > taken:
            declares, place = self._taken.pop()
            if place.empty():
                self._free[declares].append(place)


@cache
def databases() -> AppDatabases:
    """Those of this run."""
    return AppDatabases(os.environ.get(VARIABLE, "memory").strip().lower())
