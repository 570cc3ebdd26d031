"""The `wherry` command: Flask's own command line for this application.

Packages add their commands in their `register(app, registry)` through `app.cli`; here are only those that `make run`
and `make demo` need to start.
"""

import json
import sys
from secrets import token_urlsafe

import click
from flask import Flask, current_app
from flask.cli import FlaskGroup, routes_command, shell_command, with_appcontext

from app import create_app
from app.auth.set_up import SetUps, Wanted
from app.db.cli_errors import one_sentence
from app.db.correlation import correlated
from app.db.flask_ext import command_unit
from app.errors import WherryError
from app.settings import Settings
from app.users.context import state
from app.users.services import Accounts

SERVER_SETTINGS = (
    "host", "port", "workers", "threads", "worker_timeout", "graceful_timeout", "keep_alive", "log_level", "public_url",
)  # fmt: skip
UNUSABLE = 1
"""Exit status when the settings do not allow a start."""


def _create() -> Flask:
    try:
        return create_app()
    except WherryError as error:
        # One sentence, not a stack trace: the mistake is in a file or a variable, not in the code.
        click.echo(f"wherry: {error}", err=True)
        sys.exit(UNUSABLE)


# `.env` belongs to the settings (app/config.py), which read it without changing the process's environment, and the
# server is gunicorn's: so neither Flask's options for files and another application nor its `run`.
cli = FlaskGroup(
    name="wherry",
    help="Run and look after a Wherry installation.",
    create_app=_create,
    add_version_option=False,
    load_dotenv=False,
    add_default_commands=False,
)
cli.params = [option for option in cli.params if option.name not in ("env_file", "app")]
cli.add_command(routes_command)
cli.add_command(shell_command)


@cli.command("server-settings", hidden=True)
@with_appcontext
def server_settings() -> None:
    """Print what gunicorn.conf.py needs, as JSON; fails like a start would if the application cannot be made."""
    settings: Settings = current_app.extensions["settings"]
    click.echo(json.dumps({name: getattr(settings, name) for name in SERVER_SETTINGS}))


@cli.command("demo-data", hidden=True)
@with_appcontext
@one_sentence()
def demo_data() -> None:
    """Make an account with a new password, a tenant and sample data in an empty database, and print how to sign in."""
    wanted = Wanted("Demo Owner", "demo@example.org", token_urlsafe(9), "Demo Harbour", "demo", sample=True)
    with command_unit("wherry demo-data") as uow:
        set_ups = SetUps(uow)
        if not set_ups.needed():
            raise click.ClickException("There are accounts already: sample data is for an empty database.")
        samples = current_app.extensions["wherry"].sample_data
        set_ups.carry_out(Accounts(uow, state().passwords), wanted, samples)
    click.echo(f"\nSign in as {wanted.email} with the password {wanted.password}")


def main() -> None:
    """Entry point of the console script. Whatever a command logs and records has one correlation id."""
    with correlated():
        cli.main(args=sys.argv[1:], prog_name="wherry")


if __name__ == "__main__":
    main()
