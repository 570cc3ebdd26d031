"""`make show-foundation`: what the foundation promises, run at full size; writes docs/evidence/foundation.md."""

import sys

from scripts.show import PYTEST_QUIET, ROOT, Step, main

PYTEST = (sys.executable, "-m", "pytest", "-q")

STEPS = (
    Step(
        "Clean clone",
        (*PYTEST, "-m", "slow or not slow", "tests/run/test_make_run.py"),
        "A clean clone in a folder with a space starts with `make run`, prints one link and answers; a taken port, a "
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
        ("make", "test"),
        "Every test that is not slow, with SQLite and a browser required to be there.",
        figures=(PYTEST_QUIET, r"=+ (?P<figure>\d+ passed.*?) in [\d.]+s"),
        variables={"WHERRY_REQUIRE": "sqlite,browser"},
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
