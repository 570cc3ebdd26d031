"""Units of work against a plain dictionary: whatever is registered, in whatever order, is written whole or not."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.db import Conflict
from app.db.unit_of_work import UnitOfWork
from tests.db.dock_fixtures import dock
from tests.db.kit import Boat, Dock, open_in_memory

__all__ = ["dock"]
IDS = ("a", "b", "c")
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "save", "mutate", "remove", "look"]), st.sampled_from(IDS), st.integers(0, 3)),
    max_size=8,
)
ENDS = st.sampled_from(["commit", "commit", "rollback", "exception", "stale"])


def take_step(uow: UnitOfWork, model: dict[str, str], step: str, id: str, value: int) -> None:
    """The same thing to the unit and to the model; what the one refuses must not be in the other."""
    boats = uow.store(Boat)
    mine = boats.get_or_none(id)
    assert (mine is not None) == (id in model)
    if mine is None:
        if step == "add" and boats.tracked(id) is None:  # what this unit removed stays removed
            boats.add(Boat(id=id, name=str(value)))
            model[id] = str(value)
        return
    if step == "save":
        mine.name = str(value)
        boats.save(mine)
        model[id] = str(value)
    elif step == "remove":
        boats.remove(mine)
        del model[id]
    elif step == "look":
        assert mine.name == model[id]


class Stopped(Exception):
    pass


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(STEPS, ENDS), max_size=5))
def test_the_database_follows_the_committed_units_only(units: list[tuple[list[tuple[str, str, int]], str]]) -> None:
    dock = Dock(open_in_memory())
    model: dict[str, str] = {}
    commits = 0
    for steps, end in units:
        wanted = dict(model)
        try:
            with dock.unit() as uow:
                for step in steps:
                    take_step(uow, wanted, *step)
                if end == "exception":
                    raise Stopped
                if end == "stale":
                    dock.db.save("t1/boats", "intruder", {"name": "x"})
                    uow.require_absent(Boat, "intruder")
                if end != "rollback":
                    differs = wanted != model
                    uow.commit()
                    assert end == "commit" or not differs
                    model = wanted
                    commits += differs
        except Stopped:
            assert end == "exception"
        except Conflict:
            assert end == "stale"
        stored = {id: document["name"] for (path, id), document in dock.contents().items() if path == "t1/boats"}
        stored.pop("intruder", None)
        assert stored == model
    assert len(dock.db.scan("audit").documents) >= commits


def test_two_crossed_decisions_are_never_both_committed(dock: Dock) -> None:
    """Write skew: each removes its boat only if the other one stays."""
    rounds, barrier = 25, Barrier(2)

    def sink(mine: str, other: str) -> list[int]:
        won = []
        for turn in range(rounds):
            barrier.wait()
            with dock.unit() as uow:
                boats = uow.store(Boat)
                here = boats.get(f"{mine}{turn}")
                there = boats.get_or_none(f"{other}{turn}")
                if there is not None:
                    uow.require_unchanged(there)
                    boats.remove(here)
                    try:
                        uow.commit()
                        won.append(turn)
                    except Conflict:
                        pass
        return won

    for turn in range(rounds):
        dock.db.save("t1/boats", f"a{turn}", {"name": "a"})
        dock.db.save("t1/boats", f"b{turn}", {"name": "b"})
    with ThreadPoolExecutor(2) as pool:
        both: list[Any] = list(pool.map(sink, "ab", "ba"))
    assert set(both[0]).isdisjoint(both[1])
    assert dock.db.count("t1/boats") == (2 * rounds - len(both[0]) - len(both[1]), True)


def test_many_threads_that_count_one_entity_up_lose_nothing(dock: Dock) -> None:
    dock.write(lambda uow: uow.store(Boat).add(Boat(id="b", name="0")))
    threads, each = 4, 10

    def count(_: int) -> None:
        done = 0
        while done < each:
            with dock.unit() as uow:
                boat = uow.store(Boat).get("b")
                boat.name = str(int(boat.name) + 1)
                uow.store(Boat).save(boat)
                try:
                    uow.commit()
                except Conflict:
                    continue
                done += 1

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(count, range(threads)))
    assert dock.db.get("t1/boats", "b")["name"] == str(threads * each)
    assert len(dock.db.scan("audit").documents) == threads * each + 1
