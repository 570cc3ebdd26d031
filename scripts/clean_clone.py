"""Runs a command in a clean clone whose folder has spaces in its name, while port 8000 is taken by somebody else.

    python -m scripts.clean_clone make test

Answers the command's exit status. The clone has what is committed and nothing else: no .venv, no instance/.
"""

import os
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(command: list[str]) -> int:
    """Clone, run, and remove the clone."""
    variables = {name: text for name, text in os.environ.items() if name != "VIRTUAL_ENV"}
    with tempfile.TemporaryDirectory(prefix="wherry ") as parent, socket.socket() as taken:
        with suppress(OSError):  # somebody else has it already: as good
            taken.bind(("127.0.0.1", 8000))
            taken.listen()
        folder = Path(parent) / "a clean clone"
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)], check=True)
        return subprocess.run(command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
