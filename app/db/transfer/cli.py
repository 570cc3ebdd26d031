"""What every transfer command has in common.

SOURCE and TARGET are as references.py tells. With ``--json`` a command prints one JSON document on standard output.
Whatever goes wrong is one sentence on standard error that names the thing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any, Final, Literal

import click
import orjson

from app.db.cli_errors import one_sentence
from app.db.flask_ext import command_schema, command_settings, own_settings
from app.db.schema import Schema
from app.db.transfer.live.peers import open_peer
from app.db.transfer.live.state import State
from app.db.transfer.moved import check_readable, check_writable, follow, read_sign
from app.db.transfer.pacing import Patience
from app.db.transfer.progress import Progress, Silent
from app.db.transfer.references import ENVIRONMENTS, Opened, open_reference

FAILED: Final = 1
"""Exit status: nothing more was done, or something differs."""
REJECTED: Final = 2
"""Exit status: finished, but documents were left out."""

_FIRST_CONTACT: Final = 2.0
_Function = Callable[..., None]


Use = Literal["read", "follow", "write", "checked"]
"""What a command does with a database, and so what it does if a live migration is under way or has left for another
one. "read": refuse one that was left. "follow": the same for a URL, but a settings environment's name means the
database that serves, as it does for the application. "write": refuse in both cases. "checked": check_target looks
later."""

left_behind_option: Final = click.option(
    "--left-behind", is_flag=True, help="Take a database as it is although its data has moved from there."
)


@contextmanager
def opened(
    reference: str,
    role: str,
    use: Use,
    *,
    left_behind: bool = False,
    patience: float = _FIRST_CONTACT,
    progress: Progress | None = None,
) -> Iterator[Opened]:
    """What a command's SOURCE or TARGET names, closed at the end.

    TransferRefused if ``use`` may not be made of it, which ``left_behind`` permits to whoever reads. ``patience``: for
    so many seconds a database that does not answer is asked again.
    """
    schema, told = command_schema(), Silent() if progress is None else progress
    found = open_reference(reference, role, command_settings, schema, settings=own_settings())
    try:
        if use != "checked" and not left_behind:
            waits = Patience(role, patience, Event(), told if patience > _FIRST_CONTACT else Silent())
            state = waits.call(lambda: read_sign(found.service))
            if use == "write":
                check_writable(state, role)
            elif use == "follow" and reference in ENVIRONMENTS:
                found = _followed(found, state, reference, schema, told)
            else:
                check_readable(state, role)
        yield found
    finally:
        found.service.close()


def _followed(named: Opened, state: State | None, environment: str, schema: Schema, progress: Progress) -> Opened:
    def open_other(reference: str) -> Opened:
        return Opened(*open_peer(reference, command_settings(environment), command_settings, schema))

    found = follow(named, state, open_other)
    if found is named:
        return named
    progress.note(f"The data of {named.name} has moved to {found.name}, which is taken instead.")
    return Opened(found.service, f"{named.name}, moved to {found.name}")


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
