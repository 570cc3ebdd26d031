"""What was measured against what, which goal it has, and how it is shown and kept."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.intervals import estimate_median


@dataclass(frozen=True, slots=True)
class Figure:
    """A ratio ours / theirs with its 95 % interval, the two measured values in ``unit``, and the goal.

    Without a goal (neither ``at_most`` nor ``at_least``) it is information. ``note`` says what a reader has to know.
    """

    name: str
    ratio: float
    low: float
    high: float
    ours: float
    theirs: float
    unit: str
    rounds: int
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @classmethod
    def from_rounds(
        cls,
        name: str,
        ours: Sequence[float],
        theirs: Sequence[float],
        unit: str,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
        note: str = "",
    ) -> "Figure":
        """From one value of each side per round: the median of the per-round ratios, the median of each side."""
        ratio = estimate_median([one / other for one, other in zip(ours, theirs, strict=True)])
        return cls(
            name,
            *ratio,
            estimate_median(ours).median,
            estimate_median(theirs).median,
            unit,
            len(ours),
            at_most,
            at_least,
            note,
        )

    @property
    def has_goal(self) -> bool:
        """Whether the figure can fail."""
        return self.at_most is not None or self.at_least is not None

    @property
    def missed(self) -> bool:
        """Whether the whole interval misses the goal."""
        return (self.at_most is not None and self.low > self.at_most) or (
            self.at_least is not None and self.high < self.at_least
        )

    def as_json(self) -> dict[str, Any]:
        """For build/bench.json."""
        goal = {"at_most": self.at_most} if self.at_most is not None else {"at_least": self.at_least}
        return {
            "name": self.name,
            "ratio": round(self.ratio, 4),
            **goal,
            "ours": _rounded(self.ours),
            "theirs": _rounded(self.theirs),
            "unit": self.unit,
            "low": round(self.low, 4),
            "high": round(self.high, 4),
            "rounds": self.rounds,
            **({"note": self.note} if self.note else {}),
        }

    def as_row(self) -> str:
        """One line of the printed table."""
        goal = "information"
        if self.at_most is not None:
            goal = f"<= {self.at_most:g}"
        elif self.at_least is not None:
            goal = f">= {self.at_least:g}"
        verdict = "" if not self.has_goal else "MISSED" if self.missed else "ok"
        interval = f"{_shown(self.low)} .. {_shown(self.high)}"
        return (
            f"{self.name:<66} {_shown(self.ratio):>8} {interval:>20} {goal:>12} {verdict:<6}"
            f" {_shown(self.ours):>10} {_shown(self.theirs):>10} {self.unit}"
            + (f"  ({self.note})" if self.note else "")
        )


HEADER = f"{'':<66} {'ratio':>8} {'95 % interval':>20} {'goal':>12} {'':<6} {'ours':>10} {'theirs':>10} unit"


def write_figures(figures: Sequence[Figure], path: Path) -> None:
    """Write those that have a goal, as a JSON list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([figure.as_json() for figure in figures if figure.has_goal], indent=1) + "\n")


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
