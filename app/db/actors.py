"""Who acts: the person or command that a unit of work belongs to, as the audit record names it."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Actor:
    """``kind`` is ``user``, ``anonymous``, ``command`` or ``system``; ``id`` is "" where nobody is known.

    ``address`` is the client's network address, ``correlation_id`` the one that logs and answers carry.
    """

    kind: str
    id: str = ""
    name: str = ""
    address: str = ""
    correlation_id: str = ""


SYSTEM: Final = Actor(kind="system", name="Wherry")
