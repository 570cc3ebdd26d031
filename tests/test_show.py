import sys
from pathlib import Path

import pytest

from scripts import show
from scripts.show import Step, page, run


@pytest.fixture(autouse=True)
def logs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(show, "LOGS", tmp_path)


def python(source: str) -> tuple[str, ...]:
    return (sys.executable, "-c", source)


def test_figures_are_picked_from_the_output() -> None:
    step = Step("A", python("print('ratio 1.07'); print('ratio 1.09')"), "p", figures=[r"ratio (?P<figure>[\d.]+)"])
    outcome = run(step, 1)
    assert outcome.passed
    assert outcome.figures == ("1.07", "1.09")


def test_a_failing_step_is_named_as_failed_on_the_page() -> None:
    good, bad = run(Step("Good", python(""), "works"), 1), run(Step("Bad", python("raise SystemExit(3)"), "breaks"), 2)
    text = page("T", "I", [good, bad], 2)
    assert "1 of 2 steps passed" in text
    assert "| Bad | **failed** |" in text
    assert "exit status 3" in text


def test_a_step_that_takes_too_long_is_ended() -> None:
    outcome = run(Step("Endless", python("import threading; threading.Event().wait()"), "p", timeout=1), 1)
    assert outcome.status is None
    assert not outcome.passed


def test_a_program_that_is_missing_is_a_failure() -> None:
    assert run(Step("Missing", ("no-such-program-here",), "p"), 1).status == 127


def test_the_page_names_no_folder_of_the_machine() -> None:
    outcome = run(Step("A", (sys.executable, str(show.ROOT / "scripts" / "show.py"), "--help"), "p"), 1)
    text = page("T", "I", [outcome], 1)
    assert str(show.ROOT) not in text
    assert sys.executable not in text
    assert "python scripts/show.py --help" in text
