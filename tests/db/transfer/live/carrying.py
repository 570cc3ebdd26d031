"""Two files, threads that write to whichever serves, and runners that carry one over to the other and back."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from app.db import Unavailable
from app.db.backend import Backend
from app.db.backends.sqlite import SqliteDatabase
from app.db.transfer.copying import CopyOptions
from app.db.transfer.live.board import Command, read_command, read_run, send_command
from app.db.transfer.live.changes import count_changes
from app.db.transfer.live.ends import End, look
from app.db.transfer.live.routing import RoutedDatabase
from app.db.transfer.live.runner import Runner
from app.db.transfer.progress import Silent
from tests.db.transfer.kit import SCHEMA, harbour, held
from tests.db.transfer.live.routed import QUICK

NAMES = ("one", "two")
AT_ONCE = 0.4
"""Less than a runner's beat: only for tests in which the other one is dead indeed."""
BOATS = "t1/boats"
PATIENCE = 60.0


def open_file(folder: Path, name: str) -> SqliteDatabase:
    """One of the two."""
    return SqliteDatabase(folder / f"{name}.sqlite", SCHEMA, durability="normal")


def make_runner(
    first: Backend, second: Backend, *, crash: Callable[[str], None] = lambda _: None, dead_after: float = AT_ONCE
) -> Runner:
    """From the first to the second. It takes another one for dead after so many seconds."""
    one, two = (End(service, name, name) for service, name in zip((first, second), NAMES, strict=True))
    options = CopyOptions(chunk=20)
    return Runner(
        one, two, SCHEMA, Silent(), timing=QUICK, options=options, dead_after=dead_after, crash=crash
    )  # fmt: skip


def run_runner(folder: Path) -> None:
    """A process's: be the runner until it is killed."""
    runner = make_runner(open_file(folder, "one"), open_file(folder, "two"))
    runner.begin()
    while not runner.over:
        runner.step()


class Writer:
    """Saves one document after the other, each with its count, and reads what it has saved."""

    def __init__(self, number: int, service: RoutedDatabase) -> None:
        self._ids = [f"w{number}-{place}" for place in range(5)]
        self._service = service
        self.saved: dict[str, int] = {}
        self.failures: list[str] = []
        self.count = 0

    def work(self, stop: threading.Event) -> None:
        """Until it is to stop."""
        while not stop.is_set():
            self.count += 1
            id = self._ids[self.count % len(self._ids)]
            try:
                self._service.save(BOATS, id, {"name": id, "kind": "tug", "n": self.count})
            except Unavailable:
                pass  # said, so it is nobody's loss
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure
                self.failures.append(f"{id} {self.count}: {error!r}")
            else:
                self.saved[id] = self.count
            self.check(self._service, id)
            stop.wait(0.01)

    def check(self, service: RoutedDatabase | Backend, id: str) -> None:
        """Nothing older than what was acknowledged may ever be read."""
        if id not in self.saved:
            return
        try:
            found = service.get(BOATS, id)["n"]
        except Exception as error:  # noqa: BLE001 - as above
            self.failures.append(f"{id}: not read: {error!r}")
            return
        if not self.saved[id] <= found <= self.count:
            self.failures.append(f"{id}: {self.saved[id]} was acknowledged, {found} is there")


class Crossing:
    """The two, and the application's way to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.one, self.two = (open_file(folder, name) for name in NAMES)
        harbour(self.one, boats=300)
        # The application's connections are others than the runner's, as in other processes.
        home, there = (open_file(folder, name) for name in NAMES)
        self.application = RoutedDatabase(home, {"one": home, "two": there}.__getitem__, reference="one", timing=QUICK)
        self._further = there
        self.writers = [Writer(number, self.application) for number in range(3)]

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Writers at work meanwhile."""
        stop = threading.Event()
        threads = [threading.Thread(target=writer.work, args=(stop,)) for writer in self.writers]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(30)

    def close(self) -> None:
        """All connections."""
        self.application.close()
        for service in (self.one, self.two, self._further):
            service.close()

    @property
    def serving(self) -> Backend:
        """The side that serves."""
        return look(End(self.one, "one", "one"), End(self.two, "two", "two")).serving.service

    def ask(self, action: Literal["cutover", "rollback"]) -> str:
        """Put a command on the boards, whoever reads it."""
        command = Command(action)
        send_command([self.one, self.two], command)
        return command.id

    def carry_through(self, runner: Runner, *, begin: bool = True) -> None:
        """Until the second database serves and the first has followed; asks again where it is told to."""
        if begin:
            runner.begin()
        asked = ""
        end = time.monotonic() + PATIENCE
        while True:
            assert time.monotonic() < end, read_run(self.one)
            runner.step()
            run = read_run(self.one)
            assert run is not None
            if self.serving is self.two and run.stage == "reverse" and run.differences == 0:
                return
            answered = run.answer.get("id") == asked
            if run.stage == "tail" and run.differences == 0 and (not asked or answered):
                asked = self.ask("cutover")

    def settle(self, runner: Runner) -> None:
        """After the last write: until nothing is left to be carried over."""
        end = time.monotonic() + PATIENCE
        while count_changes(self.serving, 1)[0] or not read_command(self.one):
            assert time.monotonic() < end
            runner.step()

    def problems(self) -> list[str]:
        """What is wrong after everything."""
        for writer in self.writers:
            assert writer.saved, "nobody wrote"
            for id in writer.saved:
                writer.check(self.serving, id)
        found = [failure for writer in self.writers for failure in writer.failures]
        one, two = held(self.one), held(self.two)
        return found + [f"{key}: {one.get(key)} / {two.get(key)}" for key in one | two if one.get(key) != two.get(key)]
