"""Which migrations may begin, in which order the two may be named, and where a process finds data that moved often."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from app.db.backends.sqlite import SqliteDatabase
from app.db.transfer.copying import CopyOptions
from app.db.transfer.errors import TransferRefused
from app.db.transfer.live.board import Action, Command, read_run, send_command
from app.db.transfer.live.ends import End
from app.db.transfer.live.routing import RoutedDatabase
from app.db.transfer.live.runner import Runner
from app.db.transfer.live.state import read_state
from app.db.transfer.progress import Silent
from tests.db.transfer.kit import SCHEMA
from tests.db.transfer.live.carrying import AT_ONCE, BOATS, open_file
from tests.db.transfer.live.routed import QUICK


class Sea:
    """Several databases by name, and what is done between them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = ExitStack()
        self.one, self.two, self.three = (self.opened(name) for name in ("one", "two", "three"))

    def opened(self, name: str) -> SqliteDatabase:
        """One of them, once more."""
        return self._open.enter_context(closing(open_file(self._folder, name)))

    def application(self, home: str) -> RoutedDatabase:
        """A process of the application that is set up with this database."""
        return RoutedDatabase(self.opened(home), self.opened, reference=home, timing=QUICK)

    def runner(self, first: str, second: str, *, into_existing: bool = False) -> Runner:
        """Between two of them; it must be closed."""
        source, target = (End(getattr(self, name), name, name) for name in (first, second))
        options = CopyOptions(chunk=20, into_existing=into_existing, patience=2.0)
        return Runner(source, target, SCHEMA, Silent(), timing=QUICK, options=options, dead_after=AT_ONCE)

    def move(self, first: str, second: str, *, into_existing: bool = False) -> None:
        """A whole migration."""
        with closing(self.runner(first, second, into_existing=into_existing)) as runner:
            runner.begin()
            while (run := read_run(getattr(self, first))) is None or run.differences != 0:
                runner.step()
            for action in ("cutover", "finish"):
                assert self.ask(runner, first, action)["ok"]

    def ask(self, runner: Runner, first: str, action: Action) -> dict[str, object]:
        """The runner's answer."""
        command = Command(action)
        send_command([self.one, self.two, self.three], command)
        while (run := read_run(getattr(self, first))) is None or run.answer.get("id") != command.id:
            runner.step()
        return run.answer

    def close(self) -> None:
        """All of them."""
        self._open.close()


@pytest.fixture
def sea(tmp_path: Path) -> Iterator[Sea]:
    with closing(Sea(tmp_path)) as made:
        made.one.save(BOATS, "x", {"name": "x", "n": 1})
        yield made


def test_a_target_that_holds_other_data_is_told_nothing(sea: Sea) -> None:
    sea.two.save("t9/boats", "theirs", {"name": "theirs"})
    with pytest.raises(TransferRefused, match="TARGET holds documents"):
        sea.runner("one", "two").begin()
    assert read_state(sea.one) is read_state(sea.two) is None
    assert sea.application("two").get("t9/boats", "theirs")["name"] == "theirs"


@pytest.mark.slow
def test_a_target_whose_data_went_to_a_third_one_is_told_nothing(sea: Sea) -> None:
    sea.move("one", "two")
    before = read_state(sea.one)
    with pytest.raises(TransferRefused, match="has moved to two"):
        sea.runner("three", "one").begin()
    assert (read_state(sea.one), read_state(sea.three)) == (before, None)


@pytest.mark.slow
def test_a_source_that_was_left_names_where_its_data_is(sea: Sea) -> None:
    sea.move("one", "two")
    with pytest.raises(TransferRefused, match="moved to two for good: name two as the source"):
        sea.runner("one", "three").begin()
    with pytest.raises(TransferRefused, match="moved to two for good"):
        sea.runner("one", "two").begin()
    assert read_state(sea.three) is None


@pytest.mark.slow
def test_after_two_migrations_a_process_that_knows_the_first_database_works_on_the_third(sea: Sea) -> None:
    sea.move("one", "two")
    sea.move("two", "three")
    sea.three.save(BOATS, "x", {"name": "x", "n": 3})
    left = read_state(sea.one)
    process = sea.application("one")
    assert process.get(BOATS, "x")["n"] == 3
    process.save(BOATS, "x", {"name": "x", "n": 4})
    assert sea.three.get(BOATS, "x")["n"] == 4
    assert read_state(sea.one) == left


@pytest.mark.slow
@pytest.mark.parametrize("action", ["rollback", "finish"])
def test_a_runner_that_is_told_the_two_the_other_way_round_knows_better(sea: Sea, action: Action) -> None:
    with closing(sea.runner("one", "two")) as runner:
        runner.begin()
        while (run := read_run(sea.one)) is None or run.differences != 0:
            runner.step()
    with closing(sea.runner("two", "one")) as runner:
        runner.begin()
        answer = sea.ask(runner, "one", action)
    if action == "rollback":
        assert answer["said"] == "Rolled back. one serves as before, and two is not followed any more."
        assert read_state(sea.one) is read_state(sea.two) is None
    else:
        assert "nothing to finish yet" in str(answer["said"])


@pytest.mark.slow
def test_data_moves_back_to_a_database_that_was_left_for_good(sea: Sea) -> None:
    sea.move("one", "two")
    sea.two.save(BOATS, "y", {"name": "y", "n": 2})
    sea.move("two", "one", into_existing=True)
    process = sea.application("two")
    assert process.get(BOATS, "y")["n"] == 2
    process.save(BOATS, "y", {"name": "y", "n": 3})
    assert sea.one.get(BOATS, "y")["n"] == 3


@pytest.mark.slow
def test_given_up_on_the_way_back_it_is_as_left_as_before(sea: Sea) -> None:
    sea.move("one", "two")
    with closing(sea.runner("two", "one", into_existing=True)) as runner:
        runner.begin()
        while (run := read_run(sea.two)) is None or run.stage != "tail":
            runner.step()
        assert sea.ask(runner, "two", "rollback")["ok"]
    sea.two.save(BOATS, "x", {"name": "x", "n": 5})
    assert sea.application("one").get(BOATS, "x")["n"] == 5
    with pytest.raises(Exception, match="moved to another database"):
        sea.one.save(BOATS, "x", {"name": "x", "n": 6})
