"""The agents page under gunicorn, in rounds: each server gets one burst of load a round, in a shuffled order.

Ours is the whole application in production settings: session and account read from SQLite, membership and permission
checked, CSRF tokens made, CSP with a nonce, 50 of 200 agents read and counted, a log line written.
"""

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure
from bench.harness import Effort
from bench.web import load
from bench.web.servers import PLAIN, ROOT, fetch, serve
from bench.web.world import PAGE, application, fill, sign_in, variables

CONSTANTS_GOAL, DJANGO_GOAL = 0.45, 1.0
_ROWS = b'data-label="Changed"'


@dataclass(frozen=True, slots=True)
class Server:
    """Where the page is, and the cookie to ask for it with."""

    port: int
    cookie: str


def run(folder: Path, number: int, effort: Effort) -> Iterator[Figure]:
    """Every figure of this group; ``number`` rows are expected on the page."""
    app = application(folder)
    fill(app)
    cookie = sign_in(app)
    made = subprocess.run(
        [sys.executable, "-m", "bench.web.django_site", str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    app.extensions["database"].close()
    ours = ("--config", "gunicorn.conf.py")
    where = {"BENCH_FOLDER": str(folder)}
    with ExitStack() as stack:
        ports = {
            "ours": stack.enter_context(serve("ours", ours, variables(folder), folder)),
            "constants": stack.enter_context(
                serve("constants", (*PLAIN, "bench.web.constants:served()"), {**where, **variables(folder)}, folder)
            ),
            "django": stack.enter_context(serve("django", (*PLAIN, "bench.web.django_site:served()"), where, folder)),
        }
        _, headers, _ = fetch(ports["constants"], "/enter")
        cookies = {
            "ours": cookie,
            "constants": headers["Set-Cookie"].partition(";")[0],
            "django": made.stdout.strip().splitlines()[-1],
        }
        servers = {name: Server(ports[name], cookies[name]) for name in ports}
        sizes = {name: check(name, server, number) for name, server in servers.items()}
        yield from _figures(servers, sizes, effort)


def check(name: str, server: Server, rows: int) -> int:
    """The page's size; AssertionError unless it has the rows when signed in, and refuses when not."""
    status, headers, body = fetch(server.port, PAGE, server.cookie)
    if status != 200 or body.count(_ROWS) != rows:
        raise AssertionError(f"{name} answered {status} with {body.count(_ROWS)} rows")
    if fetch(server.port, PAGE)[2].count(_ROWS):
        raise AssertionError(f"{name} shows the page to anybody")
    if name == "ours" and ("nonce-" not in headers["Content-Security-Policy"] or b"csrf_token" not in body):
        raise AssertionError("ours lacks its CSP or its CSRF token")
    return len(body)


def _figures(servers: dict[str, Server], sizes: dict[str, int], effort: Effort) -> Iterator[Figure]:
    chance = random.Random(1)
    order = list(servers)
    rounds = min(effort.rounds, int(4 * effort.limit / (load.SECONDS * len(order))))
    found: dict[str, list[float]] = {name: [] for name in servers}
    for server in servers.values():
        load.burst(server.port, PAGE, server.cookie)  # warm
    for _ in range(max(5, rounds)):
        chance.shuffle(order)
        for name in order:
            found[name].append(load.burst(servers[name].port, PAGE, servers[name].cookie))
    note = f"{load.tool()}; pages of {sizes['ours']:,}, {sizes['constants']:,} and {sizes['django']:,} bytes"
    yield Figure.from_rounds(
        "agents page / its template from constants on bare Flask",
        found["ours"],
        found["constants"],
        "requests/s",
        at_least=CONSTANTS_GOAL,
        note=note,
    )
    yield Figure.from_rounds(
        "agents page / the same page in Django",
        found["ours"],
        found["django"],
        "requests/s",
        at_least=DJANGO_GOAL,
        note=note,
    )
