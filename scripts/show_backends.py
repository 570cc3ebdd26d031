"""`make show-backends`: what CouchDB, Firestore and DynamoDB promise, at full size; see docs/evidence/backends.md."""

import sys
from functools import partial

from scripts.server_versions import server_versions
from scripts.show import NOTED, PYTEST_QUIET, ROOT, Step, bench_figures, main

PYTEST = (sys.executable, "-m", "pytest", "-q", "-o", "faulthandler_timeout=3600")
SERVERS = {"couchdb": "CouchDB", "firestore": "Firestore", "dynamodb": "DynamoDB"}
DATABASES = {"memory": "memory", "sqlite": "SQLite", **SERVERS}
REQUIRED = {"WHERRY_REQUIRE": ",".join(SERVERS)}
FULL = {**REQUIRED, "CONTRACT_FULL": "1"}


def conformance(backend: str, title: str) -> Step:
    """The contract's suite on one server."""
    return Step(
        f"Conformance suite on {title}",
        (*PYTEST, "-m", "not crash", f"tests/db/test_{backend}.py"),
        "Every promise of the database contract, none skipped: a state machine of 500 x 50 steps that compares with "
        "memory, conflict storms, write skew, read your writes, the bank.",
        figures=(PYTEST_QUIET,),
        timeout=5_400,
        variables=FULL,
    )


def application(database: str) -> Step:
    """The application's own tests on one database."""
    return Step(
        f"The application on {DATABASES[database]}",
        ("make", "test-matrix", f"DATABASES={database}"),
        "The application's own tests with this as its database.",
        figures=(r"(?m)^ +(?P<figure>\w+ +(?:green|RED) .*)$",),
        timeout=1_800,
        variables=REQUIRED,
    )


def outage(backend: str, title: str) -> Step:
    """The database goes away and comes back while people work."""
    return Step(
        f"{title} stopped under load",
        (*PYTEST, "-m", "server", "tests/run/test_outage.py", "-k", backend),
        "Answers are 503 with Retry-After within 3 s, normal within 5 s of the database's return, by the same "
        "processes; no acknowledged write is lost, no worker stuck.",
        figures=(PYTEST_QUIET, NOTED),
        timeout=3_600,
        variables=FULL,
    )


def measurement(groups: str, name: str, proves: str) -> Step:
    """Groups of measurements, into a file of their own."""
    file = f"bench-{groups.split()[0]}.json"
    return Step(
        name,
        (sys.executable, "-m", "bench", *groups.split(), "--output", f"build/{file}"),
        proves,
        figures=(r"(?m)^(?P<figure>CouchDB commit of \d+ .*)$", r"(?m)\((?P<figure>shown by .*)\)$"),
        timeout=5_400,
        read=partial(bench_figures, file),
    )


STEPS = (
    *(conformance(backend, title) for backend, title in SERVERS.items()),
    Step(
        "Conformance suite on memory and SQLite",
        (*PYTEST, "-m", "not crash", "tests/db/test_memory.py", "tests/db/test_sqlite.py"),
        "The same on the two that need no server.",
        figures=(PYTEST_QUIET,),
        timeout=3_600,
        variables=FULL,
    ),
    Step(
        "Errors, faults, requests",
        (
            *PYTEST,
            "-m",
            "server and not crash and not slow and not bench",
            "tests/db",
            *(f"--deselect=tests/db/test_{backend}.py" for backend in SERVERS),
            "--ignore=tests/db/transfer",
        ),
        "The real errors of each server provoked and told in a sentence; connections that are delayed, swallowed, "
        "reset, cut, and replies lost; the number of requests of every operation; doctor and prepare.",
        figures=(PYTEST_QUIET,),
        timeout=3_600,
        variables=REQUIRED,
    ),
    Step(
        "Processes killed",
        (*PYTEST, "-m", "crash and server", "tests/db", "--ignore=tests/db/transfer"),
        "kill -9 of the application at every HTTP call inside a CouchDB commit, of processes at random moments inside "
        "commits on each server, and of the servers: nothing is seen half, everything is settled within 15 s.",
        figures=(PYTEST_QUIET,),
        timeout=3_600,
        variables=FULL,
    ),
    *(application(database) for database in DATABASES),
    Step(
        "Mutants",
        ("make", "mutants"),
        "The mutants of the commit protocol and of its readers, and of each adapter, are noticed in the real code.",
        figures=(r"(?P<figure>\d+ of \d+ mutants were noticed.*)",),
        timeout=3_600,
        variables=REQUIRED,
    ),
    *(outage(backend, title) for backend, title in SERVERS.items()),
    measurement(
        "couchdb couchdb-server",
        "Measurements on CouchDB",
        "Round trips beside the raw client on the same server, a page of few columns beside `_find`, the client's own "
        "time, and what a commit of several documents costs.",
    ),
    measurement(
        "firestore firestore-server",
        "Measurements on Firestore",
        "Round trips beside Google's client on the same server, and the client's own time.",
    ),
    measurement(
        "dynamodb dynamodb-server",
        "Measurements on DynamoDB",
        "Round trips beside boto3's client and PynamoDB on the same server, and the client's own time.",
    ),
    measurement(
        "growth-servers",
        "Growth",
        "One tenant's filtered, sorted page while the others grow from 1,000 to 100,000 documents, and whose documents "
        "the server read for it.",
    ),
)

if __name__ == "__main__":
    main(
        "CouchDB, Firestore and DynamoDB, shown",
        "What `make show-backends` ran, what it proves, and the figures that came out. Firestore is Google's emulator "
        "and DynamoDB is Amazon's DynamoDB Local: nothing here ran against the services themselves.",
        ROOT / "docs" / "evidence" / "backends.md",
        STEPS,
        server_versions,
    )
