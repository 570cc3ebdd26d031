"""The scripts of migrations_scripts that are commands of ours, run as programs."""

import subprocess
import sys
from pathlib import Path

from tests.db.transfer.kit import harbour, sqlite

SCRIPTS = Path(__file__).resolve().parents[3] / "migrations_scripts"


def run(script: str, *arguments: str, folder: Path) -> str:
    """What the script printed; it has to end well."""
    command = [sys.executable, str(SCRIPTS / script), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_dump_is_written_restored_and_verified_by_scripts(tmp_path: Path) -> None:
    source = sqlite(tmp_path / "source.db")
    harbour(source, 5)
    source.close()
    assert "15 documents" in run("dump.py", "sqlite:///source.db", "a.dump", folder=tmp_path)
    assert "15 documents written" in run("restore.py", "a.dump", "sqlite:///target.db", folder=tmp_path)
    assert "Equal" in run("verify.py", "sqlite:///source.db", "sqlite:///target.db", folder=tmp_path)


def test_the_adoption_of_gofannon_tells_how_it_is_used(tmp_path: Path) -> None:
    told = run("adopt_gofannon.py", "--help", folder=tmp_path)
    assert "adopted_users" in told
    assert "--dry-run" in told
