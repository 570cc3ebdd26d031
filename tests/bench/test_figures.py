"""Goals, and what is written of them."""

import json
from pathlib import Path

from bench.figures import Figure, write_figures


def figure(low: float, high: float, at_most: float | None = None, at_least: float | None = None) -> Figure:
    return Figure("a / b", (low + high) / 2, low, high, 2.0, 1.0, "us", 50, at_most, at_least)


def test_a_goal_is_missed_only_when_the_whole_interval_misses_it() -> None:
    assert figure(1.11, 1.20, at_most=1.10).missed
    assert not figure(1.09, 1.30, at_most=1.10).missed
    assert figure(0.30, 0.44, at_least=0.45).missed
    assert not figure(0.30, 0.46, at_least=0.45).missed


def test_a_figure_without_a_goal_is_never_missed() -> None:
    assert not figure(9, 10).missed
    assert not figure(9, 10).has_goal


def test_the_ratio_is_the_median_of_the_rounds_and_not_the_ratio_of_the_medians() -> None:
    found = Figure.from_rounds("a / b", [2.0, 20.0, 6.0], [1.0, 10.0, 2.0], "us")
    assert found.ratio == 2
    assert (found.ours, found.theirs) == (6, 2)


def test_the_file_lists_what_has_a_goal(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    write_figures([figure(1, 2, at_most=3), figure(1, 2), figure(1, 2, at_least=0.5)], path)
    first, second = json.loads(path.read_text())
    assert first == {
        "name": "a / b",
        "ratio": 1.5,
        "at_most": 3,
        "ours": 2,
        "theirs": 1,
        "unit": "us",
        "low": 1,
        "high": 2,
        "rounds": 50,
    }
    assert second["at_least"] == 0.5
    assert "at_most" not in second


def test_the_table_says_which_goal_was_missed() -> None:
    assert "MISSED" in figure(2, 3, at_most=1).as_row()
    assert "ok" in figure(0.2, 0.3, at_most=1).as_row()
    assert "information" in figure(2, 3).as_row()
