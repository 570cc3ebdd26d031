"""`wherry sweep`: takes away what is over. Nothing depends on it: whoever reads these looks at the time first."""

from dataclasses import replace

import click
from flask import current_app
from flask.cli import with_appcontext

from app.auth.entities import UserSession
from app.db.cli_errors import one_sentence
from app.db.entities import Entity, stored_time
from app.db.flask_ext import command_unit
from app.db.query import Query, where
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
    now = stored_time(current_app.extensions["wherry"].clock())
    over = (where("expires_at").lt(now),)
    query = Query(where=over, order_by=("expires_at",), limit=AT_ONCE, fields=("expires_at",))
    deleted = 0
    while True:
        with command_unit("wherry sweep") as uow:
            store = uow.store(entity)
            page = store.rows(query)
            # Read by key: an index may still list what is gone, or has been used since.
            found = [each for each in store.get_many([row.id for row in page.items]).values() if _is_over(each, now)]
            for each in found:
                store.remove(each)
        deleted += len(found)
        if page.cursor is None:
            return deleted
        query = replace(query, cursor=page.cursor)


def _is_over(entity: Entity, now: str) -> bool:
    return bool(entity.to_document()["expires_at"] < now)
