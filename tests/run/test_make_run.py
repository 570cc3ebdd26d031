"""What a newcomer does: clone, `make run`, open the link. In a folder whose name has a space."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.run.servers import ROOT, environment, serve
from tests.servers import require


def make(folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


@pytest.mark.slow
def test_a_clean_clone_runs_with_one_command(clone: Path, tmp_path: Path) -> None:
    with serve(tmp_path / "log", ["make", "run"], folder=clone, seconds=240) as server:
        assert server.get("/healthz") == (200, b'{"ok":true,"status":"ok"}\n')
        assert server.get("/readyz")[0] == 200
        links = [line for line in server.printed if "http" in line]
        assert links == [server.printed[-1]]
        assert f"http://127.0.0.1:{server.port}" in links[0]
    assert (clone / "instance" / "wherry.sqlite3").exists()
    shown = subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True)
    assert shown.stdout == "", "running leaves nothing that git would want to add"


def test_a_taken_port_is_one_sentence_that_names_the_way_out(taken_port: int) -> None:
    require("make")
    ended = make(ROOT, "run", PORT=str(taken_port))
    assert ended.returncode != 0
    sentences = [line for line in ended.stderr.splitlines() if line and not line.startswith("make")]
    assert sentences == [
        f"Port {taken_port} is already in use; choose another, for example: make run PORT={taken_port + 1}"
    ]


@pytest.mark.parametrize("port", ["0", "65536", "abc", "80a", "-1"])
def test_a_port_that_is_none_is_one_sentence(port: str) -> None:
    require("make")
    ended = make(ROOT, "run", PORT=port)
    assert ended.returncode != 0
    assert f"PORT must be a number from 1 to 65535, not '{port}'" in ended.stderr


def test_help_is_what_make_does_by_itself() -> None:
    require("make")
    ended = make(ROOT)
    assert ended.returncode == 0
    words = ("setup", "run", "demo", "test", "check", "bench", "mutants", "crash", "show-foundation", "lock", "format")
    assert [word for word in words if f"make {word} " not in ended.stdout] == []


class TestPython:
    """scripts/venv.sh on a machine where the right Python is not there: everything else it needs is in `tools`."""

    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        folder = tmp_path / "pro ject"
        (folder / "requirements").mkdir(parents=True)
        (folder / "requirements" / "run.txt").write_text("")
        shutil.copy(ROOT / "pyproject.toml", folder)
        return folder

    @pytest.fixture
    def tools(self, tmp_path: Path) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in ("sh", "cat", "cksum", "cut", "printf"):
            (folder / name).symlink_to(shutil.which(name) or "/nowhere")
        return folder

    def run(self, project: Path, tools: Path) -> "subprocess.CompletedProcess[str]":
        script = str(ROOT / "scripts" / "venv.sh")
        return subprocess.run(
            ["/bin/sh", script, "run"],
            cwd=project,
            env={"PATH": str(tools)},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_no_python_is_a_clear_message(self, project: Path, tools: Path) -> None:
        ended = self.run(project, tools)
        assert ended.returncode == 1
        assert "Wherry needs Python 3.11 or later, and there is no python3 here" in ended.stderr
        assert "apt install python3 python3-venv" in ended.stderr

    def test_an_old_python_is_named_with_its_version(self, project: Path, tools: Path) -> None:
        old = tools / "python3"
        old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.8.18" && exit 0\nexit 1\n')
        old.chmod(0o755)
        ended = self.run(project, tools)
        assert ended.returncode == 1
        assert "Wherry needs Python 3.11 or later, and python3 is Python 3.8.18" in ended.stderr

    def test_a_python_without_venv_says_what_to_install(self, project: Path, tools: Path) -> None:
        bare = tools / "python3"
        bare.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.12.1"\n[ "$1" = -m ] && exit 1\nexit 0\n')
        bare.chmod(0o755)
        ended = self.run(project, tools)
        assert ended.returncode == 1
        assert "apt install python3-venv" in ended.stderr


def test_every_script_that_make_starts_is_there() -> None:
    text = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"\bscripts/[a-z_]+\.\w+", text))
    named |= {name.replace(".", "/") + ".py" for name in re.findall(r"-m (scripts\.[a-z_]+)", text)}
    assert len(named) > 3
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
