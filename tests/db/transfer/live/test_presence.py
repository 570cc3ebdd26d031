"""Processes that do not reach the other database are known before the data goes there, and are no burden until then."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.db import Unavailable
from app.db.backend import Backend
from app.db.errors import Unauthorised
from app.db.transfer.errors import TransferRefused
from app.db.transfer.live.board import Command, read_run, send_command
from app.db.transfer.live.routing import RoutedDatabase
from app.db.transfer.live.runner import Runner
from app.db.transfer.live.status import Status, read_status
from tests.db.transfer.live.carrying import BOATS, Crossing, make_runner, open_file
from tests.db.transfer.live.routed import QUICK

PATIENCE = 20.0


@pytest.fixture
def crossing(tmp_path: Path) -> Iterator[Crossing]:
    with closing(Crossing(tmp_path)) as made:
        yield made


@pytest.fixture
def runner(crossing: Crossing) -> Iterator[Runner]:
    """One that has verified everything."""
    with closing(make_runner(crossing.one, crossing.two)) as made:
        made.begin()
        until(lambda: (run := read_run(crossing.one)) is not None and run.differences == 0, made.step)
        yield made


def until(holds: Callable[[], bool], meanwhile: Callable[[], object] = lambda: time.sleep(0.02)) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        meanwhile()


def use(service: RoutedDatabase) -> None:
    service.save(BOATS, "p", {"name": "p", "kind": "tug", "n": 1})
    time.sleep(0.02)


def worker(crossing: Crossing, open_peer: Callable[[str], Backend]) -> RoutedDatabase:
    """A process of the application that finds the other database by ``open_peer``."""
    return RoutedDatabase(open_file(crossing.folder, "one"), open_peer, reference="one", timing=QUICK)


def told(crossing: Crossing, service: RoutedDatabase) -> Status:
    """What is known once the process has given its sign, which it does where it works."""
    until(lambda: bool(read_status(crossing.one).workers), lambda: use(service))
    return read_status(crossing.one)


def refuses(calls: list[str]) -> Callable[[str], Backend]:
    def open_peer(reference: str) -> Backend:
        calls.append(reference)
        raise Unauthorised("The password is refused.")

    return open_peer


def lacks(reference: str) -> Backend:
    raise TransferRefused(f"{reference}: COUCHDB_PASSWORD is not set.")


def ask(crossing: Crossing, runner: Runner, *, force: bool = False) -> str:
    command = Command("cutover", force=force)
    send_command([crossing.one, crossing.two], command)
    until(lambda: (run := read_run(crossing.one)) is not None and run.answer.get("id") == command.id, runner.step)
    run = read_run(crossing.one)
    assert run is not None
    assert run.answer["ok"] is (crossing.serving is crossing.two)
    return str(run.answer["said"])


def test_one_that_reaches_it_is_no_obstacle(crossing: Crossing, runner: Runner) -> None:
    there = open_file(crossing.folder, "two")
    with closing(worker(crossing, lambda _: there)) as service:
        (seen,) = told(crossing, service).workers
        assert (seen.problem, seen.current) == ("", True)
        assert "serves now" in ask(crossing, runner)


def test_a_cut_over_is_refused_while_one_does_not_reach_it_unless_forced(crossing: Crossing, runner: Runner) -> None:
    with closing(worker(crossing, lacks)) as service:
        status = told(crossing, service)
        assert [one.problem for one in status.workers] == ["two: COUCHDB_PASSWORD is not set."]
        assert "1 do not reach" in dict(status.lines())["Barred"]
        assert status.to_json()["workers"][0]["problem"] == "two: COUCHDB_PASSWORD is not set."
        said = ask(crossing, runner)
        assert "1 of 1 processes" in said
        assert "COUCHDB_PASSWORD" in said
        assert "--force" in said

        assert "serves now" in ask(crossing, runner, force=True)
        # It is told what is the matter, and so are its people: 503, and no page of another kind of error.
        time.sleep(2 * QUICK.lease)
        with pytest.raises(Unavailable, match="COUCHDB_PASSWORD"):
            service.get(BOATS, "p")


def test_a_database_that_refused_the_password_is_not_asked_again(crossing: Crossing, runner: Runner) -> None:
    calls: list[str] = []
    with closing(worker(crossing, refuses(calls))) as service:
        told(crossing, service)
        first = read_status(crossing.one).workers[0].seconds_ago
        for _ in range(5):
            time.sleep(QUICK.note)
            use(service)
        time.sleep(QUICK.note)
        (seen,) = read_status(crossing.one).workers
        assert seen.problem == "The password is refused."
        assert seen.seconds_ago <= first + QUICK.note + 1, "it goes on saying so"
    assert calls == ["two"]


def test_nobody_waits_while_the_other_database_hangs(crossing: Crossing, runner: Runner) -> None:
    asked, answer, ended = threading.Event(), threading.Event(), threading.Event()

    def hangs(reference: str) -> Backend:
        asked.set()
        answer.wait(PATIENCE)
        ended.set()
        raise Unavailable(f"{reference} does not answer.", retry_after=1)

    with closing(worker(crossing, hangs)) as service:
        until(asked.is_set, lambda: use(service))
        for number in range(30):
            service.save(BOATS, f"h-{number}", {"name": "h", "kind": "tug", "n": number})
            time.sleep(QUICK.lease / 5)
        assert not ended.is_set(), "it hung all the while"
        answer.set()
        assert [one.problem for one in told(crossing, service).workers] == ["two does not answer."]
