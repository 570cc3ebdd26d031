"""Signing in; usable without HTTP."""

from dataclasses import dataclass

from app.db.unit_of_work import UnitOfWork
from app.errors import Invalid, Problem
from app.users.addresses import email_for_counting
from app.users.entities import User
from app.users.limits import Limits
from app.users.services import Accounts, rehash
from app.users.throttle import count_tries, network_of, settle_tries

REFUSED = "The e-mail address or the password is not right."


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody sent, and from where. ``device``: the id of a browser that this account was signed in with before,
    as it claims by a cookie that we signed; see devices.py."""

    email: str
    password: str
    address: str
    devices: "dict[str, str]"


def sign_in(uow: UnitOfWork, accounts: Accounts, limits: Limits, attempt: Attempt) -> User:
    """The account whose address and password these are.

    Invalid, with the same words and after the same work, for an unknown address, a wrong password and a disabled
    account. TooManyAttempts when the account, the browser or the network has had enough of them; it is counted before
    the password is looked at, for addresses that nobody has too. A browser that the account was signed in with before
    has a count of its own: whoever guesses from elsewhere does not keep the owner out.
    """
    problems = {
        name: [Problem("required", f"{label} is missing.")]
        for name, label, value in (
            ("email", "The e-mail address", attempt.email),
            ("password", "The password", attempt.password),
        )
        if not value.strip()
    }
    if problems:
        raise Invalid(problems)
    user = accounts.by_email(attempt.email)
    if user is None:
        accounts.store.get_or_none("nobody")  # as many reads as for somebody
    device = attempt.devices.get(user.id if user else "")
    subject = (limits.device, device) if device else (limits.account, email_for_counting(attempt.email))
    network = (limits.network, network_of(attempt.address))
    count_tries(uow, network, subject)
    right = accounts.passwords.matches(user.password_hash if user else None, attempt.password)
    if user is None or not right or user.disabled:
        raise Invalid({"": [Problem("invalid", REFUSED)]})
    settle_tries(uow, forget=subject, give_back=network)
    if accounts.passwords.outdated(user.password_hash):
        rehash(uow, accounts.passwords, user.id, attempt.password)
    return user
