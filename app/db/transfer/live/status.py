"""What is known of a migration, for the command line and the admin area: read from either of the two databases."""

import time
from dataclasses import asdict, dataclass
from typing import Any

from app.db.errors import NotFound, NotPrepared
from app.db.service import DatabaseService
from app.db.transfer.collections import STATE
from app.db.transfer.live.board import DEAD_AFTER, RUN, STAGES, Run
from app.db.transfer.live.presence import Worker, read_workers
from app.db.transfer.live.state import CURRENT, State


@dataclass(frozen=True, slots=True)
class Status:
    """``state`` and ``run`` are None where there is nothing to tell. ``silent``: seconds since the runner's last word,
    by this machine's clock."""

    state: State | None
    run: Run | None
    workers: tuple[Worker, ...]
    silent: float

    @property
    def stage(self) -> str:
        """In a word."""
        if self.run is None:
            return "none" if self.state is None else "starting"
        return self.run.stage

    @property
    def alive(self) -> bool:
        """Whether the runner was heard of lately."""
        return self.run is not None and self.run.stage in STAGES[:-1] and self.silent < DEAD_AFTER

    @property
    def share(self) -> float | None:
        """How much of the backfill is done, 0 to 1; None where that is not known."""
        if self.run is None or self.run.stage == "arming":
            return None
        if self.run.stage != "backfill":
            return 1.0
        return min(1.0, self.run.copied / self.run.total) if self.run.total else None

    def lines(self) -> list[tuple[str, str]]:
        """For people."""
        if self.run is None:
            return [("Phase", "no migration" if self.state is None else "starting")]
        run = self.run
        lag = f"{run.lag:,}{'+' if run.lag >= 10_000 else ''} changes wait"
        lines = [
            ("Phase", run.stage),
            ("From", run.source),
            ("To", run.target),
            ("Serving", run.serving),
            ("Copied", f"{run.copied:,} documents" + (f" of about {run.total:,}" if run.total else "")),
            ("Lag", lag),
            ("Rate", f"{run.rate:,.0f} changes/s"),
            ("Differences", "not verified yet" if run.differences is None else f"{run.differences:,}"),
            ("Workers", f"{len(self.workers)} seen, {sum(one.current for one in self.workers)} up to date"),
        ]
        if barred := [one for one in self.workers if one.problem]:
            lines.append(
                ("Barred", f"{len(barred)} do not reach the other database, {barred[0].name}: {barred[0].problem}")
            )
        if run.pause is not None:
            lines.append(("Paused", f"writes for {run.pause:.1f} s at the latest switch"))
        if run.rejected:
            lines.append(("Left out", f"{run.rejected:,} documents, the first {run.first[0] if run.first else ''}"))
        if run.note:
            lines.append(("Note", run.note))
        if run.stage in STAGES[:-1] and not self.alive:
            lines.append(("Runner", f"not heard of for {self.silent:.0f} s: 'wherry db live start' goes on"))
        return lines

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "phase": self.stage,
            "runner_alive": self.alive,
            "run": None if self.run is None else asdict(self.run),
            "state": None if self.state is None else asdict(self.state),
            "workers": [asdict(one) for one in self.workers],
        }


def read_status(service: DatabaseService) -> Status:
    """What a database tells. It may be a RoutedDatabase: then the one that serves tells. Creates nothing."""
    current, run = (_read(service, id) for id in (CURRENT, RUN))
    state = None if current is None else State.of(current)
    told = None if run is None else Run.of(run)
    silent = 0.0 if told is None else max(0.0, time.time() - told.at)
    workers = () if state is None else read_workers(service, state)
    return Status(state, told, workers, silent)


def _read(service: DatabaseService, id: str) -> dict[str, Any] | None:
    try:
        return service.get(STATE, id)
    except (NotFound, NotPrepared):
        return None
