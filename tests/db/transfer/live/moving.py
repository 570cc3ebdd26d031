"""A live migration of an application under load: gunicorn, clients, and the commands as an operator has them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from app.config import load_settings
from app.db.backend import Backend
from app.db.documents import canonical_json
from app.db.factory import open_configured
from app.db.transfer.collections import is_machinery
from app.db.transfer.live.board import read_run
from app.db.transfer.live.peers import reference_of
from tests.app_places import PLACES, Place
from tests.run.gunicorn_app import App, application
from tests.run.load import Load, Seen
from tests.run.servers import ROOT, environment

WORKERS, THREADS, CLIENTS = 4, 8, 8
PATIENCE = 90.0


@dataclass
class Move:
    """One application on its way from one place to the other."""

    folder: Path
    variables: Mapping[str, str]
    target: str
    services: tuple[Backend, Backend]
    commands: list[float] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    runner: "subprocess.Popen[bytes] | None" = None

    def wherry(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A command of the operator's, and its output."""
        return subprocess.run(
            [sys.executable, "-m", "app.cli", "db", "live", *arguments],
            cwd=ROOT,
            env=environment(**self.variables),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def start(self) -> None:
        """The runner, beside everything else."""
        with (self.folder / "runner.log").open("ab") as log:
            self.runner = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "db", "live", "start", self.target],
                cwd=ROOT,
                env=environment(**self.variables),
                stdout=log,
                stderr=log,
            )

    def kill_runner(self) -> None:
        """As a power cut would."""
        if self.runner is not None:
            self.runner.kill()
            self.runner.wait()

    def wait_verified(self, stage: str) -> None:
        """Until the runner follows in this stage and has compared everything."""
        end = time.monotonic() + PATIENCE
        while True:
            run = read_run(self.services[0])
            if run is not None and run.stage == stage and run.differences == 0 and run.lag < 500:
                return
            log = (self.folder / "runner.log").read_text()
            assert self.runner is not None
            assert self.runner.poll() is None, log
            assert time.monotonic() < end, f"{run}\n{log}"
            time.sleep(0.1)

    def switch(self, command: str) -> None:
        """``cutover`` or ``rollback``, which has to succeed; it may be asked for a few times."""
        end = time.monotonic() + PATIENCE
        while True:
            self.commands.append(time.monotonic())
            done = self.wherry(command)
            if done.returncode == 0:
                return
            assert "again" in done.stderr, done.stderr
            assert time.monotonic() < end, done.stderr

    def status(self) -> dict[str, object]:
        """What ``wherry db live status --json`` tells."""
        done = self.wherry("status", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, object] = json.loads(done.stdout)
        return found

    def differences(self) -> list[str]:
        """What the two databases do not have in common."""
        one, two = (contents(service) for service in self.services)
        return [
            f"{key}: {one.get(key)!r} / {two.get(key)!r}"
            for key in one.keys() | two.keys()
            if one.get(key) != two.get(key)
        ]


def contents(service: Backend) -> dict[tuple[str, str], tuple[str, bytes]]:
    """Every document of the application's, by path and id: revision token and canonical JSON."""
    found: dict[tuple[str, str], tuple[str, bytes]] = {}
    for one in service.collections():
        after: str | None = None
        while not is_machinery(one.name):
            page = service.scan(one.name, after)
            for path, document in page.documents:
                id, rev = document.pop("_id"), document.pop("_rev")
                found[path, id] = rev.partition(".")[0], canonical_json(document)
            after = page.after
            if after is None:
                break
    return found


@contextmanager
def moving(folder: Path, root: Path, source: str, target: str) -> Iterator[tuple[Move, App]]:
    """An application on an empty ``source``, and an empty ``target`` to move to."""
    places: list[Place] = [PLACES[source](), PLACES[target]()]
    passwords = {name: text for place in places for name, text in place.settings.items() if name == "COUCHDB_PASSWORD"}
    folder.mkdir(parents=True, exist_ok=True)
    settings = [
        load_settings({**passwords, **place.settings, "ENV": "development"}, root=root, environ={}) for place in places
    ]
    services = [open_configured(one, create_missing=True) for one in settings]
    variables = {
        **{f"WHERRY_{name}": str(value) for name, value in {**passwords, **places[0].settings}.items()},
        "WHERRY_ROOT": str(root),
        "WHERRY_INSTANCE_PATH": str(folder / "instance"),
        "WHERRY_SECRET_KEY": "a key for the tests of moving, 0123456789",
    }
    move = Move(folder, variables, reference_of(settings[1]), (services[0], services[1]))
    try:
        with application(folder, root, variables, WORKERS, THREADS) as app:
            yield move, app
    finally:
        move.kill_runner()
        for service in services:
            service.close()
        for place in places:
            place.remove()


def disturb(move: Move, app: App, switch: str) -> threading.Thread:
    """Kill one worker and pause another across a switch; the thread lets it go on again a little later."""
    stopped = app.signal_worker(0, signal.SIGSTOP)
    move.kills.append(time.monotonic())
    app.signal_worker(1, signal.SIGKILL)
    move.switch(switch)

    def go_on() -> None:
        time.sleep(2.0)
        os.kill(stopped, signal.SIGCONT)

    thread = threading.Thread(target=go_on)
    thread.start()
    return thread


def failures(load: Load, move: Move) -> list[str]:
    """Answers that nobody should have got. Those that a killed worker owed cannot come."""

    def owed(seen: Seen) -> bool:
        return any(seen.began <= killed + 0.5 and seen.ended >= killed - 0.5 for killed in move.kills)

    return [
        f"{one.kind} {one.status} after {one.seconds:.2f} s, {one.began - move.began:.1f} s in: {one.problem}"
        for one in load.seen
        if not allowed(one) and not owed(one)
    ]


def allowed(seen: Seen) -> bool:
    """Reads always succeed. A save may be told to come again."""
    return seen.normal or (seen.kind == "save" and not seen.problem)


def longest_pause(load: Load) -> float:
    """Seconds between two saves that were acknowledged, one after the other, whoever's."""
    ended = sorted(one.ended for one in load.seen if one.kind == "save" and one.normal)
    return max((late - early for early, late in pairwise(ended)), default=0.0)
