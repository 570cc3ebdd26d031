"""docs/security.md names the test that shows each promise: every one of them must exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:[\w]+/)*\w+\.py)(?:::(test_\w+))?`", TEXT)))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_what_is_named_is_there(file: str, name: str) -> None:
    source = ROOT / ("tests" if name or Path(file).name.startswith("test_") else "app") / file
    assert source.is_file()
    assert not name or re.search(rf"def {name}\(", source.read_text(encoding="utf-8"))


@pytest.mark.parametrize("check", [*map(str, range(1, 44)), *(f"T{number}" for number in range(1, 9))])
def test_no_check_is_left_out(check: str) -> None:
    rows = [line.split("|")[1:-1] for line in TEXT.splitlines() if line.startswith("| ")]
    number = "18-20" if check in ("18", "19", "20") else check
    (row,) = [row for row in rows if row[0].strip() == number]
    assert "::" in row[3] or "yet" in row[2], "neither a test nor a reason"
