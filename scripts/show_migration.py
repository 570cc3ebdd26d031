"""`make show-migration`: carrying data between databases, at full size; writes docs/evidence/migration.md."""

import sys
from functools import partial

from scripts.server_versions import server_versions
from scripts.show import NOTED, PYTEST_QUIET, ROOT, Step, bench_figures, main

PYTEST = (sys.executable, "-m", "pytest", "-q", "-o", "faulthandler_timeout=3600")
TESTS = "tests/db/transfer"
LIVE = (f"{TESTS}/live/test_under_load.py", f"{TESTS}/live/test_runner.py")
REQUIRED = {"WHERRY_REQUIRE": "sqlite,couchdb,firestore,dynamodb"}
FULL = {**REQUIRED, "CONTRACT_FULL": "1"}

STEPS = (
    Step(
        "All ordered pairs",
        (*PYTEST, f"{TESTS}/test_pairs.py"),
        "From each of the five databases to each other one: documents at every edge, in several tenants, and once "
        "2,000 documents in each of 30 tenants; verify answers equal.",
        figures=(PYTEST_QUIET,),
        timeout=5_400,
        variables=FULL,
    ),
    Step(
        "Copies killed and cut off",
        (*PYTEST, f"{TESTS}/test_kills.py", f"{TESTS}/test_cut_connections.py"),
        "50 kills (-9) at random moments of a copy, each resumed, and connections of the source and of the target cut: "
        "nothing lost, nothing doubled, digests equal.",
        figures=(PYTEST_QUIET,),
        timeout=5_400,
        variables=FULL,
    ),
    Step(
        "Plan, copy, verify, dump, restore, adopt",
        (
            *PYTEST,
            TESTS,
            f"--ignore={TESTS}/live",
            f"--ignore={TESTS}/test_pairs.py",
            f"--ignore={TESTS}/test_kills.py",
        ),
        "What each command says and refuses; damaged and truncated files; repair; a foreign CouchDB adopted.",
        figures=(PYTEST_QUIET,),
        timeout=3_600,
        variables=REQUIRED,
    ),
    Step(
        "The contract through a migration",
        (*PYTEST, "-m", "not crash", f"{TESTS}/live", f"--ignore={LIVE[0]}", f"--ignore={LIVE[1]}"),
        "The conformance suite on routed databases, without a migration and while one captures every change; the "
        "protocol explored as a model, each defence left out in turn; writers that were held up; verification.",
        figures=(PYTEST_QUIET,),
        timeout=5_400,
        variables=FULL,
    ),
    Step(
        "Live",
        (*PYTEST, LIVE[0]),
        "gunicorn: 4 workers and 8 clients write for a minute each through SQLite to CouchDB, CouchDB to DynamoDB, "
        "DynamoDB to Firestore and back, one worker killed and one paused across the cut-over; then rolled back.",
        figures=(PYTEST_QUIET, NOTED),
        timeout=3_600,
        variables=FULL,
    ),
    Step(
        "The runner killed",
        (*PYTEST, LIVE[1]),
        "The process that carries a live migration through: ended at each of its steps, killed (-9) at random moments, "
        "held up while another takes over, cut off from a database; and each time gone on with.",
        figures=(PYTEST_QUIET, NOTED),
        timeout=3_600,
        variables=FULL,
    ),
    Step(
        "Changes to stored documents",
        (*PYTEST, "tests/db/changes"),
        "Numbered changes made once, resumed and recorded; documents of older versions brought up as they are read.",
        figures=(PYTEST_QUIET,),
    ),
    Step(
        "Measurements",
        (sys.executable, "-m", "bench", "transfer", "dump", "dump-couchdb", "--output", "build/bench-transfer.json"),
        "1,000,000 documents of 450 bytes from SQLite to SQLite and to a file: throughput beside hand-written loops "
        "with bulk calls, growth of memory; dumps of CouchDB beside couchbackup.",
        timeout=5_400,
        read=partial(bench_figures, "bench-transfer.json"),
    ),
)

if __name__ == "__main__":
    main(
        "Migration, shown",
        "What `make show-migration` ran, what it proves, and the figures that came out. Firestore is Google's emulator "
        "and DynamoDB is Amazon's DynamoDB Local.",
        ROOT / "docs" / "evidence" / "migration.md",
        STEPS,
        server_versions,
    )
