"""What a command says when something of ours goes wrong: one sentence, and exit status 1."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from app.errors import Invalid, WherryError


@contextmanager
def one_sentence() -> Iterator[None]:
    """Decorates a command's function: a WherryError ends it with its sentence on standard error, an Invalid with those
    of all its problems."""
    try:
        yield
    except Invalid as error:
        sentences = [problem.message for problems in error.problems.values() for problem in problems]
        raise click.ClickException(" ".join(sentences)) from error
    except WherryError as error:
        raise click.ClickException(str(error)) from error
