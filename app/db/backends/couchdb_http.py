"""The thin session under the CouchDB backend: requests with CouchDB's headers over http_pool.py's connections.

Once a request has run out of the usual time, further ones get a tenth of a second only, until one is answered or a
second has passed: an operation of several requests does not wait for each of them.

A request is repeated only if it is safe (it reads) and met a connection that the server had closed meanwhile. A write
is never repeated here, since it may have been applied: whoever wrote settles that by reading the revision.
"""

import ssl
from base64 import b64encode
from time import monotonic
from typing import Any, Final

import orjson

from app.db.backends.couchdb_errors import Busy, ConnectFailed, ReplyLost, failure
from app.db.backends.http_pool import Full, NotConnected, Pool, Reply
from app.db.time_limit import bounded

_DOUBT: Final = 1.0
_PROBE: Final = 0.1
_BYTES_A_SECOND: Final = 2_000_000


class Session:
    """Requests to one server. ``connections`` bounds how many run at once; further ones wait for at most ``wait``
    seconds. Times are in seconds; ``timeout`` is the usual deadline of a request, which a request may set itself."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        user: str = "",
        password: str = "",
        base: str = "",
        connect_timeout: float = 1.0,
        timeout: float = 2.0,
        connections: int = 32,
        wait: float = 1.0,
    ) -> None:
        self.host, self.port, self.base = host, port, base
        self.timeout = timeout
        self._doubt_until = 0.0
        self.pool = Pool(host, port, tls=tls, connect_timeout=connect_timeout, at_once=connections, wait=wait)
        shown = f"[{host}]" if ":" in host else host
        lines = [f"Host: {shown}:{port}", "Accept: application/json", "Content-Type: application/json"]
        if user:
            lines.append("Authorization: Basic " + b64encode(f"{user}:{password}".encode()).decode())
        self._headers = ("\r\n" + "\r\n".join(lines) + "\r\n").encode("latin-1")

    def request(
        self, method: str, path: str, body: bytes = b"", *, safe: bool = False, timeout: float | None = None
    ) -> Reply:
        """One round trip. ``path`` is encoded already. ``safe`` says that the request only reads, whatever its method.

        ConnectFailed and Busy: nothing was sent. ReplyLost: it may have been carried out. Any status is an answer.
        A long body adds to the usual deadline; ``timeout`` is a deadline for what is known to take long.
        """
        request = b"%b %b%b HTTP/1.1%bContent-Length: %d\r\n\r\n%b" % (
            method.encode(), self.base.encode(), path.encode(), self._headers, len(body), body,
        )  # fmt: skip
        try:
            self.pool.reserve()
        except Full as error:
            raise Busy(str(error)) from error
        now = monotonic()
        if timeout is None:
            timeout = self.timeout + len(body) / _BYTES_A_SECOND if now > self._doubt_until else _PROBE
        deadline = bounded(now + timeout)
        try:
            if deadline <= now:
                raise Busy("no time is left for another request")
            reply = self.pool.exchange(request, deadline, safe=safe, bodiless=method == "HEAD")
        except NotConnected as error:
            self._doubt(error.__cause__, deadline - now)
            raise ConnectFailed(str(error), tls=error.tls) from error
        except (OSError, ValueError) as error:  # no answer in time, or one that is none
            self._doubt(error, deadline - now)
            raise ReplyLost(str(error) or "no answer", write=not safe) from error
        finally:
            self.pool.release()
        self._doubt_until = 0.0
        return reply

    def _doubt(self, error: BaseException | None, had: float) -> None:
        # That a tenth of a second was too little says nothing: a server that always takes longer would stay in doubt.
        if isinstance(error, TimeoutError) and had >= min(self.timeout, _DOUBT):
            self._doubt_until = monotonic() + _DOUBT

    def json(
        self, method: str, path: str, value: Any = None, *, safe: bool = False, timeout: float | None = None
    ) -> Any:
        """``request`` with JSON both ways; HttpFailure for an error status."""
        body = b"" if value is None else orjson.dumps(value)
        reply = self.request(method, path, body, safe=safe or method == "GET", timeout=timeout)
        if reply.status >= 400:
            raise failure(reply.status, reply.body, reply.header(b"retry-after"))
        if reply.status == 202 and method == "PUT":
            raise ReplyLost("accepted, but not stored", write=True)
        try:
            return orjson.loads(reply.body)
        except orjson.JSONDecodeError as error:
            raise ReplyLost("not JSON", write=not safe and method != "GET") from error

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self.pool.close()
