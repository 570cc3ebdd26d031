"""`make test-matrix`: the application's own tests, all of them, once on each of the five databases.

    python -m scripts.test_matrix [memory sqlite couchdb firestore dynamodb] [-- arguments of pytest]

Databases that are named, here or in WHERRY_REQUIRE, have to be there. Without names it is all whose servers can be had,
and those that cannot are told. Exit status 0 if every run was green and nothing was missing that is required.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers import available, required

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("memory", "sqlite", "couchdb", "firestore", "dynamodb")
# Whatever makes an application with a database, and what stands directly on the contract. Tests of one database (a full
# disk) and tests without any say so themselves and run on each turn: they are few.
TESTS = (
    "tests/auth",
    "tests/core",
    "tests/modules",
    "tests/tenants",
    "tests/users",
    "tests/web",
    "tests/test_command_line.py",
    "tests/db/test_ambient.py",
    "tests/db/test_audit.py",
    "tests/db/test_claims.py",
    "tests/db/test_cli.py",
    "tests/db/test_flask_ext.py",
    "tests/db/test_stores.py",
    "tests/db/test_unit_of_work.py",
)
MARKS = "not slow and not crash and not bench and not server"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one database: ``said`` is pytest's last line, or why it did not run."""

    name: str
    ran: bool
    ok: bool
    said: str


def run(name: str, arguments: Sequence[str]) -> Outcome:
    """All tests on one database; what pytest prints is passed on."""
    names = required() | ({name} - {"memory"})
    environment = {**os.environ, "TEST_DATABASE": name, "WHERRY_REQUIRE": ",".join(sorted(names))}
    command = [sys.executable, "-m", "pytest", "-q", "-m", MARKS, *TESTS, *arguments]
    began, last = time.monotonic(), ""
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            last = line.strip() or last
    seconds = time.monotonic() - began
    return Outcome(name, True, process.returncode == 0, f"{last.strip('= ')} ({seconds:.0f} s with its server)")


def missing(name: str) -> Outcome | None:
    """Why a database cannot be had here; None if it can."""
    found = None if name == "memory" else available(name)
    if found is None or found.here:
        return None
    return Outcome(name, False, name not in required(), f"not here: {found.detail}; {found.remedy}")


def main(arguments: Sequence[str]) -> int:
    """Run and report; the exit status."""
    arguments = list(arguments)
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    named, more = arguments[:cut], arguments[cut + 1 :]
    if unknown := sorted(set(named) - set(NAMES)):
        print(f"DATABASES names {', '.join(unknown)}; known are {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    outcomes = []
    for name in named or NAMES:
        lacking = missing(name)
        if lacking is None:
            print(f"--- on {name}", flush=True)
            outcomes.append(run(name, more))
        else:
            outcomes.append(lacking if not named else Outcome(name, False, False, lacking.said))
    print("\nThe application's own tests on each database:")
    for one in outcomes:
        verdict = ("green" if one.ok else "RED") if one.ran else ("skipped" if one.ok else "MISSING")
        print(f"  {one.name:<10} {verdict:<8} {one.said}")
    return 0 if all(one.ok for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
