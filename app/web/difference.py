"""Line differences for the history and conflict pages, in bounded time.

``difflib`` takes quadratic time in the worst case, so the equal beginning and end are taken off first, and if more than
``MAX_LINES`` are left on either side they are shown as removed and added, without a look for equal lines in between.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

MAX_LINES = 2000
AROUND = 3  # unchanged lines shown around each change


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a diff, with its numbers in the old and the new text (0: not there); a gap stands for equal lines."""

    kind: Literal["same", "added", "removed", "gap"]
    old: int
    new: int
    text: str


def lines(old: str, new: str) -> list[Line]:
    """The difference of two texts, with three equal lines around each change. Empty if they are equal."""
    before, after = old.splitlines(), new.splitlines()
    if before == after:
        return []
    return list(_fold(list(_all_lines(before, after))))


def _all_lines(before: list[str], after: list[str]) -> Iterator[Line]:
    start, end = _common(before, after)
    for at in range(start):
        yield Line("same", at + 1, at + 1, before[at])
    one, other = before[start : len(before) - end], after[start : len(after) - end]
    for tag, a1, a2, b1, b2 in _steps(one, other):
        if tag == "equal":
            for step in range(a2 - a1):
                yield Line("same", start + a1 + step + 1, start + b1 + step + 1, one[a1 + step])
            continue
        for at in range(a1, a2):
            yield Line("removed", start + at + 1, 0, one[at])
        for at in range(b1, b2):
            yield Line("added", 0, start + at + 1, other[at])
    for at in range(end, 0, -1):
        yield Line("same", len(before) - at + 1, len(after) - at + 1, before[-at])


def _steps(one: list[str], other: list[str]) -> list[tuple[str, int, int, int, int]]:
    if max(len(one), len(other)) > MAX_LINES:
        return [("replace", 0, len(one), 0, len(other))]
    return list(SequenceMatcher(None, one, other).get_opcodes())


def _common(before: list[str], after: list[str]) -> tuple[int, int]:
    """How many lines are equal at the beginning and at the end, not counting any line twice."""
    shorter = min(len(before), len(after))
    start = 0
    while start < shorter and before[start] == after[start]:
        start += 1
    end = 0
    while end < shorter - start and before[-end - 1] == after[-end - 1]:
        end += 1
    return start, end


def _fold(all_lines: list[Line]) -> Iterator[Line]:
    near = [False] * len(all_lines)
    for at, line in enumerate(all_lines):
        if line.kind != "same":
            for close in range(max(0, at - AROUND), min(len(near), at + AROUND + 1)):
                near[close] = True
    skipped = 0
    for line, shown in zip(all_lines, near, strict=True):
        if shown:
            if skipped:
                yield _gap(skipped)
                skipped = 0
            yield line
        else:
            skipped += 1
    if skipped:
        yield _gap(skipped)


def _gap(count: int) -> Line:
    return Line("gap", 0, 0, f"{count} unchanged line{'' if count == 1 else 's'}")
