"""The `wherry` command: Flask's own command line for this application.

Packages add their commands in their `register(app, registry)` through `app.cli`; nothing is listed here.
"""

import sys

import click
from flask import Flask
from flask.cli import FlaskGroup

from app import create_app
from app.config import SettingsError


def _create() -> Flask:
    try:
        return create_app()
    except SettingsError as error:
        # One sentence, not a stack trace: the mistake is in a file or a variable, not in the code.
        raise click.ClickException(str(error)) from error


# `.env` belongs to the settings (app/config.py), which read it without changing the process's environment.
cli = FlaskGroup(
    name="wherry",
    help="Run and look after a Wherry installation.",
    create_app=_create,
    add_version_option=False,
    load_dotenv=False,
)


def main() -> None:
    """Entry point of the console script."""
    cli.main(args=sys.argv[1:], prog_name="wherry")


if __name__ == "__main__":
    main()
