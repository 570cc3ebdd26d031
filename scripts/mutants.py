"""`make mutants`: breaks the code in known ways, one at a time, and sees that the tests notice each.

The table is in tests/db/mutants.py. Every mutant is made in a copy under build/mutants, never in the work tree. A
mutant that survives, and one whose text is no longer in the code, is a failure: the first shows a hole in the tests,
the second that the table is out of date.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.db import couchdb_server, dynamodb_server, firestore_server  # noqa: E402 -- found through the line above
from tests.db.mutant import Mutant  # noqa: E402
from tests.db.mutants import MUTANTS  # noqa: E402
from tests.servers import available, required  # noqa: E402

COPY = ROOT / "build" / "mutants"
COPIED = ("app", "tests", "scripts", "pyproject.toml", "settings.toml", ".secrets.toml")
QUICK = "not slow and not crash"
SERVERS = {
    "couchdb": couchdb_server.shared_url,
    "firestore": firestore_server.shared_url,
    "dynamodb": dynamodb_server.shared_url,
}
ENDS_WITHIN = 120
"""Seconds that the tests of one mutant get, at least: one that makes a loop endless is noticed by that."""
TESTS_FAILED = 1
"""pytest's exit status for failing tests; anything else would mean that the mutant was not even tried."""


def copy_tree() -> None:
    """A fresh copy of what the tests need."""
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir(parents=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, COPY / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / name, COPY / name)
    # The database layer stands alone: without the application's wiring each mutant is tried in half the time.
    (COPY / "app" / "__init__.py").write_text("", encoding="utf-8")


def pytest(tests: Sequence[str], seconds: float = 600) -> "subprocess.CompletedProcess[str]":
    """The tests in the copy; the copy's own package is imported because pytest runs in its folder."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", "-m", QUICK, *tests]
    return subprocess.run(
        command, cwd=COPY, capture_output=True, text=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL
    )


def problem_with(mutant: Mutant, seconds: float) -> str | None:
    """None when the tests noticed the mutant, else what is wrong."""
    file = COPY / mutant.file
    right = file.read_text(encoding="utf-8")
    if right.count(mutant.right) != 1:
        return f"its text is {right.count(mutant.right)} times in {mutant.file}, not once: bring the table up to date"
    file.write_text(right.replace(mutant.right, mutant.wrong), encoding="utf-8")
    try:
        ended = pytest(mutant.tests, seconds)
    except subprocess.TimeoutExpired:
        print(f"    noticed: the tests do not end within {seconds:.0f} s", flush=True)
        return None
    finally:
        file.write_text(right, encoding="utf-8")
    if ended.returncode == 0:
        return "SURVIVED: no test noticed it"
    if ended.returncode != TESTS_FAILED:
        return f"was not tried: pytest ended with {ended.returncode}\n{ended.stdout[-2_000:]}"
    failed = next((line for line in ended.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))), "")
    print(f"    noticed by {failed.partition(' - ')[0].removeprefix('FAILED ').removeprefix('ERROR ')}", flush=True)
    return None


def with_servers(wanted: list[Mutant]) -> list[Mutant]:
    """The mutants that can be tried here; one server of each kind is started for all of them."""
    for name in sorted({mutant.server for mutant in wanted} - {""}):
        found = available(name)
        if found.here:
            os.environ[f"TEST_{name.upper()}_URL"] = SERVERS[name]()
        elif name in required():
            sys.exit(f"{name}: {found.detail}; {found.remedy} (WHERRY_REQUIRE names it)")
        else:
            left = [mutant for mutant in wanted if mutant.server == name]
            wanted = [mutant for mutant in wanted if mutant.server != name]
            print(f"{len(left)} mutants are not tried. {name}: {found.detail}; {found.remedy}", flush=True)
    return wanted


def main() -> None:
    """Exit status 0 when the unbroken copy passes and every mutant is noticed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--only", default="", help="only the mutants whose name contains this")
    wanted = [mutant for mutant in MUTANTS if arguments.parse_args().only.lower() in mutant.name.lower()]
    wanted = with_servers(wanted)
    started = time.monotonic()
    copy_tree()
    sound = pytest(sorted({test for mutant in wanted for test in mutant.tests}))
    if sound.returncode != 0:
        sys.exit(f"the tests fail without any mutant:\n{sound.stdout[-4_000:]}{sound.stderr[-2_000:]}")
    seconds = max(ENDS_WITHIN, 4 * (time.monotonic() - started))
    problems = 0
    for number, mutant in enumerate(wanted, start=1):
        print(f"[{number}/{len(wanted)}] {mutant.name}", flush=True)
        problem = problem_with(mutant, seconds)
        if problem is not None:
            problems += 1
            print(f"    {problem}", flush=True)
    print(f"{len(wanted) - problems} of {len(wanted)} mutants were noticed in {time.monotonic() - started:.0f} s")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
