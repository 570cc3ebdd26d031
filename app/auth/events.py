"""What happens at the door; published within the unit of work that does it."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from app.hub import Event


@dataclass(frozen=True)
class SignedIn(Event):
    """Somebody signed in; also after set-up and after accepting an invitation."""

    scope: ClassVar[Literal["tenant", "installation"]] = "installation"

    user_id: str


@dataclass(frozen=True)
class SignedOut(Event):
    """Somebody signed out."""

    scope: ClassVar[Literal["tenant", "installation"]] = "installation"

    user_id: str
