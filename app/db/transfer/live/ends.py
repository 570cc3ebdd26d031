"""The two databases of a live migration, as the runner sees them: which serves, and what both say."""

from dataclasses import dataclass
from typing import NamedTuple

from app.db.backend import Backend
from app.db.transfer.errors import TransferRefused
from app.db.transfer.live.state import State, read_state


@dataclass(frozen=True, slots=True)
class End:
    """One of the two. ``reference`` is how every process of the application finds it; ``name`` is for people."""

    service: Backend
    reference: str
    name: str


class Place(NamedTuple):
    """Where a migration stands: the side that serves (or is about to), the other one, and their words."""

    serving: End
    other: End
    state: State | None
    others: State | None

    @property
    def switching(self) -> bool:
        """Whether a switch has been decided, and the new side does not take writes yet."""
        return self.state is not None and self.state.phase == "moved"

    @property
    def epoch(self) -> int:
        """The next epoch: above whatever was said."""
        return 1 + max(state.epoch for state in (self.state, self.others) if state is not None)


def look(one: End, two: End) -> Place:
    """Where the migration between these two stands. TransferRefused if they take part in another one."""
    first, second = read_state(one.service), read_state(two.service)
    for mine, theirs in ((first, second), (second, first)):
        if mine is not None and theirs is not None and mine.migration != theirs.migration:
            raise TransferRefused(f"{one.name} and {two.name} take part in different migrations.")
    if first is not None and first.phase == "moved":
        left_behind = second is not None and second.phase == "moved" and second.epoch > first.epoch
        if not left_behind:
            return Place(two, one, second, first)
    return Place(one, two, first, second)
