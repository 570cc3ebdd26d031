"""What the two databases of a live migration say, and which of them serves.

Each has at most one document ``migration_state/current``. Without one a database knows of no migration and serves.

    capturing   serves; every write leaves a change record (changes.py) and checks a fence (fences.py)
    paused      serves reads; writers wait
    moved       the other one serves, which ``peer`` names

During a migration exactly one side serves and the other says "moved", so a process that asks the wrong side is sent on.
To switch is one compare-and-swap on the old side, from paused to moved. Then both say "moved" until the new side begins
to capture. The greater epoch tells which is the old one: until then it still answers reads, which are the same on both.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from app.db.backend import Backend
from app.db.documents import Document
from app.db.errors import NotFound, NotPrepared, Unavailable
from app.db.transfer.collections import STATE

CURRENT: Final = "current"
FORMAT: Final = 1
Phase = Literal["capturing", "paused", "moved"]
Role = Literal["source", "target"]
Mode = Literal["plain", "capturing", "paused"]


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds, on the boot clock. What processes and runner must agree on; only tests choose others.

    ``plain``: for how long a process may use what it read where there is no migration. ``lease``: where there is one.
    ``longest_write``: how long a write that was begun usually takes at most; one that takes longer is treated as late.
    ``poll``: how often a paused writer looks again, ``patience``: until when. ``pause``: after so long a process takes
    a pause for abandoned and ends it. ``note``: how often a process notes that it is there.
    """

    plain: float = 5.0
    lease: float = 1.0
    longest_write: float = 5.0
    poll: float = 0.05
    patience: float = 8.0
    pause: float = 10.0
    note: float = 10.0

    @property
    def arming(self) -> float:
        """After so long every writer of the past is armed, or knows that it was late."""
        return self.plain + self.longest_write


@dataclass(frozen=True, slots=True)
class State:
    """One database's word. ``rev`` is the document's, for comparing and swapping.

    ``peer`` is the reference of the other database: never with a password. ``role`` is what this database was when the
    migration began. ``armed``: every writer leaves change records. ``filled``: the other one holds everything that no
    change record tells of. ``left``: to where this database's data had moved for good before this migration, or "".
    """

    phase: Phase
    epoch: int
    peer: str
    role: Role
    migration: str
    armed: bool = False
    filled: bool = False
    left: str = ""
    rev: str = ""

    def document(self) -> Document:
        """As it is stored."""
        return {
            "format": FORMAT,
            "phase": self.phase,
            "epoch": self.epoch,
            "peer": self.peer,
            "role": self.role,
            "migration": self.migration,
            "armed": self.armed,
            "filled": self.filled,
            "left": self.left,
        }

    @staticmethod
    def of(document: Document) -> "State":
        """As it was stored; Unavailable for one that a newer release wrote: whoever cannot read it must not write."""
        if document.get("format") != FORMAT:
            raise Unavailable(
                f"A migration of format {document.get('format')!r} is under way, and this release knows {FORMAT} only:"
                " update it.",
                retry_after=60.0,
            )
        known: dict[str, Any] = {key: document[key] for key in State.__slots__ if key in document}
        return State(**{**known, "rev": document["_rev"]})

    @property
    def mode(self) -> Mode:
        """How to write where this database serves."""
        return "paused" if self.phase == "moved" else self.phase


def read_state(service: Backend) -> State | None:
    """What the database says; None if it knows of no migration. Creates nothing."""
    try:
        return State.of(service.get(STATE, CURRENT))
    except (NotFound, NotPrepared):
        return None


def points_on(here: State | None, there: State | None) -> bool:
    """Whether, of a database and the peer that it names, the peer serves.

    Two that both say "moved" are in the middle of a switch, away from the one with the greater epoch; unless the peer
    says so of another migration: then the data has moved on from there.
    """
    if here is None or here.phase != "moved":
        return False
    if there is None or there.phase != "moved" or there.migration != here.migration:
        return True
    return there.epoch < here.epoch
