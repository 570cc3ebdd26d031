"""Starting the application as an operator does, and talking to it."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

ROOT = Path(__file__).resolve().parents[2]
GUNICORN = (sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py")


def free_port() -> int:
    """A port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**variables: str) -> dict[str, str]:
    """The process's environment without a developer's own settings, and with `variables`."""
    return {name: text for name, text in os.environ.items() if not name.startswith("WHERRY_")} | variables


class Running:
    """A server that has printed its link; `stop` is what Ctrl-C or an orchestrator does."""

    def __init__(self, process: "subprocess.Popen[str]", port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log
        self.printed: list[str] = []
        self._lines: Queue[str | None] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def wait_for_link(self, seconds: float) -> str:
        """The address behind "Open "; AssertionError with the log when it does not come in time."""
        while True:
            try:
                line = self._lines.get(timeout=seconds)
            except Empty:
                raise AssertionError(f"no link within {seconds} s; the log:\n{self.log.read_text()}") from None
            if line is None:
                raise AssertionError(f"the server ended with {self.process.wait()}; the log:\n{self.log.read_text()}")
            self.printed.append(line)
            if line.startswith("Open "):
                return line.removeprefix("Open ")

    def get(self, path: str, timeout: float = 10) -> tuple[int, bytes]:
        """Status and body. The socket listens before the workers are there, so nobody needs to try twice."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def stop(self, sign: signal.Signals = signal.SIGTERM, seconds: float = 20) -> int:
        """Sends the signal to the whole group and answers the exit status."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, sign)
        return self.process.wait(timeout=seconds)


@contextmanager
def serve(
    log: Path,
    command: Sequence[str] = GUNICORN,
    folder: Path = ROOT,
    port: int | None = None,
    seconds: float = 30,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """A server that is ready; it is stopped, and at last killed, when the block ends."""
    port = port or free_port()
    with log.open("w") as stderr:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(**{**(variables or {}), "PORT": str(port)}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    running = Running(process, port, log)
    try:
        running.wait_for_link(seconds)
        yield running
    finally:
        try:
            running.stop(seconds=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
