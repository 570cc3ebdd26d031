"""The application as it runs in production: gunicorn, several workers with threads, a database behind it.

For tests that put it under load (load.py) and do something to its database or to its workers meanwhile.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.run.servers import ROOT, Running, environment, serve
from tests.run.visitor import Visitor

SLUG = "harbour-works"
_BOOTING = "Booting worker with pid: "


@dataclass(frozen=True, slots=True)
class App:
    """A running application with one account and one tenant. ``visitor`` is signed in as its owner."""

    running: Running
    visitor: Visitor
    workers: int

    @property
    def agents(self) -> str:
        """The path of the tenant's agents."""
        return f"/t/{SLUG}/agents/"

    def booted(self) -> list[int]:
        """The process id of every worker that was ever started, in order: more than ``workers`` after a restart."""
        messages = (line["message"] for line in self.log() if line["logger"] == "gunicorn.error")
        return [int(text.removeprefix(_BOOTING)) for text in messages if text.startswith(_BOOTING)]

    def log(self) -> list[dict[str, str]]:
        """Every line of the log so far."""
        lines = self.running.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def signal_worker(self, number: int, sign: signal.Signals) -> int:
        """Pause (SIGSTOP), resume (SIGCONT) or kill the worker of that number, of those started; its process id."""
        worker = self.booted()[number]
        os.kill(worker, sign)
        return worker


@contextmanager
def application(folder: Path, root: Path, variables: Mapping[str, str], workers: int, threads: int) -> Iterator[App]:
    """Run ``wherry db prepare`` and gunicorn with the repository's own configuration, then set up account and tenant.

    ``folder`` takes logs and the instance folder, ``root`` is a folder with settings files, ``variables`` choose the
    database. AssertionError with the log if it does not start.
    """
    given = {
        "WHERRY_ROOT": str(root),
        "WHERRY_INSTANCE_PATH": str(folder / "instance"),
        "WHERRY_WORKERS": str(workers),
        "WHERRY_THREADS": str(threads),
        **variables,
    }
    prepared = subprocess.run(
        [sys.executable, "-m", "app.cli", "db", "prepare"],
        cwd=ROOT,
        env=environment(**given),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert prepared.returncode == 0, prepared.stderr
    with serve(folder / "log", seconds=60, variables=given) as running:
        link = running.printed[-1].removeprefix("Open ")
        yield App(running, _set_up(Visitor(running.port), urlsplit(link).path), workers)


def _set_up(visitor: Visitor, path: str) -> Visitor:
    page = visitor.get(path)
    assert page.status == 200, page
    done = visitor.post(
        path,
        name="Ann Marlow",
        email="ann@example.org",
        password="eleven grey herons",
        tenant_name="Harbour Works",
        slug=SLUG,
    )
    assert done.status == 303, done
    home = visitor.get(done.headers["Location"])
    assert home.status == 200, home
    return visitor
