"""The scripts of migrations_scripts are programs: each runs, and none stands in the way of the standard library."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[3] / "migrations_scripts"


@pytest.mark.parametrize("name", ["plan_copy", "copy_documents"])
def test_it_runs_from_anywhere(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "SOURCE TARGET" in done.stdout


def test_no_script_hides_a_module_of_the_standard_library() -> None:
    """A script's folder is the first place where Python looks: a copy.py there would break every other script."""
    assert [path.name for path in SCRIPTS.glob("*.py") if path.stem in sys.stdlib_module_names] == []
