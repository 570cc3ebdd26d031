"""Fences: documents that every captured write checks, and whose change therefore stops all writers of the past.

There are 64, so that writers do not queue for one where a database lets only one at a time check a document. One more
is the runner's own: what its tail carries over checks the fence of the database it writes to, so that a runner that was
held up while another took its place cannot write any more. For its backfill, whose threads write beside each other, it
has a few more, of which each commit checks one.

They change only together with the state, in one commit, or the runner's alone when a runner takes over; those of the
backfill then only: a database is filled once, by whoever took over last.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from app.db.backend import Backend
from app.db.errors import Conflict
from app.db.transfer.collections import CHANGES, FENCES, STATE, WORKERS, machinery
from app.db.transfer.live.state import CURRENT, State
from app.db.writes import ABSENT, Check, Put, Write

COUNT: Final = 64
RUNNER: Final = "runner"
FILLING: Final = tuple(f"runner-{number}" for number in range(8))
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


def raise_runner_fences(services: Iterable[Backend], owner: str) -> None:
    """Stop every earlier runner: what it still has in hand, these databases refuse.

    Also what it had begun to commit, where the database needs commit records: with those a fence is checked a moment
    before the commit is decided.
    """
    for service in services:
        mark = service.abort_pending()
        service.commit([Put(FENCES, id, {"owner": owner}) for id in (RUNNER, *FILLING)])
        service.abort_pending(mark)


def runner_check(service: Backend, owner: str) -> Check | None:
    """The runner's fence as it is now, for what this runner will write; None if it is not this one's."""
    found = _runner_checks(service, owner, (RUNNER,))
    return found[0] if found else None


def filling_checks(service: Backend, owner: str) -> list[Check]:
    """The fences of the backfill as they are now, any of which it is to check; none if they are not this runner's."""
    return _runner_checks(service, owner, FILLING)


def _runner_checks(service: Backend, owner: str, ids: Sequence[str]) -> list[Check]:
    found = service.get_many(FENCES, ids)
    if any(id not in found or found[id]["owner"] != owner for id in ids):
        return []
    return [Check(FENCES, id, found[id]["_rev"]) for id in ids]


def is_fenced(conflict: Conflict) -> bool:
    """Whether it is a fence that was in the way."""
    return any(collection == FENCES for collection, _ in conflict.keys)
