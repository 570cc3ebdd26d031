"""What can be done with accounts; usable without HTTP."""

from contextlib import suppress
from dataclasses import replace
from secrets import token_urlsafe

from app.db.errors import Conflict, NotFound
from app.db.unit_of_work import UnitOfWork
from app.errors import Invalid, Problem
from app.users.addresses import normalise_email
from app.users.entities import LONGEST_NAME, User
from app.users.events import SessionsEnded, UserCreated
from app.users.names import name_problems
from app.users.passwords import Passwords, password_problems

EMAIL_CLAIM = "email"
Problems = dict[str, list[Problem]]
WRONG_PASSWORD = Problem("invalid", "This is not your password.")


def new_stamp() -> str:
    """128 random bits."""
    return token_urlsafe(16)


class Accounts:
    """Accounts within one unit of work; nothing here commits.

    Every refusal is an Invalid with all problems, by the names that the forms use: name, email, password, current.
    """

    def __init__(self, uow: UnitOfWork, passwords: Passwords) -> None:
        self.uow = uow
        self.passwords = passwords
        self.store = uow.store(User)

    def get(self, user_id: str, rev: str | None = None) -> User:
        """The account, or NotFound; with ``rev``, Conflict unless that is still its revision."""
        return self.store.get(user_id, rev)

    def by_email(self, email: str) -> User | None:
        """The account of an address in any spelling; read by key only."""
        owner = email_owner(self.uow, email)
        return self.store.get_or_none(owner) if owner else None

    def problems(self, name: str, email: str, password: str) -> Problems:
        """Everything that keeps these from becoming an account, by field."""
        problems = name_problems(name, LONGEST_NAME)
        problems |= self._email_problems(email)
        if weak := password_problems(password, name=name, email=email):
            problems["password"] = weak
        return problems

    def create(self, name: str, email: str, password: str, *, superuser: bool = False) -> User:
        """Register a new account."""
        if problems := self.problems(name, email, password):
            raise Invalid(problems)
        user = User(
            name=name.strip(),
            email=normalise_email(email),
            password_hash=self.passwords.hash(password),
            stamp=new_stamp(),
            superuser=superuser,
        )
        self.store.add(user)
        self.uow.claim(EMAIL_CLAIM, user.email, user)
        self.uow.emit(UserCreated(user.id))
        return user

    def change_profile(self, user: User, name: str, email: str, current: str) -> User:
        """New name and address. ``current`` is the password, needed (and checked) only if the address changes."""
        problems = name_problems(name, LONGEST_NAME)
        try:
            address = normalise_email(email)
        except ValueError as error:
            address = user.email
            problems["email"] = [Problem("invalid", str(error))]
        moved = address != user.email
        if moved:
            problems |= self._email_problems(email, user)
            if not self.passwords.matches(user.password_hash, current):
                problems["current"] = [WRONG_PASSWORD]
        if problems:
            raise Invalid(problems)
        if moved:
            self.uow.release(EMAIL_CLAIM, user.email, user)
            self.uow.claim(EMAIL_CLAIM, address, user)
        user.name, user.email = name.strip(), address
        return self.store.save(user)

    def change_password(self, user: User, current: str, password: str) -> User:
        """A new password for who knows the old one; every session ends, but for one that a handler lets go on."""
        problems: Problems = {}
        if not self.passwords.matches(user.password_hash, current):
            problems["current"] = [WRONG_PASSWORD]
        if weak := password_problems(password, name=user.name, email=user.email):
            problems["password"] = weak
        elif not problems and password == current:
            problems["password"] = [Problem("invalid", "This is the password that you have already.")]
        if problems:
            raise Invalid(problems)
        return self._set_password(user, password)

    def set_password(self, user: User, password: str) -> None:
        """A new password by an operator, without the old one; every session ends."""
        if weak := password_problems(password, name=user.name, email=user.email):
            raise Invalid({"password": weak})
        self._set_password(user, password)

    def disable(self, user: User, disabled: bool = True) -> None:
        """Refuse sign-in from now on and end every session; or with False, let the person in again."""
        user.disabled = disabled
        self._end_sessions(user)
        self.store.save(user)

    def end_sessions(self, user: User) -> None:
        """Every session ends, but for one that a handler of SessionsEnded lets go on."""
        self._end_sessions(user)
        self.store.save(user)

    def _set_password(self, user: User, password: str) -> User:
        user.password_hash = self.passwords.hash(password)
        self._end_sessions(user)
        return self.store.save(user)

    def _end_sessions(self, user: User) -> None:
        user.stamp = new_stamp()
        self.uow.emit(SessionsEnded(user.id, user.stamp))

    def _email_problems(self, email: str, owner: User | None = None) -> Problems:
        if not email.strip():
            return {"email": [Problem("required", "An e-mail address is missing.")]}
        try:
            claimed_by = self.uow.claimed_by(EMAIL_CLAIM, normalise_email(email))
        except ValueError as error:
            return {"email": [Problem("invalid", str(error))]}
        if claimed_by is not None and (owner is None or claimed_by != owner.id):
            return {"email": [Problem("taken", "There is an account with this address already.")]}
        return {}


def act_as(uow: UnitOfWork, user: User) -> None:
    """From now on the unit of work is this person's: somebody who became known in it signed in, or set all up."""
    uow.actor = replace(uow.actor, kind="user", id=user.id, name=user.name)


def email_owner(uow: UnitOfWork, email: str) -> str | None:
    """The id of the account with an address in any spelling; read by key only."""
    try:
        return uow.claimed_by(EMAIL_CLAIM, normalise_email(email))
    except ValueError:
        return None


def rehash(uow: UnitOfWork, passwords: Passwords, user_id: str, password: str) -> None:
    """Hash a password that was just found right with today's parameters, in a unit of its own.

    If somebody changes the account at that moment it is left for the next sign-in.
    """
    with suppress(Conflict, NotFound), uow.independent() as own:
        store = own.store(User)
        user = store.get(user_id)
        if passwords.matches(user.password_hash, password):
            user.password_hash = passwords.hash(password)
            store.save(user)
