"""`wherry users`: what an operator does when nobody can sign in."""

import click
from flask.cli import AppGroup

from app.db.cli_errors import one_sentence
from app.db.flask_ext import command_unit
from app.users.context import state
from app.users.entities import User
from app.users.services import Accounts

users_commands = AppGroup("users", help="Create, disable and repair accounts.")


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
@one_sentence()
def create(email: str, name: str, superuser: bool, password: str) -> None:
    """Make an account."""
    with command_unit("wherry users create") as uow:
        user = Accounts(uow, state().passwords).create(name, email, password, superuser=superuser)
    click.echo(f"Made the account {user.email}.")


@users_commands.command("disable")
@click.argument("email")
@click.option("--undo", is_flag=True, help="Let the person in again.")
@one_sentence()
def disable(email: str, undo: bool) -> None:
    """Refuse sign-in to an account and end its sessions at once."""
    with command_unit("wherry users disable") as uow:
        accounts = Accounts(uow, state().passwords)
        accounts.disable(_account(accounts, email), not undo)
    click.echo(f"{'Enabled' if undo else 'Disabled'} {email}.")


@users_commands.command("set-password")
@click.argument("email")
@click.password_option(help="Asked for when it is not given.")
@one_sentence()
def set_password(email: str, password: str) -> None:
    """Give an account a new password and end its sessions."""
    with command_unit("wherry users set-password") as uow:
        accounts = Accounts(uow, state().passwords)
        accounts.set_password(_account(accounts, email), password)
    click.echo(f"Changed the password of {email}.")
