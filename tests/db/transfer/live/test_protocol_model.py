"""The protocol of live migration: every interleaving of small worlds, and that each defence is needed."""

import pytest

from tests.db.contract.sizes import FULL
from tests.db.transfer.live.protocol_model import MUTANTS, Broken, Db, Process, Protocol, Runner, World, explore

LIMIT = 2_000_000


def world(*, writes: int = 1, reads: int = 1, switches: int = 1, runners: int = 1, resumes: int = 0) -> World:
    """Two databases, of which the second is empty, and those who work on them."""
    processes = (Process("writer", writes), Process("reader", reads))
    return World(
        (Db(), Db(value=-1)), processes, tuple(Runner(switches=switches) for _ in range(runners)), resumes=resumes
    )


def held_up() -> World:
    """A migration that runs. The first runner has read a document and is held up, and a second takes its place."""
    dbs = (Db(phase="capturing", epoch=2, armed=True, filled=True), Db(phase="moved", epoch=1))
    processes = tuple(one._replace(mode="capturing", rev=2) for one in world().processes)
    return World(dbs, processes, (Runner(at="carry", epoch=2), Runner()))


EVERY_DAY = {"one of each": world()}
LARGER = {
    "two reads": world(reads=2),
    "two writes": world(writes=2),
    "there and back": world(switches=2),
    "an abandoned pause": world(resumes=1),
    "two runners": held_up(),
}
WORLDS = {**EVERY_DAY, **LARGER} if FULL else EVERY_DAY
CAUGHT_IN = {
    "no_switch_wait": world(reads=2),
    "no_runner_fence": held_up(),
    "blind_resume": world(resumes=1),
}


@pytest.mark.parametrize("records", [False, True], ids=["atomic commits", "commit records"])
@pytest.mark.parametrize("name", WORLDS)
def test_no_interleaving_loses_an_acknowledged_write_or_answers_an_old_one(name: str, records: bool) -> None:
    assert explore(Protocol(records=records), WORLDS[name], LIMIT) > 10_000


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_protocol_with_one_defence_less_is_caught(mutant: str) -> None:
    with pytest.raises(Broken):
        explore(Protocol(mutant, records=mutant == "no_settle"), CAUGHT_IN.get(mutant, world()), LIMIT)
