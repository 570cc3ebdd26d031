"""Fences: documents that every captured write checks, and whose change therefore stops all writers of the past.

There are 64, so that writers do not queue for one where a database lets only one at a time check a document. One more
is the runner's own: what it carries over checks the fence of the database it writes to, so that a runner that was held
up while another took its place cannot write any more.

They change only together with the state, in one commit, or all of them alone when a runner takes over.
"""

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Final, NamedTuple

from app.db.backend import Backend
from app.db.errors import Conflict
from app.db.transfer.collections import CHANGES, FENCES, STATE, WORKERS, machinery
from app.db.transfer.live.state import CURRENT, State
from app.db.writes import ABSENT, Check, Put, Write

COUNT: Final = 64
RUNNER: Final = "runner"
_IDS: Final = tuple(f"{number:02}" for number in range(COUNT))


class Fences(NamedTuple):
    """The revisions of a database's fences, by which its writers are of the present."""

    revisions: tuple[str, ...]

    def check(self) -> Check:
        """The check of any of them."""
        number = random.randrange(COUNT)  # noqa: S311 - spreads the load, keeps no secret
        return Check(FENCES, _IDS[number], self.revisions[number])


class Snapshot(NamedTuple):
    """A database's state together with its fences; both None where there is none."""

    state: State | None
    fences: Fences | None


def prepare(service: Backend) -> None:
    """Make the machinery's collections. The fences come with the first state."""
    service.prepare(machinery(STATE, FENCES, CHANGES, WORKERS))


def read_snapshot(service: Backend) -> Snapshot:
    """State and fences as one commit left them."""
    found = service.read_together([(STATE, CURRENT), *((FENCES, id) for id in _IDS)])
    if found[0] is None or any(one is None for one in found):
        return Snapshot(None, None)
    return Snapshot(State.of(found[0]), Fences(tuple(one["_rev"] for one in found[1:] if one is not None)))


def swap_state(service: Backend, old: State | None, new: State, *, fences: bool = False, owner: str = "") -> State:
    """Replace the state; with ``fences`` every fence in the same commit, the runner's too, who is ``owner``.

    Conflict if the state is another one by now: somebody else decided.
    """
    writes: list[Write] = [Put(STATE, CURRENT, new.document(), ABSENT if old is None else old.rev)]
    if fences:
        writes += [Put(FENCES, id, {"epoch": new.epoch}) for id in _IDS]
        writes.append(Put(FENCES, RUNNER, {"owner": owner}))
    saved = service.commit(writes)[0]
    return replace(new, rev=saved["rev"]) if saved is not None else new


def raise_runner_fence(services: Iterable[Backend], owner: str) -> None:
    """Stop every earlier runner: what it still has in hand, these databases refuse."""
    for service in services:
        service.save(FENCES, RUNNER, {"owner": owner})


def runner_check(service: Backend, owner: str) -> Check | None:
    """The runner's fence as it is now, for what this runner will write; None if it is not this one's."""
    fence = service.get(FENCES, RUNNER)
    return Check(FENCES, RUNNER, fence["_rev"]) if fence["owner"] == owner else None


def is_fenced(conflict: Conflict) -> bool:
    """Whether it is a fence that was in the way."""
    return any(collection == FENCES for collection, _ in conflict.keys)
