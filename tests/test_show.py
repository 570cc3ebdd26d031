import sys
from pathlib import Path

import pytest

from bench.__main__ import GROUPS
from scripts import show, show_backends, show_migration
from scripts.show import ROOT, Step, page, run


@pytest.fixture(autouse=True)
def logs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(show, "LOGS", tmp_path)


def python(source: str) -> tuple[str, ...]:
    return (sys.executable, "-c", source)


def test_figures_are_picked_from_the_output() -> None:
    step = Step("A", python("print('ratio 1.07'); print('ratio 1.09')"), "p", figures=[r"ratio (?P<figure>[\d.]+)"])
    outcome = run(step)
    assert outcome.passed
    assert outcome.figures == ("1.07", "1.09")


def test_a_failing_step_is_named_as_failed_on_the_page() -> None:
    steps = [Step("Good", python(""), "works"), Step("Bad", python("raise SystemExit(3)"), "breaks")]
    text = page("T", "I", [(step, run(step)) for step in steps])
    assert "1 of 2 steps passed" in text
    assert "| Bad | **failed** |" in text
    assert "exit status 3" in text


def test_a_step_that_takes_too_long_is_ended() -> None:
    outcome = run(Step("Endless", python("import threading; threading.Event().wait()"), "p", timeout=1))
    assert outcome.status is None
    assert not outcome.passed


def test_a_program_that_is_missing_is_a_failure() -> None:
    assert run(Step("Missing", ("no-such-program-here",), "p")).status == 127


def test_the_page_names_no_folder_of_the_machine() -> None:
    step = Step("A", (sys.executable, str(show.ROOT / "scripts" / "show.py"), "--help"), "p")
    text = page("T", "I", [(step, run(step))])
    assert str(show.ROOT) not in text
    assert sys.executable not in text
    assert "python scripts/show.py --help" in text


def test_a_step_can_be_run_again_and_the_page_waits_for_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show, "ROOT", tmp_path)
    target = tmp_path / "page.md"
    steps = [
        Step("First", python("print('figure 1')"), "p", figures=[r"(?P<figure>figure \d)"], folder=tmp_path),
        Step("Second", python("raise SystemExit(1)"), "p", folder=tmp_path),
    ]

    def show_steps(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["show", *arguments])
        with pytest.raises(SystemExit) as ended:
            show.main("T", "I", target, steps)
        return int(ended.value.code or 0)

    assert show_steps("--only", "first") == 0
    assert not target.exists()
    show_steps("--only", "first", "--unfinished")
    text = target.read_text()
    assert "1 of 2 steps passed" in text
    assert "| Second | **not run** |" in text
    assert show_steps("--only", "second") == 1
    text = target.read_text()
    assert "figure 1" in text
    assert "1 of 2 steps passed" in text
    assert "| Second | **failed** |" in text


@pytest.mark.parametrize("step", [*show_backends.STEPS, *show_migration.STEPS], ids=lambda step: step.name)
def test_a_step_names_what_is_there(step: Step) -> None:
    command = list(step.command)
    if command[1:3] == ["-m", "bench"]:
        groups = command[3 : command.index("--output")]
        assert set(groups) <= GROUPS.keys()
        assert groups
    for part in command:
        path = part.removeprefix("--ignore=").removeprefix("--deselect=")
        if path.startswith("tests/"):
            assert (ROOT / path).exists(), path
    if command[0] == "make":
        assert f"\n{command[1]}:" in (ROOT / "Makefile").read_text()
