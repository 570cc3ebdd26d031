"""The commands dump and restore, and reading ahead."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, active_count

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo

from app.db import open_database
from app.db.cli import db_commands
from app.db.flask_ext import install_database
from app.db.transfer.ahead import ahead
from app.db.transfer.garbage import seldom_collected
from tests.db.transfer.kit import SCHEMA, fill, harbour, held, some, sqlite

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    app = Flask("boats")
    install_database(app, open_database("memory:", SCHEMA))

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(db_commands, [str(one) for one in arguments], obj=ScriptInfo(create_app=lambda: app))

    return invoke


@pytest.fixture
def url(tmp_path: Path) -> str:
    source = sqlite(tmp_path / "source.db")
    harbour(source)
    source.close()
    return f"sqlite:///{tmp_path / 'source.db'}"


class TestCommands:
    def test_a_dump_is_restored(self, run: Run, url: str, tmp_path: Path) -> None:
        dumped = run("dump", url, "a.dump")
        assert dumped.exit_code == 0, dumped.output
        assert "55 documents" in dumped.stdout
        restored = run("restore", "a.dump", f"sqlite:///{tmp_path / 'target.db'}")
        assert restored.exit_code == 0, restored.output
        assert "55 documents written" in restored.stdout
        assert held(sqlite(tmp_path / "target.db")) == held(sqlite(tmp_path / "source.db"))
        assert sorted(path.name for path in tmp_path.glob("*rejected*")) == []

    def test_both_answer_json(self, run: Run, url: str, tmp_path: Path) -> None:
        told = json.loads(run("dump", url, "a.dump", "--json").stdout)
        assert (told["documents"], told["collections"]["boats"]) == (55, 50)
        told = json.loads(run("restore", "a.dump", f"sqlite:///{tmp_path / 'target.db'}", "--json").stdout)
        assert (told["copied"], told["manifest"]["source"]) == (55, url)

    def test_a_dry_run_makes_no_file(self, run: Run, url: str, tmp_path: Path) -> None:
        run("dump", url, "a.dump")
        result = run("restore", "a.dump", f"sqlite:///{tmp_path / 'target.db'}", "--dry-run")
        assert result.exit_code == 0, result.output
        assert "55 documents would be written" in result.stdout
        assert not (tmp_path / "target.db").exists()

    def test_a_password_is_in_no_file_and_no_message(self, run: Run, url: str, tmp_path: Path) -> None:
        refused = run("dump", "couchdb://ann:hush@127.0.0.1:1/boats", "a.dump", "--patience", "0.1")
        assert refused.exit_code == 1
        assert "hush" not in refused.output
        assert refused.stderr.splitlines()[-1].startswith("Error: ")

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (("dump", "URL", "there.dump"), "there.dump exists already"),
            (("restore", "there.dump", "sqlite:///t.db"), "no dump"),
            (("restore", "none.dump", "sqlite:///t.db"), "none.dump cannot be read"),
            (("dump", "URL", "b.dump", "--collections", "baots"), "baots"),
            (("dump", "boats:", "b.dump"), "SOURCE"),
            (("restore", "there.dump", "memory:"), "memory"),
        ],
    )
    def test_what_is_wrong_is_one_sentence(
        self, run: Run, url: str, tmp_path: Path, arguments: tuple[str, ...], named: str
    ) -> None:
        (tmp_path / "there.dump").write_text("mine")
        result = run(*(url if one == "URL" else one for one in arguments))
        assert result.exit_code == 1
        assert named in result.stderr.splitlines()[-1]
        assert (tmp_path / "there.dump").read_text() == "mine"


class TestInterruption:
    @pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGKILL])
    def test_an_interrupted_dump_leaves_no_file_under_its_name(self, tmp_path: Path, signal_: signal.Signals) -> None:
        source = sqlite(tmp_path / "source.db")
        source.prepare(SCHEMA)
        fill(source, "t1/boats", some(30_000))
        source.close()
        program = (
            # A shell's background jobs inherit that SIGINT is ignored, and these tests may be one.
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
            "import sys; from pathlib import Path; from app.db import open_database;"
            "from app.db.transfer.dumping import *; from app.db.transfer.progress import Silent;"
            "dump(open_database(sys.argv[1]), Path(sys.argv[2]), DumpOptions(level=9), Silent())"
        )
        folder = tmp_path / "out"
        folder.mkdir()
        command = [sys.executable, "-c", program, f"sqlite:///{tmp_path / 'source.db'}", str(folder / "a.dump")]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while not (parts := list(folder.glob(".a.dump.*"))) or parts[0].stat().st_size == 0:
            assert process.poll() is None, "it was over before it could be interrupted"
            time.sleep(0.005)
        os.kill(process.pid, signal_)
        assert process.wait(30) != 0
        left = [path.name for path in folder.iterdir()]
        assert "a.dump" not in left
        if signal_ is signal.SIGINT:
            assert left == []


class TestAhead:
    def test_items_come_in_order(self) -> None:
        with ahead(range(100), Event()) as items:
            assert list(items) == list(range(100))

    def test_an_error_comes_where_its_item_would_be(self) -> None:
        def broken() -> Iterator[int]:
            yield 1
            raise ValueError("here")

        with ahead(broken(), Event()) as items:
            assert next(items) == 1
            with pytest.raises(ValueError, match="here"):
                next(items)

    def test_the_thread_ends_with_the_block(self) -> None:
        def endless() -> Iterator[int]:
            while True:
                yield 1

        before, stop = active_count(), Event()
        with ahead(endless(), stop) as items:
            assert next(items) == 1
        assert active_count() == before
        assert not stop.is_set()

    def test_garbage_is_collected_as_before_afterwards(self) -> None:
        before = gc.get_threshold()
        with seldom_collected():
            assert gc.get_threshold()[0] == 100_000
        assert gc.get_threshold() == before
