"""A run of the measurements goes on without what is missing, and never loses what was measured."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from bench import __main__ as bench
from bench.figures import Figure
from bench.needs import Missing


def measure(folder: Path, number: int, effort: object) -> Iterator[Figure]:
    yield Figure.from_rounds("here", [1.0] * 6, [1.0] * 6, "us", at_most=2.0)


def lack(folder: Path, number: int, effort: object) -> Iterator[Figure]:
    yield from ()
    raise Missing("couchdb", "there is none; install one")


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name, run in (("made_here", measure), ("made_lacking", lack)):
        module = ModuleType(name)
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    groups = {
        "one": bench.Group("made_here", "", 1, 1),
        "two": bench.Group("made_lacking made_here", "", 1, 1),
        "three": bench.Group("made_here", "", 1, 1),
    }
    monkeypatch.setattr(bench, "GROUPS", groups)
    file = tmp_path / "bench.json"
    monkeypatch.setattr(sys, "argv", ["bench", "--output", str(file)])
    return file


def test_what_is_missing_is_skipped_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], output: Path
) -> None:
    monkeypatch.setenv("WHERRY_REQUIRE", "sqlite")
    assert bench.main() == 0
    assert "two, skipped: couchdb: there is none; install one" in capsys.readouterr().out
    assert len(json.loads(output.read_text())) == 3


def test_what_is_required_ends_the_run_which_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch, output: Path) -> None:
    monkeypatch.setenv("WHERRY_REQUIRE", "couchdb")
    with pytest.raises(SystemExit, match=r"two: couchdb: there is none.*WHERRY_REQUIRE names it"):
        bench.main()
    assert len(json.loads(output.read_text())) == 1
