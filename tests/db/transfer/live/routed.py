"""Routed databases for the tests: in the suite, and at work. Other processes load this file too."""

from dataclasses import dataclass
from typing import Any

from app.db import DatabaseService, Schema, Unavailable
from app.db.backend import Backend
from app.db.transfer.live import fences
from app.db.transfer.live.routing import RoutedDatabase
from app.db.transfer.live.state import State, Timing, read_state
from tests.db.contract.backend import ContractBackend

ELSEWHERE = "sqlite:///elsewhere.sqlite"
QUICK = Timing(plain=0.3, lease=0.15, longest_write=0.3, poll=0.01, patience=3.0, pause=2.0, note=0.2)
"""The promises with shorter waits. On a busy machine more writes are late with them, which is part of the test."""


def capture(service: Backend) -> None:
    """Let a database capture changes, as if a migration to ELSEWHERE had begun."""
    fences.prepare(service)
    if read_state(service) is None:
        fences.swap_state(service, None, State("capturing", 1, ELSEWHERE, "source", "m", armed=True), fences=True)


@dataclass(frozen=True)
class RoutedBackend:
    """A backend of the suite behind a RoutedDatabase, with a migration under way (``capturing``) or without."""

    inner: ContractBackend
    capturing: bool

    def open(self, schema: Schema | None = None, **options: Any) -> DatabaseService:
        """See ContractBackend."""
        meter = options.pop("meter", None)
        home = self.inner.open(schema, **options)
        assert isinstance(home, Backend)
        if self.capturing:
            create, home.create_missing = home.create_missing, True
            capture(home)
            home.create_missing = create
        return RoutedDatabase(home, nowhere, meter=meter)


def nowhere(reference: str) -> Backend:
    """There is no other database."""
    raise Unavailable(f"{reference} is not there.", retry_after=1)
