"""The installation's page on a live migration: how far it is, with a picture. It only reads, and loads itself anew."""

from typing import Final, NamedTuple

from flask import Blueprint, current_app, make_response, render_template
from flask.typing import ResponseReturnValue

from app.db.flask_ext import current_database
from app.db.transfer.live.board import Stage
from app.db.transfer.live.status import Status, read_status
from app.web.access import access_control

blueprint = Blueprint("migration", __name__, url_prefix="/admin")
REFRESH_BUSY: Final = 3
"""Seconds until the page of a running migration loads itself anew; without one it waits for ``REFRESH_IDLE``."""
REFRESH_IDLE: Final = 30
_STEPS: Final[tuple[tuple[Stage, str], ...]] = (
    ("arming", "Arm workers"),
    ("backfill", "Copy"),
    ("tail", "Follow"),
    ("switching", "Switch"),
    ("reverse", "Follow back"),
    ("finished", "Finish"),
)
_WIDTH: Final = 720


class Step(NamedTuple):
    """One circle of the picture: its place, and whether it is done, here or still to come."""

    label: str
    x: int
    status: str


def steps_of(found: Status) -> list[Step]:
    """The usual way, with the present step marked. A migration that was given up is nowhere on it."""
    stages = [stage for stage, _ in _STEPS]
    here = stages.index(found.run.stage) if found.run is not None and found.run.stage in stages else -1
    gap = _WIDTH // len(_STEPS)
    return [
        Step(
            label,
            gap // 2 + place * gap,
            "here" if place == here and found.stage != "finished" else "done" if place <= here else "ahead",
        )
        for place, (_, label) in enumerate(_STEPS)
    ]


@blueprint.get("/migration")
@access_control(superuser=True)
def page() -> ResponseReturnValue:
    """Phase, lag, rate, differences and workers. An outage is an error like on any other page."""
    found = read_status(current_database())
    running = found.state is not None
    response = make_response(
        render_template(
            "core/migration.html",
            found=found,
            run=found.run,
            steps=steps_of(found),
            provider=current_app.config["DATABASE_PROVIDER"],
            bar=None if found.share is None else round(found.share * _WIDTH),
            width=_WIDTH,
        )
    )
    response.headers["Refresh"] = str(REFRESH_BUSY if running else REFRESH_IDLE)
    return response
