"""The services of this package for the request being handled."""

from dataclasses import dataclass

from flask import current_app

from app.errors import NotSignedIn
from app.users.entities import User
from app.users.limits import Limits
from app.users.passwords import Passwords
from app.users.services import Accounts
from app.web.context import current

KEY = "wherry.users"


@dataclass(frozen=True, slots=True)
class UsersState:
    """What the application made of the settings, once."""

    passwords: Passwords
    limits: Limits


def state() -> UsersState:
    """Of the current application."""
    found: UsersState = current_app.extensions[KEY]
    return found


def accounts() -> Accounts:
    """Accounts within the request's unit of work."""
    return Accounts(current().uow, state().passwords)


def me() -> User:
    """The account of who is signed in; NotSignedIn without one."""
    principal = current().user
    if principal is None:
        raise NotSignedIn("Please sign in to go on.")
    return accounts().get(principal.id)
