"""`wherry first-link`: what the terminal prints when the server is ready."""

from datetime import timedelta

import click
from flask.cli import with_appcontext

from app.auth.context import state
from app.auth.set_up import SetUps
from app.db.cli_errors import one_sentence
from app.db.flask_ext import command_unit


@click.command("first-link")
@click.option("--base-url", required=True, metavar="URL", help="Where people reach the application.")
@with_appcontext
@one_sentence()
def first_link(base_url: str) -> None:
    """Print the set-up link if there is no account yet, else the application's address. One line."""
    base = base_url.rstrip("/")
    with command_unit("wherry first-link") as uow:
        token = SetUps(uow).new_link(timedelta(seconds=state().set_up_lifetime))
    click.echo(f"{base}/setup/{token}" if token else f"{base}/")
