"""gunicorn with the repository's own gunicorn.conf.py."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.run.servers import GUNICORN, ROOT, Running, environment, free_port, serve


@pytest.fixture
def variables(settings_root: Path, tmp_path: Path) -> dict[str, str]:
    return {
        "WHERRY_ROOT": str(settings_root),
        "WHERRY_INSTANCE_PATH": str(tmp_path / "instance"),
        "WHERRY_SQLITE_PATH": str(tmp_path / "test.sqlite3"),
        "WHERRY_WORKERS": "1",
        "WHERRY_THREADS": "2",
    }


@pytest.fixture
def server(tmp_path: Path, variables: dict[str, str]) -> Iterator[Running]:
    with serve(tmp_path / "log", variables=variables) as running:
        yield running


def test_it_prints_one_link_and_answers_health_and_readiness(server: Running) -> None:
    assert [line for line in server.printed if "http" in line] == [server.printed[-1]]
    assert f"http://127.0.0.1:{server.port}" in server.printed[-1]
    assert server.get("/healthz") == (200, b'{"ok":true,"status":"ok"}\n')
    assert server.get("/readyz")[0] == 200
    assert server.stop() == 0
    lines = server.log.read_text().splitlines()
    fields = [json.loads(line) for line in lines if line.startswith("{")]
    paths = [line["path"] for line in fields if line["logger"] == "wherry.request"]
    assert paths == ["/healthz", "/readyz"]
    assert any(line["logger"] == "gunicorn.error" for line in fields)


def test_a_request_in_flight_is_answered_after_sigterm(tmp_path: Path, variables: dict[str, str]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = (*GUNICORN, "tests.run.slow_app:app")
    with serve(tmp_path / "log", command, variables={**variables, "TEST_PIPE": str(pipe)}) as server:
        answers: list[tuple[int, bytes]] = []
        asking = threading.Thread(target=lambda: answers.append(server.get("/wait", timeout=30)))
        asking.start()
        # Opening the pipe returns when the view has opened it too: the request is in flight.
        with pipe.open("w") as other_end:
            os.kill(server.process.pid, signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                server.process.wait(timeout=0.5)
            other_end.write("late but complete")
        asking.join(timeout=30)
        assert answers == [(200, b"late but complete")]
        assert server.process.wait(timeout=20) == 0


def test_a_reload_keeps_the_address_and_starts_new_workers(server: Running) -> None:
    assert server.get("/healthz")[0] == 200
    os.kill(server.process.pid, signal.SIGHUP)
    assert [server.get("/healthz")[0] for _ in range(20)] == [200] * 20


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"WHERRY_THREADS": "none"}, "wherry: THREADS must be a valid integer"),
        ({"WHERRY_THRAEDS": "2"}, "names no setting; did you mean THREADS?"),
        ({"WHERRY_ENV": "production"}, "wherry: SECRET_KEY is needed in production"),
        ({"WHERRY_MODULES": "nothing_like_it"}, "MODULES names 'nothing_like_it'"),
    ],
)
def test_a_mistake_in_the_settings_is_one_sentence(
    variables: dict[str, str], wrong: dict[str, str], words: str
) -> None:
    outside = environment(**{**variables, **wrong}, PORT=str(free_port()))
    ended = subprocess.run(GUNICORN, cwd=ROOT, env=outside, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert words in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
