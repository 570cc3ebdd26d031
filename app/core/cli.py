"""`wherry sweep`: takes away what is over. Nothing depends on it: whoever reads these looks at the time first."""

import click
from flask import current_app
from flask.cli import with_appcontext

from app.auth.entities import UserSession
from app.db.cli_errors import one_sentence
from app.db.entities import Entity, stored_time
from app.db.flask_ext import command_unit
from app.db.query import Query, where
from app.db.unit_of_work import UnitOfWork
from app.users.entities import Attempts

AT_ONCE = 80


@click.command("sweep")
@with_appcontext
@one_sentence()
def sweep() -> None:
    """Delete sessions and counters of tries that are over. Run it once a day."""
    for entity, what in ((UserSession, "sessions"), (Attempts, "counters of tries")):
        click.echo(f"Deleted {sweep_expired(entity)} {what}.")


def sweep_expired(entity: type[Entity]) -> int:
    """Delete every entity whose ``expires_at`` is over; answers how many. In small commits: it may be stopped."""
    deleted = 0
    while True:
        with command_unit("wherry sweep") as uow:
            found = _expired(uow, entity)
            for each in found:
                uow.store(type(each)).remove(each)
        deleted += len(found)
        if len(found) < AT_ONCE:
            return deleted


def _expired(uow: UnitOfWork, entity: type[Entity]) -> list[Entity]:
    now = stored_time(current_app.extensions["wherry"].clock())
    query = Query(where=(where("expires_at").lt(now),), order_by=("expires_at",), limit=AT_ONCE)
    return list(uow.store(entity).find(query).items)
