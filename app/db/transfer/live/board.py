"""The board: two documents in ``migration_state`` by which the runner and everybody else tell each other things.

``run`` is the runner's: what it does, how far it is, and a counter that goes on as long as it lives. It stands in both
databases, so that it is found wherever somebody looks. ``command`` is what somebody wants of it.
"""

import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from secrets import token_hex
from typing import Any, Final, Literal

from app.db.backend import Backend
from app.db.documents import Document
from app.db.errors import Conflict, DatabaseError, NotFound, NotPrepared
from app.db.transfer.collections import STATE

RUN: Final = "run"
COMMAND: Final = "command"
Action = Literal["cutover", "rollback", "finish"]
Stage = Literal["arming", "backfill", "tail", "switching", "reverse", "finished", "forgotten"]
STAGES: Final[tuple[Stage, ...]] = ("arming", "backfill", "tail", "switching", "reverse", "finished")
"""The usual way, in order; the others end it."""
BEAT: Final = 1.0
DEAD_AFTER: Final = 5.0


@dataclass(frozen=True, slots=True)
class Run:
    """What the runner says. ``lag``: change records that wait (up to 10,000); ``rate``: documents a second.

    ``differences``: of the latest complete verification, None before the first. ``pause``: seconds for which the latest
    switch stopped the writers. ``at``: the runner's wall clock, for people.
    """

    owner: str
    stage: Stage
    source: str
    target: str
    serving: str
    beat: int = 0
    at: float = 0.0
    since: float = 0.0
    copied: int = 0
    total: int | None = None
    carried: int = 0
    lag: int = 0
    rate: float = 0.0
    checked: int = 0
    differences: int | None = None
    rejected: int = 0
    first: tuple[str, ...] = ()
    pause: float | None = None
    note: str = ""
    answer: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(document: Document) -> "Run":
        """As it was stored; what another release said beyond that is left out."""
        known = {one.name for one in fields(Run)}
        found = {key: value for key, value in document.items() if key in known}
        return Run(**{**found, "first": tuple(found.get("first", ()))})


class Displaced(Exception):
    """Another runner has taken over."""


def read_run(service: Backend) -> Run | None:
    """What stands on a database's board."""
    document = _read(service, RUN)
    return None if document is None else Run.of(document)


def write_run(services: Sequence[Backend], run: Run, *, claim: bool = False) -> Run:
    """Put it on the boards, with the next beat. The first must take it, the others may be out of reach.

    Displaced if another runner stands on the first, unless this one is to take its place (``claim``): then all must
    take it.
    """
    told = replace(run, beat=run.beat + 1, at=time.time())
    document = {**asdict(told), "first": list(told.first)}
    first, *others = services
    current = _read(first, RUN)
    if current is not None and not claim and current["owner"] != run.owner:
        raise Displaced
    if current is None:
        first.save(STATE, RUN, document)
    else:
        try:
            first.save(STATE, RUN, {**document, "_rev": current["_rev"]})
        except Conflict as error:
            raise Displaced from error
    for service in others:
        with nullcontext() if claim else suppress(DatabaseError):
            service.save(STATE, RUN, document)
    return told


def is_alive(service: Backend, patience: float = DEAD_AFTER) -> bool:
    """Whether a runner is at work: whether its beat goes on while we look. No clocks are compared."""
    first = read_run(service)
    if first is None or first.stage in ("finished", "forgotten"):
        return False
    end = time.monotonic() + patience
    while time.monotonic() < end:
        time.sleep(min(0.2, patience / 5))
        now = read_run(service)
        if now is not None and (now.owner, now.beat) != (first.owner, first.beat):
            return True
    return False


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody wants. ``force``: although a check of a switch fails; the one of the lag holds still."""

    action: Action
    id: str = field(default_factory=lambda: token_hex(8))
    force: bool = False
    keep_rollback: bool = False


def send_command(services: Sequence[Backend], command: Command) -> None:
    """Ask the runner; the latest command counts. The first must take it, the others may be out of reach."""
    first, *others = services
    first.save(STATE, COMMAND, asdict(command))
    for service in others:
        with suppress(DatabaseError):
            service.save(STATE, COMMAND, asdict(command))


def withdraw_command(services: Sequence[Backend], command: Command) -> None:
    """Take back what no runner has answered, so that none obeys it some day, as far as the databases can be reached."""
    for service in services:
        with suppress(DatabaseError):
            found = _read(service, COMMAND)
            if found is not None and found["id"] == command.id:
                service.delete(STATE, COMMAND, found["_rev"])


def read_command(service: Backend) -> Command | None:
    """What is asked for."""
    document = _read(service, COMMAND)
    if document is None:
        return None
    return Command(**{key: value for key, value in document.items() if not key.startswith("_")})


def _read(service: Backend, id: str) -> Document | None:
    try:
        return service.get(STATE, id)
    except (NotFound, NotPrepared):
        return None
