"""The runner ends at any moment: the next one finds out where the migration stands, and nothing is lost meanwhile."""

import contextlib
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.db import Unavailable
from app.db.transfer.errors import TransferRefused
from app.db.transfer.live import switch
from app.db.transfer.live.board import DEAD_AFTER, read_run
from app.db.transfer.live.runner import Runner
from app.db.transfer.live.tail import Superseded
from tests.db.contract.processes import CONTEXT
from tests.db.contract.sizes import sized
from tests.db.transfer.live.carrying import Crossing, make_runner, run_runner

POINTS = ["target told", "source told", "armed", "copied", "filled", "carried", "moved", "served"]


class Died(BaseException):
    """The process ends here."""


@pytest.fixture
def crossing(tmp_path: Path) -> Iterator[Crossing]:
    with closing(Crossing(tmp_path)) as made:
        yield made


def dies_at(point: str) -> Callable[[str], None]:
    def crash(name: str) -> None:
        if name == point:
            raise Died

    return crash


def go_on(runner: Runner) -> None:
    for _ in range(50):
        runner.step()


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_wherever_a_runner_ends_the_next_one_goes_on(crossing: Crossing, point: str) -> None:
    with crossing.under_way():
        with closing(make_runner(crossing.one, crossing.two, crash=dies_at(point))) as first, pytest.raises(Died):
            crossing.carry_through(first)
        second = make_runner(crossing.one, crossing.two)
        crossing.carry_through(second)
    with closing(second):
        crossing.settle(second)
    assert crossing.problems() == []


def test_one_that_was_held_up_writes_nothing_once_another_has_taken_over(crossing: Crossing) -> None:
    with crossing.under_way():
        first = make_runner(crossing.one, crossing.two)
        first.begin()
        first.step()
        first.close()  # it beats no more, and is taken for dead
        with closing(make_runner(crossing.one, crossing.two)) as second:
            crossing.carry_through(second)
            with pytest.raises(Superseded):
                go_on(first)
            crossing.settle(second)


def test_there_is_one_at_a_time(crossing: Crossing) -> None:
    with closing(make_runner(crossing.one, crossing.two)) as first:
        first.begin()
        with pytest.raises(TransferRefused, match="Another runner is at work"):
            make_runner(crossing.one, crossing.two, dead_after=DEAD_AFTER).begin()


def test_an_outage_of_the_other_side_is_waited_out_and_a_switch_in_it_is_refused(
    crossing: Crossing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise Unavailable("The database is away.", retry_after=1)

    runner = make_runner(crossing.one, crossing.two)
    with crossing.under_way():
        runner.begin()
        go_on(runner)
        asked = crossing.ask("rollback")
        with monkeypatch.context() as outage:
            outage.setattr(switch, "forget", away)
            with contextlib.suppress(Unavailable):
                runner.step()
        run = read_run(crossing.one)
        assert run is not None
        assert run.answer == {"id": asked, "ok": False, "said": "The database is away."}
        with monkeypatch.context() as outage:
            outage.setattr(crossing.two, "commit", away)
            with pytest.raises(Unavailable) as caught:
                go_on(runner)
            runner.wait_out(caught.value)
        crossing.carry_through(runner, begin=False)
    with closing(runner):
        crossing.settle(runner)
    assert crossing.problems() == []


@pytest.mark.crash
def test_nothing_is_lost_although_the_runner_is_killed_at_random_moments(
    crossing: Crossing, note_figure: Callable[[str], None]
) -> None:
    moments = random.Random(20_260_118)
    kills = sized(5, 50)
    sides = []
    with crossing.under_way():
        for number in range(kills):
            process = CONTEXT.Process(target=run_runner, args=(crossing.folder,))
            process.start()
            process.join(moments.uniform(1.0, 4.0))
            if number % 2 and process.is_alive():
                crossing.ask("rollback" if crossing.serving is crossing.two else "cutover")
                process.join(moments.uniform(0.0, 1.5))
            process.kill()
            process.join()
            sides.append(crossing.serving is crossing.two)
        last = make_runner(crossing.one, crossing.two)
        crossing.carry_through(last)
    with closing(last):
        crossing.settle(last)
    assert crossing.problems() == []
    switches = sum(before != after for before, after in zip([False, *sides], sides, strict=False))
    saves = sum(writer.count for writer in crossing.writers)
    note_figure(f"{kills} runners killed, {switches} switches meanwhile, {saves} saves, none lost")
