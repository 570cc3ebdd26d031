"""What happens to accounts; published within the unit of work that does it."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from app.hub import Event


@dataclass(frozen=True)
class UserCreated(Event):
    """There is a new account."""

    scope: ClassVar[Literal["tenant", "installation"]] = "installation"

    user_id: str


@dataclass(frozen=True)
class SessionsEnded(Event):
    """The account's sessions were ended: its password was changed, or it was disabled.

    A session that is to go on takes the new ``stamp``.
    """

    scope: ClassVar[Literal["tenant", "installation"]] = "installation"

    user_id: str
    stamp: str
