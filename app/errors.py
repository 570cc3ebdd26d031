"""The error tree: what can go wrong, and which HTTP status each kind has.

    WherryError 500
    ├── Invalid 422            every problem of a form or command at once
    ├── NotSignedIn 401
    ├── NotAllowed 403
    ├── TooManyAttempts 429    with the wait
    └── DatabaseError          see app/db/errors.py

The text of a WherryError is written for the person who uses the application: it never carries a driver's words, which
stay in ``__cause__``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


class WherryError(Exception):
    """Anything the application raises on purpose. ``str(error)`` may be shown to a user."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one field: a code for programs (``required``, ``taken`` ...) and a sentence for people."""

    code: str
    message: str


class Invalid(WherryError):
    """All problems of one input at once, by field name; the key ``""`` is the input as a whole."""

    status = 422
    title = "Please check what you entered"

    def __init__(self, problems: Mapping[str, Sequence[Problem]]) -> None:
        self.problems: dict[str, tuple[Problem, ...]] = {field: tuple(found) for field, found in problems.items()}
        super().__init__("; ".join(problem.message for found in self.problems.values() for problem in found))


class NotSignedIn(WherryError):
    """The request needs somebody who is signed in."""

    status = 401
    title = "Please sign in"


class NotAllowed(WherryError):
    """The person is known and may not do this."""

    status = 403
    title = "You are not allowed to do this"


class TooManyAttempts(WherryError):
    """Throttled: ``retry_after`` is the wait in seconds."""

    status = 429
    title = "Too many attempts"

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after
