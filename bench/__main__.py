"""``python -m bench``: run groups of measurements, print a table, write build/bench.json after each group.

The exit status is 1 when a goal is missed: when a ratio's whole 95 % interval lies on the wrong side of it. What
needs a server or a program that is missing is skipped with the reason; where WHERRY_REQUIRE names the server, that ends
the run.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from time import perf_counter, thread_time

from bench.figures import HEADER, Figure, write_figures
from bench.harness import Effort
from bench.needs import Missing
from tests.servers import required

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Group:
    """Measurements that run together: the modules whose ``run(folder, number, effort)`` makes their figures."""

    modules: str
    about: str
    number: int
    quick_number: int


GROUPS = {
    "contract": Group("bench.contract", "get, save and page against the plain sqlite3 statements", 100_000, 10_000),
    "peers": Group("bench.against_peers", "the same against other libraries", 100_000, 5_000),
    "growth": Group("bench.growth", "cost and memory as the other tenants grow", 1_000_000, 50_000),
    "web": Group("bench.web.rounds", "the agents page under gunicorn", 50, 50),
    "couchdb": Group("bench.couchdb", "client CPU of CouchDB against http.client with orjson", 100, 100),
    "couchdb-server": Group("bench.couchdb_server", "round trips through CouchDB, and its commits", 10_000, 1_000),
    "firestore": Group("bench.firestore", "client CPU of a Firestore page against Google's own client", 100, 100),
    "firestore-server": Group("bench.firestore_server", "round trips through Firestore", 3_000, 1_000),
    "dynamodb": Group("bench.dynamodb", "client CPU of DynamoDB against boto3's client and PynamoDB", 100, 100),
    "dynamodb-server": Group("bench.dynamodb_server", "round trips through DynamoDB", 3_000, 1_000),
    "growth-servers": Group(
        "bench.growth_couchdb bench.growth_firestore bench.growth_dynamodb",
        "a page on each server as the other tenants grow",
        100_000,
        5_000,
    ),
    "transfer": Group("bench.transfer", "copying SQLite to SQLite against a loop by hand", 1_000_000, 30_000),
    "dump": Group("bench.dumping", "dumping and comparing SQLite files against loops by hand", 1_000_000, 20_000),
    "dump-couchdb": Group("bench.dumping_couchdb", "dumping CouchDB beside couchbackup", 50_000, 20_000),
}


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    about = "; ".join(f"{name}: {group.about}" for name, group in GROUPS.items())
    parser.add_argument("groups", nargs="*", choices=[[], *GROUPS], help=about)
    parser.add_argument("--quick", action="store_true", help="fewer documents and shorter rounds, for CI")
    parser.add_argument("--rounds", type=int, default=50, help="rounds of each comparison (50)")
    parser.add_argument("--cpu", action="store_true", help="processor time instead of wall time, for a busy machine")
    parser.add_argument("--documents", type=int, help="documents instead of the group's own number")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench.json")
    asked = parser.parse_args()
    effort = Effort(asked.rounds, clock=thread_time if asked.cpu else perf_counter)
    if asked.quick:
        effort = replace(effort, pieces=5, piece_seconds=0.001, limit=8.0)
    figures: list[Figure] = []
    print(HEADER, flush=True)
    for name in asked.groups or GROUPS:
        group = GROUPS[name]
        number = asked.documents or (group.quick_number if asked.quick else group.number)
        for module in group.modules.split():
            try:
                for figure in _measured(module, number, effort):
                    figures.append(figure)
                    print(figure.as_row(), flush=True)
            except Missing as missing:
                if missing.server in required():
                    sys.exit(f"{name}: {missing} (WHERRY_REQUIRE names it)")
                print(f"{name}, skipped: {missing}", flush=True)
            finally:
                write_figures(figures, asked.output)
    missed = [figure.name for figure in figures if figure.missed]
    print(f"{sum(figure.has_goal for figure in figures)} goals, {len(missed)} missed", *missed, sep="\n  ")
    return 1 if missed else 0


def _measured(module: str, number: int, effort: Effort) -> Iterator[Figure]:
    run: Callable[[Path, int, Effort], Iterator[Figure]] = import_module(module).run
    with tempfile.TemporaryDirectory(prefix="wherry-bench-") as folder:
        yield from run(Path(folder), number, effort)


if __name__ == "__main__":
    sys.exit(main())
