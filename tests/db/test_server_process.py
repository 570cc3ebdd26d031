"""A test server is there when it is needed, and gone with those who started it, however they end."""

import http.client
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.db.server_process import ServerProcess
from tests.servers import ROOT

# A server with a child that ignores what is polite.
SERVER = """
import http.server, signal, subprocess, sys
print("hello from the server", flush=True)
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
child = subprocess.Popen([sys.executable, "-c", child])
open("child", "w").write(str(child.pid))
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


class Small(ServerProcess):
    """As small a server as there is."""

    def __init__(self, program: str = SERVER) -> None:
        super().__init__("small server")
        self._program = program

    def command(self) -> list[str]:
        return [sys.executable, "-c", self._program, str(self.port)]


@pytest.fixture
def server() -> Iterator[Small]:
    made = Small()
    yield made
    made.remove()


def alive(process: int) -> bool:
    """Whether it runs; one that has ended and waits for its parent does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")


def gone(processes: list[int], folder: Path) -> bool:
    """Whether all of it goes away by itself."""
    end = time.monotonic() + 10
    while any(alive(process) for process in processes) or folder.exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_it_answers_once_it_is_started_and_can_be_stopped_and_started_again(server: Small) -> None:
    for end in (server.stop, server.kill):
        server.start()
        connection = http.client.HTTPConnection(server.address, timeout=5)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        connection.close()
        end()
        assert server.process is not None
        assert server.process.poll() is not None
    assert server.folder.exists()


def test_it_is_removed_with_its_children_and_its_folder(server: Small) -> None:
    server.start()
    assert server.process is not None
    processes = [server.process.pid, int((server.folder / "child").read_text())]
    server.remove()
    assert gone(processes, server.folder)


def test_what_does_not_start_says_why_and_leaves_nothing_running() -> None:
    server = Small("raise SystemExit('no room')")
    with pytest.raises(RuntimeError, match="no room"):
        server.start()
    server.remove()
    assert not server.folder.exists()


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL", "SIGINT", "exit"])
def test_it_goes_with_the_process_that_started_it(how: str) -> None:
    starts = """
        import signal, sys, time
        from tests.db.test_server_process import Small
        # A shell's background jobs inherit that SIGINT is ignored, and these tests may be one.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        server = Small()
        server.start()
        print(server.process.pid, (server.folder / "child").read_text(), server.folder, flush=True)
        if sys.argv[1] != "exit":
            time.sleep(60)
    """
    starter = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(starts), how],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert starter.stdout is not None
    leader, child, folder = starter.stdout.readline().split()
    assert how == "exit" or alive(int(leader))
    if how != "exit":
        starter.send_signal(signal.Signals[how])
    starter.wait(20)
    starter.stdout.close()
    assert gone([int(leader), int(child)], Path(folder))
