"""`wherry users`: what an operator does when nobody can sign in."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import current_app
from flask.cli import AppGroup

from app.db.actors import Actor
from app.db.unit_of_work import UnitOfWork
from app.errors import Invalid, WherryError
from app.users.context import state
from app.users.entities import User
from app.users.services import Accounts

users_commands = AppGroup("users", help="Create, disable and repair accounts.")


@contextmanager
def command_unit(name: str, tenant_id: str | None = None) -> Iterator[UnitOfWork]:
    """A unit of work for a command, committed at its end; an error of ours becomes one sentence on the terminal."""
    registry = current_app.extensions["wherry"]
    uow = UnitOfWork(
        current_app.extensions["database"],
        tenant_id=tenant_id,
        actor=Actor(kind="command", name=f"wherry {name}"),
        hub=registry.hub,
        clock=registry.clock,
    )
    try:
        yield uow
        uow.commit()
    except Invalid as error:
        sentences = [problem.message for problems in error.problems.values() for problem in problems]
        raise click.ClickException(" ".join(sentences)) from error
    except WherryError as error:
        raise click.ClickException(str(error)) from error


def _account(accounts: Accounts, email: str) -> User:
    user = accounts.by_email(email)
    if user is None:
        raise click.ClickException(f"There is no account with the address {email}.")
    return user


@users_commands.command("create")
@click.argument("email")
@click.option("--name", required=True, help="The person's name.")
@click.option("--superuser", is_flag=True, help="May administer the installation.")
@click.password_option(help="Asked for when it is not given.")
def create(email: str, name: str, superuser: bool, password: str) -> None:
    """Make an account."""
    with command_unit("users create") as uow:
        user = Accounts(uow, state().passwords).create(name, email, password, superuser=superuser)
    click.echo(f"Made the account {user.email}.")


@users_commands.command("disable")
@click.argument("email")
@click.option("--undo", is_flag=True, help="Let the person in again.")
def disable(email: str, undo: bool) -> None:
    """Refuse sign-in to an account and end its sessions at once."""
    with command_unit("users disable") as uow:
        accounts = Accounts(uow, state().passwords)
        accounts.disable(_account(accounts, email), not undo)
    click.echo(f"{'Enabled' if undo else 'Disabled'} {email}.")


@users_commands.command("set-password")
@click.argument("email")
@click.password_option(help="Asked for when it is not given.")
def set_password(email: str, password: str) -> None:
    """Give an account a new password and end its sessions."""
    with command_unit("users set-password") as uow:
        accounts = Accounts(uow, state().passwords)
        accounts.set_password(_account(accounts, email), password)
    click.echo(f"Changed the password of {email}.")
