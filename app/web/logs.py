"""Logs as JSON: one line per event, one event per request. Every line carries the correlation id.

A line is one JSON object whatever was logged: line breaks and control characters inside a value are escaped, so nobody
can forge a line. Headers, cookies, query strings and bodies are never logged: they hold secrets.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from flask import Flask, Response, request

from app.db.correlation import correlation_id
from app.web.context import current
from app.web.json_lines import JsonLines

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ENVIRON_KEY = "wherry.log"
HANDLER = "wherry"
"""Name of the one handler; gunicorn.conf.py gives the same name to the master's."""
LONGEST_PATH = 500
"""Characters of a path that a line keeps."""

_requests = logging.getLogger("wherry.request")


class JsonFormatter(JsonLines):
    """A line of JSON with the correlation id of the request or command that the thread works for."""

    def context(self) -> dict[str, Any]:
        """The id, if there is one."""
        identifier = correlation_id()
        return {"correlation_id": identifier} if identifier else {}


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send the whole process's log to `stream` (standard error) as JSON. Calling it again replaces the first call."""
    root = logging.getLogger()
    for former in [found for found in root.handlers if found.name == HANDLER]:
        root.removeHandler(former)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.name = HANDLER
    handler.setFormatter(JsonFormatter())
    root.addHandler(handler)
    root.setLevel(level)


class RequestLogMiddleware:
    """Writes the request's line when its last byte has left: method, path, status, duration_ms, user_id, tenant_id.

    A response that breaks off in the middle gets its line too, with `"complete": false`.
    """

    def __init__(self, inner: "WSGIApplication", clock: Callable[[], float] = time.perf_counter) -> None:
        self.inner = inner
        self.clock = clock

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """WSGI."""
        line = _Line(environ, self.clock)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            line.status = int(status.partition(" ")[0])
            return start_response(status, headers, exc_info)

        try:
            body = self.inner(environ, start)
        except BaseException:
            line.status = 500
            line.write()
            raise
        return _Watched(body, line)


class _Line:
    def __init__(self, environ: "WSGIEnvironment", clock: Callable[[], float]) -> None:
        self.environ = environ
        self.clock = clock
        self.started = clock()
        self.status = 0
        self.complete = False
        self.written = False

    def write(self) -> None:
        if self.written:
            return
        self.written = True
        path = self.environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "backslashreplace")
        fields: dict[str, Any] = {
            "method": self.environ.get("REQUEST_METHOD", ""),
            "path": path[:LONGEST_PATH],
            "status": self.status,
            "duration_ms": round((self.clock() - self.started) * 1000, 2),
            "address": self.environ.get("REMOTE_ADDR", ""),
            "user_id": None,
            "tenant_id": None,
            "complete": self.complete,
        }
        fields.update(self.environ.get(ENVIRON_KEY, {}))
        _requests.log(logging.ERROR if self.status >= 500 else logging.INFO, "request", extra=fields)


class _Watched:
    """The response's body; notices its end. WSGI servers call close() when they are done, whatever happened."""

    def __init__(self, body: Iterable[bytes], line: _Line) -> None:
        self.body = body
        self.line = line

    def __iter__(self) -> Iterator[bytes]:
        yield from self.body
        self.line.complete = True
        self.line.write()

    def close(self) -> None:
        close = getattr(self.body, "close", None)
        try:
            if close is not None:
                close()
        finally:
            self.line.write()


def note_who(response: Response) -> Response:
    """After each request: leave user and tenant, as far as they are known, for the line. Reads nothing."""
    context = current()
    request.environ[ENVIRON_KEY] = {
        "user_id": context.known_user.id if context.known_user else None,
        "tenant_id": context.tenant.id if context.tenant else None,
    }
    return response


def register(app: Flask) -> None:
    """Give `app` its line per request."""
    app.after_request(note_who)
    app.wsgi_app = RequestLogMiddleware(app.wsgi_app)  # type: ignore[method-assign]
