"""A server that tests start on a free port, and that never outlives them, however they end.

A run that ends as it should stops its servers (``remove``, at the latest by atexit). One that is killed, or ended by
SIGTERM, cannot; so every server has a guard beside it: a shell that waits on a pipe whose other end only we hold. When
that closes, because we are gone, the guard kills the server with its children and deletes its folder. None of it needs
Linux. Processes that tests start load this file too: it imports no test tools.
"""

import atexit
import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# $1: the server's process group, $2: its folder. A line says that all is well; the end of the pipe, that we are gone.
_GUARD = 'read -r line || { kill -s KILL -- "-$1"; rm -rf -- "$2"; }'
_STOPS_WITHIN = 20.0


class ServerProcess:
    """A server with a port and a folder of its own; ``path`` answers 200, or any status, once it is ready."""

    def __init__(self, name: str, *, path: str = "/", any_status: bool = False) -> None:
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix=f"wherry-{name.split()[0].lower()}-"))
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self._path, self._any_status = path, any_status
        self._guard: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()
        atexit.register(self._at_exit)

    def command(self) -> Sequence[str]:
        """What to run."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """Variables for it besides our own."""
        return {}

    def start(self, seconds: float = 60.0) -> None:
        """Start it and wait until it answers; raises with the end of its output if it does not in time."""
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env={**os.environ, **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", str(self.process.pid), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if self._answers():
                return
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"{self.name} does not start: {self._output.read_text(errors='replace')[-2000:]}")

    def kill(self) -> None:
        """Stop it at once with its children, as a power cut would."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._dismiss_guard()

    def stop(self) -> None:
        """Stop it as an operator does; kill it if it does not listen."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_STOPS_WITHIN)
            except subprocess.TimeoutExpired:
                self.kill()
        self._dismiss_guard()

    def freeze(self, *, on: bool) -> None:
        """Let it hang, with its port open, or go on."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP if on else signal.SIGCONT)

    def remove(self) -> None:
        """Kill it and delete its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self._at_exit)

    @property
    def _output(self) -> Path:
        return self.folder / "output"

    def _at_exit(self) -> None:
        if os.getpid() == self._owner:  # not a process that was forked from ours
            self.remove()

    def _dismiss_guard(self) -> None:
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.communicate(b"well\n")

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", self._path)
            return connection.getresponse().status == 200 or self._any_status
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def free_port() -> int:
    """A port of the loopback interface on which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
