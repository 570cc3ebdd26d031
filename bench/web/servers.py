"""gunicorn processes with one worker of four threads, each on a free port."""

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

ROOT = Path(__file__).resolve().parents[2]
PLAIN = ("--worker-class", "gthread", "--workers", "1", "--threads", "4", "--no-control-socket", "--log-level", "error")


@contextmanager
def serve(name: str, arguments: Sequence[str], variables: Mapping[str, str], folder: Path) -> Iterator[int]:
    """The port of a server that answers; it is stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WHERRY_")}
    environment = {**kept, **variables, "PORT": str(port)}
    with (folder / f"{name}.log").open("w") as log:
        command = [sys.executable, "-m", "gunicorn", *arguments, "--bind", f"127.0.0.1:{port}"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            _wait(process, port, folder / f"{name}.log")
            yield port
        finally:
            process.terminate()
            process.wait(timeout=30)


def fetch(port: int, path: str, cookie: str = "") -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers={"Cookie": cookie})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Until it accepts connections; those of the first moments wait in its queue for the worker."""
    end = monotonic() + 60
    while monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}:\n{log.read_text()}")
        try:
            fetch(port, "/none")
            return
        except OSError:
            sleep(0.1)
    raise RuntimeError(f"the server did not answer within a minute:\n{log.read_text()}")
