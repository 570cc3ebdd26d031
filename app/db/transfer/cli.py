"""What every transfer command has in common.

SOURCE and TARGET are as references.py tells. With ``--json`` a command prints one JSON document on standard output.
Whatever goes wrong is one sentence on standard error that names the thing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import click
import orjson

from app.db.cli_errors import one_sentence
from app.db.flask_ext import command_password, command_schema, command_settings
from app.db.schema import Schema
from app.db.transfer.references import Opened, open_reference

FAILED: Final = 1
"""Exit status: nothing more was done, or something differs."""
REJECTED: Final = 2
"""Exit status: finished, but documents were left out."""

_Function = Callable[..., None]


@contextmanager
def opened(reference: str, role: str, schema: Schema | None = None, **options: Any) -> Iterator[Opened]:
    """What a command's SOURCE or TARGET names, closed at the end. ``schema``: by default the application's."""
    declared = command_schema() if schema is None else schema
    found = open_reference(reference, role, command_settings, declared, couchdb_password=command_password(), **options)
    try:
        yield found
    finally:
        found.service.close()


def transfer_command(name: str, *arguments: str) -> Callable[[_Function], click.Command]:
    """A command with the arguments and ``--json``, whose errors are one sentence each."""

    def register(function: _Function) -> click.Command:
        made: Any = one_sentence()(function)
        made = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(made)
        for argument in reversed(arguments):
            made = click.argument(argument.lower(), metavar=argument)(made)
        return click.command(name, help=function.__doc__)(made)

    return register


def listed(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...] | None:
    """An option that may be given several times and may hold several names with commas between; None if not given."""
    names = tuple(name.strip() for text in value for name in text.split(",") if name.strip())
    return names or (None if not value else ())


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
