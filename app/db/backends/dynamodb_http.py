"""Kept-alive HTTP/1.1 connections to one host, shared by threads, opened anew in each process.

Sending and receiving are two calls, so that several requests can be under way from one thread. Both keep a deadline
from the first byte to the last, whatever the server does. Only what DynamoDB sends is understood: a status line,
headers, and a body with a length or in chunks.
"""

import os
import select
import socket
import ssl
import weakref
from collections import deque
from time import monotonic
from typing import Final, NamedTuple

from app.db.backends.dynamodb_errors import NotSent

_CHUNK: Final = 262_144
_LARGEST_HEAD: Final = 65_536
_IDLE_AT_MOST: Final = 50.0
_KEPT_AT_MOST: Final = 64
_pools: "weakref.WeakSet[Pool]" = weakref.WeakSet()


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


class Connection:
    """One connection, used by one thread at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._idle_since = monotonic()
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._rest = b""
        self.reusable = False

    def stale(self) -> bool:
        """Whether the server has closed it, or sent something that nobody asked for."""
        return monotonic() - self._idle_since > _IDLE_AT_MOST or bool(self._poll.poll(0))

    def close(self) -> None:
        """Give the socket back."""
        self._sock.close()

    def send(self, request: bytes, deadline: float) -> None:
        """Send a whole request, or raise OSError: then the server cannot have all of it."""
        self.reusable = False
        self._sock.settimeout(_left(deadline))
        self._sock.sendall(request)

    def receive(self, deadline: float) -> Reply:
        """The answer to what was sent; OSError or ValueError if none comes whole, or what comes is none."""
        data = self._more(deadline)
        end = data.find(b"\r\n\r\n")
        while end < 0:
            if len(data) > _LARGEST_HEAD:
                raise OSError("no end of the headers")
            data += self._more(deadline)
            end = data.find(b"\r\n\r\n")
        head = data[:end].lower()
        if not head.startswith(b"http/1."):
            raise OSError("not HTTP")
        self._rest = data[end + 4 :]
        if b"\r\ntransfer-encoding: chunked" in head:
            body = self._chunks(deadline)
        else:
            reply = Reply(0, head, b"")
            length = reply.header(b"content-length")
            if not length.isdigit():
                raise OSError("no length")
            body = self._take(int(length), deadline)
        self.reusable = not self._rest and b"\r\nconnection: close" not in head
        self._rest = b""
        self._idle_since = monotonic()
        return Reply(int(head[9:12]), head, body)

    def _more(self, deadline: float) -> bytes:
        self._sock.settimeout(_left(deadline))
        data = self._sock.recv(_CHUNK)
        if not data:
            raise OSError("closed before the end of an answer")
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

    def _line(self, deadline: float) -> bytes:
        while (end := self._rest.find(b"\r\n")) < 0:
            if len(self._rest) > _LARGEST_HEAD:
                raise OSError("no end of a chunk's head")
            self._rest += self._more(deadline)
        line, self._rest = self._rest[:end], self._rest[end + 2 :]
        return line

    def _chunks(self, deadline: float) -> bytes:
        parts = []
        while size := int(self._line(deadline).partition(b";")[0], 16):
            parts.append(self._take(size, deadline))
            if self._take(2, deadline) != b"\r\n":
                raise OSError("a chunk is longer than it says")
        while self._line(deadline):  # trailers, and the empty line that ends them
            pass
        return b"".join(parts)


class Pool:
    """Connections to one host. ``tls`` is None for plain HTTP."""

    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None, connect_timeout: float) -> None:
        self._host, self._port = host, port
        self._tls, self._connect_timeout = tls, connect_timeout
        self._idle: deque[Connection] = deque(maxlen=_KEPT_AT_MOST)
        _pools.add(self)

    def take(self, deadline: float) -> Connection:
        """A connection that is open as far as can be told, a new one if none is idle; NotSent if none can be made."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._connect(deadline)
            if not connection.stale():
                return connection
            connection.close()

    def give(self, connection: Connection) -> None:
        """Give a connection back: it is kept if its last answer was read to the end."""
        if connection.reusable and len(self._idle) < _KEPT_AT_MOST:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def _connect(self, deadline: float) -> Connection:
        try:
            patience = min(self._connect_timeout, _left(deadline))
            sock = socket.create_connection((self._host, self._port), timeout=patience)
        except OSError as error:
            raise NotSent(str(error)) from error
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_hostname=self._host)
        except ssl.SSLError as error:
            sock.close()
            raise NotSent(str(error), tls=True) from error
        except OSError as error:
            sock.close()
            raise NotSent(str(error), tls=False) from error
        return Connection(sock)


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("the deadline passed")
    return left


def _forget_parents_connections() -> None:
    # A connection that two processes read is one whose answers get mixed up: the child starts with none. Closing its
    # copies of the sockets does not close the parent's.
    for pool in list(_pools):
        pool.close()


os.register_at_fork(after_in_child=_forget_parents_connections)
