"""`make show-foundation`: what the foundation promises, run at full size; writes docs/evidence/foundation.md."""

import sys

from scripts.show import PYTEST_CLOSING, PYTEST_QUIET, ROOT, Step, bench_figures, main

PYTEST = (sys.executable, "-m", "pytest", "-q")

STEPS = (
    Step(
        "Clean clone",
        (*PYTEST, "-m", "slow or not slow", "tests/run/test_make_run.py", "tests/run/test_first_five_minutes.py"),
        "A clean clone in a folder with a space starts with `make run`, prints one link and answers; the link leads "
        "through set-up to an edited agent in headless Chromium; a taken port, a "
        "missing or old Python are one clear sentence.",
        figures=(PYTEST_QUIET,),
        variables={"WHERRY_REQUIRE": "sqlite"},
    ),
    Step(
        "Server",
        (*PYTEST, "tests/run/test_server.py"),
        "gunicorn answers a request in flight after SIGTERM, reloads, and refuses mistaken settings in one sentence.",
        figures=(PYTEST_QUIET,),
    ),
    Step(
        "Static checks",
        ("make", "check-static"),
        "Formatting, lint and strict types of everything.",
    ),
    Step(
        "Tests",
        (sys.executable, "-m", "scripts.clean_clone", "make", "test"),
        "In a clean clone, in a folder with spaces, with port 8000 taken: every test that is not slow, with SQLite and "
        "a browser required to be there.",
        figures=(PYTEST_CLOSING,),
        variables={"WHERRY_REQUIRE": "sqlite,browser"},
    ),
    Step(
        "Conformance suite on memory and SQLite",
        (*PYTEST, "-m", "not crash", "tests/db/test_memory.py", "tests/db/test_sqlite.py"),
        "Every promise of the database contract, a state machine of 500 x 50 steps that compares each backend with "
        "memory, storms by threads and processes, write skew, the bank.",
        figures=(PYTEST_QUIET,),
        variables={"WHERRY_REQUIRE": "sqlite", "CONTRACT_FULL": "1"},
    ),
    Step(
        "Mutants",
        ("make", "mutants"),
        "Each known way to break the database layer makes the suite fail.",
        figures=(r"(?P<figure>\d+ of \d+ mutants were noticed.*)",),
        timeout=3_600,
    ),
    Step(
        "Processes killed",
        (*PYTEST, "-m", "crash and not server"),
        "No unit of work is ever half there, and every acknowledged one is, when the process is killed at 200 random "
        "moments.",
        figures=(PYTEST_QUIET,),
        variables={"CONTRACT_FULL": "1"},
    ),
    Step(
        "Browser",
        (*PYTEST, "-m", "browser and not slow", "tests"),
        "Headless Chromium: pages, keyboard, contrast, 360 px, set-up, and two editors of one agent.",
        figures=(PYTEST_QUIET,),
        variables={"WHERRY_REQUIRE": "browser"},
    ),
    Step(
        "Measurements",
        ("make", "bench", "ARGS=contract peers growth web"),
        "Costs beside plain statements and other libraries; the figures are in build/bench.json.",
        timeout=3_600,
        read=bench_figures,
    ),
    Step(
        "Locked dependencies",
        (sys.executable, "-m", "pip", "check"),
        "The locked versions fit together.",
    ),
)

if __name__ == "__main__":
    main(
        "The foundation, shown",
        "What `make show-foundation` ran, what it proves, and the figures that came out.",
        ROOT / "docs" / "evidence" / "foundation.md",
        STEPS,
    )
