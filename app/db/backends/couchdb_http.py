"""The thin session under the CouchDB backend: HTTP/1.1 over kept-alive connections that threads share.

Every request has one deadline, from sending to the last byte of the answer, so that a server that drips or hangs cannot
hold a thread longer. Once a request has run out of time, further ones get a tenth of a second only, until one is
answered or a second has passed: an operation of several requests does not wait for each of them.

A request is repeated only if it is safe (it reads) and met a connection that the server had closed meanwhile. A write
is never repeated here, since it may have been applied: whoever wrote settles that by reading the revision. Connections
are opened on demand, in each process anew after a fork.

Only what CouchDB sends is understood: a status line, headers, and a body with a length or in chunks.
"""

import os
import select
import socket
import ssl
import threading
import weakref
from base64 import b64encode
from collections import deque
from time import monotonic
from typing import Any, Final, NamedTuple

import orjson

from app.db.backends.couchdb_errors import Busy, ConnectFailed, ReplyLost, failure

_CHUNK: Final = 65_536
_LARGEST_HEAD: Final = 65_536
_IDLE_AT_MOST: Final = 60.0
_DOUBT: Final = 1.0
_PROBE: Final = 0.1
_BYTES_A_SECOND: Final = 2_000_000
_sessions: "weakref.WeakSet[Session]" = weakref.WeakSet()


class Reply(NamedTuple):
    """An answer: its status, its header lines in lower case, its body."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: bytes) -> str:
        """A header's value, or ""."""
        start = self.head.find(b"\r\n" + name + b":")
        if start < 0:
            return ""
        end = self.head.find(b"\r\n", start + 2)
        return self.head[start + len(name) + 3 : end if end > 0 else len(self.head)].strip().decode("latin-1")


class _Closed(Exception):
    """The server closed the connection before the first byte of an answer."""


class _Connection:
    """One connection, used by one thread at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.idle_since = 0.0
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._rest = b""

    def stale(self) -> bool:
        """Whether the server has closed it, or sent something that nobody asked for."""
        return monotonic() - self.idle_since > _IDLE_AT_MOST or bool(self._poll.poll(0))

    def close(self) -> None:
        self.sock.close()

    def exchange(self, request: bytes, deadline: float, *, bodiless: bool) -> tuple[Reply, bool]:
        """Send a request and read its answer. Answers it, and whether the connection can be used again."""
        self.sock.settimeout(_left(deadline))
        self.sock.sendall(request)
        data = self.sock.recv(_CHUNK)
        if not data:
            raise _Closed
        end = data.find(b"\r\n\r\n")
        while end < 0:
            if len(data) > _LARGEST_HEAD:
                raise OSError("no end of the headers")
            data += self._more(deadline)
            end = data.find(b"\r\n\r\n")
        head = data[:end].lower()
        if not head.startswith(b"http/1."):
            raise OSError("not HTTP")
        status = int(head[9:12])
        self._rest = data[end + 4 :]
        reusable = b"\r\nconnection: close" not in head
        if bodiless or status in (204, 304):
            body = b""
        elif b"\r\ntransfer-encoding: chunked" in head:
            body = self._chunks(deadline)
        else:
            at = head.find(b"\r\ncontent-length:")
            if at < 0:
                raise OSError("no length")
            stop = head.find(b"\r\n", at + 2)
            body = self._take(int(head[at + 17 : stop if stop > 0 else len(head)]), deadline)
        reusable = reusable and not self._rest
        self._rest = b""
        return Reply(status, head, body), reusable

    def _more(self, deadline: float) -> bytes:
        self.sock.settimeout(_left(deadline))
        data = self.sock.recv(_CHUNK)
        if not data:
            raise OSError("closed within an answer")
        return data

    def _take(self, length: int, deadline: float) -> bytes:
        rest = self._rest
        if len(rest) < length:
            parts, have = [rest], len(rest)
            while have < length:
                parts.append(self._more(deadline))
                have += len(parts[-1])
            rest = b"".join(parts)
        self._rest = rest[length:]
        return rest[:length]

    def _chunks(self, deadline: float) -> bytes:
        data, at = self._rest, 0
        parts: list[bytes] = []
        while True:
            line = data.find(b"\r\n", at)
            while line < 0:
                data, at = data[at:] + self._more(deadline), 0
                line = data.find(b"\r\n", at)
            size = int(data[at:line].split(b";")[0], 16)
            at = line + 2
            if len(data) - at < size + 2:
                self._rest = data[at:]
                data, at = self._take(size + 2, deadline) + self._rest, 0
            if size == 0:
                self._rest = data[at + 2 :]
                return b"".join(parts)
            parts.append(data[at : at + size])
            at += size + 2


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
        self._tls = tls
        self._connect_timeout, self._connections, self._wait = connect_timeout, connections, wait
        shown = f"[{host}]" if ":" in host else host
        lines = [f"Host: {shown}:{port}", "Accept: application/json", "Content-Type: application/json"]
        if user:
            lines.append("Authorization: Basic " + b64encode(f"{user}:{password}".encode()).decode())
        self._headers = ("\r\n" + "\r\n".join(lines) + "\r\n").encode("latin-1")
        self._start()
        _sessions.add(self)

    def _start(self) -> None:
        self._idle: deque[_Connection] = deque()
        self._free = threading.BoundedSemaphore(self._connections)
        self._doubt_until = 0.0

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
        if not self._free.acquire(timeout=self._wait):
            raise Busy("no free connection")
        now = monotonic()
        if timeout is not None:
            deadline = now + timeout
        else:
            deadline = now + (self.timeout + len(body) / _BYTES_A_SECOND if now > self._doubt_until else _PROBE)
        try:
            connection = self._kept()
            if connection is not None:
                try:
                    return self._exchange(connection, method, request, deadline)
                except (_Closed, ConnectionError, BrokenPipeError) as error:
                    if not safe:
                        raise ReplyLost(str(error) or "closed", write=True) from error
            connection = self._connect(deadline)
            try:
                return self._exchange(connection, method, request, deadline)
            except (_Closed, ConnectionError, BrokenPipeError) as error:
                raise ReplyLost(str(error) or "closed", write=not safe) from error
        except (OSError, ValueError) as error:  # a time-out, or an answer that is none
            if isinstance(error, TimeoutError):
                self._doubt_until = monotonic() + _DOUBT
            raise ReplyLost(str(error) or "no answer", write=not safe) from error
        finally:
            self._free.release()

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
        """Close the connections that nobody uses; those in use are closed when they come back."""
        while self._idle:
            self._idle.pop().close()

    def _exchange(self, connection: _Connection, method: str, request: bytes, deadline: float) -> Reply:
        try:
            reply, reusable = connection.exchange(request, deadline, bodiless=method == "HEAD")
        except BaseException:
            connection.close()
            raise
        self._doubt_until = 0.0
        if reusable:
            connection.idle_since = monotonic()
            self._idle.append(connection)
        else:
            connection.close()
        return reply

    def _kept(self) -> _Connection | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if not connection.stale():
                return connection
            connection.close()

    def _connect(self, deadline: float) -> _Connection:
        patience = min(self._connect_timeout, _left(deadline))
        try:
            sock = socket.create_connection((self.host, self.port), timeout=patience)
        except OSError as error:
            if isinstance(error, TimeoutError):
                self._doubt_until = monotonic() + _DOUBT
            raise ConnectFailed(str(error)) from error
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_hostname=self.host)
        except ssl.SSLError as error:
            sock.close()
            raise ConnectFailed(str(error), tls=True) from error
        except OSError as error:
            sock.close()
            raise ConnectFailed(str(error), tls=self._tls is not None) from error
        return _Connection(sock)


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("the deadline passed")
    return left


def _forget_parents_connections() -> None:
    # A connection that two processes read is one whose answers get mixed up: the child starts with none. Closing its
    # copies of the sockets does not close the parent's.
    for session in list(_sessions):
        idle = session._idle
        session._start()
        while idle:
            idle.pop().close()


os.register_at_fork(after_in_child=_forget_parents_connections)
