"""One id for everything that happens because of one request: in the header, in every log line, in the audit record.

A client or proxy may send its own in X-Request-ID; anything but 8 to 64 letters, digits, `.`, `_` and `-` is replaced,
so that nobody writes into our logs. Every response names the id, error pages show it.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask

from app.db.correlation import new_correlation_id, use_correlation_id

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADER = "X-Request-ID"
ENVIRON_KEY = "wherry.correlation_id"
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,64}")


def accepted(value: str | None) -> str | None:
    """`value` if it may serve as an id, else None."""
    return value if value is not None and _ACCEPTED.fullmatch(value) else None


class CorrelationMiddleware:
    """Outermost WSGI layer: puts the id into the environment and the thread, and into the response's headers.

    The id stays the thread's own until its next request: the lines that are written after the last byte has left
    belong to the request too.
    """

    def __init__(self, inner: "WSGIApplication") -> None:
        self.inner = inner

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """WSGI."""
        value = accepted(environ.get("HTTP_X_REQUEST_ID")) or new_correlation_id()
        environ[ENVIRON_KEY] = value
        use_correlation_id(value)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            headers = [(name, text) for name, text in headers if name.lower() != "x-request-id"]
            return start_response(status, [*headers, (HEADER, value)], exc_info)

        return self.inner(environ, start)


def register(app: Flask) -> None:
    """Wrap `app`. Call it last, so that every other layer already has the id."""
    app.wsgi_app = CorrelationMiddleware(app.wsgi_app)  # type: ignore[method-assign]
