"""Every setting stands in settings.toml or .secrets.toml with a comment above it, and nothing else does."""

import re
import tomllib
from pathlib import Path

import pytest

from app.config import SECRETS, setting_names

ROOT = Path(__file__).resolve().parent.parent
FILES = ("settings.toml", ".secrets.toml")
ASSIGNMENT = re.compile(r"^([A-Z][A-Z0-9_]*)\s*=")


def undocumented(text: str) -> list[str]:
    """Settings of the section [default] that have no comment of at least three words right above them."""
    found = []
    section = comment = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[] ")
        match = ASSIGNMENT.match(line)
        if match and section == "default" and len(comment.split()) < 3:
            found.append(match[1])
        comment = comment + " " + line.lstrip("# ") if line.startswith("#") else ""
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_setting_has_a_comment_above_it(name: str) -> None:
    assert undocumented((ROOT / name).read_text(encoding="utf-8")) == []


def test_a_setting_without_a_comment_is_found() -> None:
    assert undocumented("[default]\n# What it is for\nA = 1\n\nB = 2\nC = 3\n") == ["B", "C"]


def test_the_files_hold_every_setting_and_no_other() -> None:
    defaults = [tomllib.loads((ROOT / name).read_text(encoding="utf-8"))["default"] for name in FILES]
    assert set(defaults[0]) | set(defaults[1]) == setting_names()
    assert set(defaults[0]) & set(defaults[1]) == set()


def test_the_secrets_file_has_every_secret_and_no_value() -> None:
    data = tomllib.loads((ROOT / ".secrets.toml").read_text(encoding="utf-8"))
    assert list(data) == ["default"]
    assert set(data["default"]) == SECRETS
    assert [name for name, value in data["default"].items() if value] == []


def test_the_manual_names_every_secret() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert [name for name in sorted(SECRETS) if name not in text] == []
