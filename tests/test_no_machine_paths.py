"""Nothing in the repository depends on the machine that it was written on, nor on where packages are fetched from."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.servers import require

ROOT = Path(__file__).resolve().parent.parent
# Put together here, so that this file does not find itself.
FORBIDDEN = re.compile(
    "|".join(
        [
            r"(?<![\w./-])/(?:" + "|".join(["work", "root", "home/[a-z]", "Users/[a-z]"]) + r")/[\w.]",
            r"--(?:extra-)?index" + r"-url\s+\S",
            r"pypi\." + r"org|files\.python" + r"hosted|registry\.npm" + r"js",
        ]
    )
)
BINARY = {".png", ".ico", ".woff2", ".gz", ".zst"}


def committed() -> list[Path]:
    require("git")
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git work tree")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name]


def test_no_file_names_a_place_on_one_machine_or_a_registry() -> None:
    found = []
    for path in committed():
        if path.suffix in BINARY or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if FORBIDDEN.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert found == []


@pytest.mark.parametrize("line", ["see /" + "work/main/x", "--index" + "-url https://example", "/" + "root/.cache/x"])
def test_such_a_line_is_found(line: str) -> None:
    assert FORBIDDEN.search(line)


@pytest.mark.parametrize("line", ["/t/<slug>/work/", "app/root/x", "https://example.org/work/x", "/usr/bin/env"])
def test_other_lines_are_left_alone(line: str) -> None:
    assert not FORBIDDEN.search(line)


def test_the_lock_files_have_a_hash_for_every_requirement() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        entries = re.split(r"\n(?=[a-z0-9])", path.read_text(encoding="utf-8"), flags=re.IGNORECASE)
        pinned = [entry for entry in entries if "==" in entry.partition("\n")[0]]
        assert len(pinned) > 10
        assert [entry.split()[0] for entry in pinned if "--hash=sha256:" not in entry] == []
