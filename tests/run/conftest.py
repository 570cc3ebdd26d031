"""What the tests of a first start share."""

import subprocess
from pathlib import Path

import pytest

from tests.run.servers import ROOT
from tests.servers import require


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clean clone of what is committed, in a folder whose name has spaces."""
    require("git")
    require("make")
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git work tree")
    folder = tmp_path / "a folder with spaces" / "my wherry"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)], check=True)
    return folder
