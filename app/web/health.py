"""/healthz: this process answers. /readyz: it can also reach its database. For load balancers and orchestrators.

Both are answered before Flask sees the request: no session, no template, no host check (a probe knows the machine by
its address). /healthz touches nothing at all, so a database that is down does not get healthy processes restarted.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import orjson
from flask import Flask

from app.db.errors import Throttled
from app.db.flask_ext import TURNS
from app.db.turns import Turns
from app.errors import WherryError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)
RETRY_AFTER = "5"
"""Seconds that a client is asked to wait when the database does not answer."""


class Readiness:
    """Asks `ping` with a deadline. A ping that hangs is made by one thread only, however many probes come.

    A probe waits for it within `turn`: it must not hold the thread that is kept free for pages without the database.
    """

    def __init__(
        self, ping: Callable[[], None], deadline: float, turn: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        self.ping = ping
        self.deadline = deadline
        self.turn = turn
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._running: Future[None] | None = None

    def problem(self) -> str | None:
        """None when the database answered in time, else a sentence without a driver's words."""
        try:
            with self.turn():
                return self._problem()
        except Throttled:
            return "The database has more requests than it answers."

    def _problem(self) -> str | None:
        with self._lock:
            if self._running is None or self._running.done():
                # Made at the first question: after the fork, in the process that is asked.
                self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="readiness")
                self._running = self._pool.submit(self.ping)
            running = self._running
        try:
            running.result(timeout=self.deadline)
        except TooLate:
            log.warning("the database did not answer a ping within %s s", self.deadline)
            return f"The database did not answer within {self.deadline:g} seconds."
        except WherryError as error:
            log.warning("the database is not available: %s", error)
            return "The database is not available."
        except Exception:
            log.exception("the database's ping failed")
            return "The database is not available."
        return None


class HealthMiddleware:
    """WSGI layer that answers the two addresses and passes everything else on."""

    def __init__(self, inner: "WSGIApplication", readiness: Readiness) -> None:
        self.inner = inner
        self.readiness = readiness

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """WSGI."""
        path = environ.get("PATH_INFO", "")
        if path not in ("/healthz", "/readyz"):
            return self.inner(environ, start_response)
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return _answer(environ, start_response, "405 Method Not Allowed", "not allowed", ("Allow", "GET, HEAD"))
        problem = self.readiness.problem() if path == "/readyz" else None
        if problem is None:
            return _answer(environ, start_response, "200 OK", "ok")
        return _answer(environ, start_response, "503 Service Unavailable", problem, ("Retry-After", RETRY_AFTER))


def _answer(
    environ: "WSGIEnvironment", start_response: "StartResponse", status: str, text: str, *more: tuple[str, str]
) -> Iterable[bytes]:
    body = orjson.dumps({"ok": status.startswith("200"), "status": text}) + b"\n"
    start_response(
        status,
        [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
            *more,
        ],
    )
    return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else body]


def register(app: Flask, deadline: float) -> None:
    """Answer /healthz and /readyz in front of `app`; the database is `app.extensions["database"]` when asked."""

    def ping() -> None:
        app.extensions["database"].ping()

    turns: Turns | None = app.extensions.get(TURNS)
    readiness = Readiness(ping, deadline, turns.probe if turns else nullcontext)
    app.wsgi_app = HealthMiddleware(app.wsgi_app, readiness)  # type: ignore[method-assign]
