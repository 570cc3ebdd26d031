"""Kept-alive HTTP/1.1 connections to one host: for the backends that speak HTTP, shared by threads.

Every request keeps one deadline, from its first byte to the last byte of its answer, so that a server that drips or
hangs cannot hold a thread longer. Connections are opened on demand, the one used last first, and in each process anew
after a fork. Only what such servers send is understood: a status line, headers, and a body with a length or in chunks.

What an error says: NotConnected and Full, that nothing was sent. OSError or ValueError, that a request was sent, at
least in part, and that no whole answer came.
"""

import os
import select
import socket
import ssl
import weakref
from collections import deque
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Final, NamedTuple

_FIRST: Final = 65_536
_MORE: Final = 262_144
_LARGEST_HEAD: Final = 65_536
_IDLE_AT_MOST: Final = 50.0
_KEPT_AT_MOST: Final = 64
_pools: "weakref.WeakSet[Pool]" = weakref.WeakSet()


class NotConnected(Exception):
    """No connection could be made: nothing was sent. ``tls`` if the host answered and encrypting failed, or took too
    long; its cause says which."""

    def __init__(self, message: str, *, tls: bool = False) -> None:
        super().__init__(message)
        self.tls = tls


class Full(Exception):
    """As many connections as may be are in use, and none was given back in time: nothing was sent."""


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
    """One connection, used by one thread at a time. ``fresh`` until it had its first answer; ``reusable`` if the last
    answer was read to its end."""

    __slots__ = ("_idle_since", "_poll", "_sock", "fresh", "reusable")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._idle_since = monotonic()
        self.fresh = True
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

    def receive(self, deadline: float, *, bodiless: bool = False) -> Reply:
        """The answer to what was sent. OSError or ValueError if none comes whole, or what comes is none; the OSError is
        a ConnectionError if the connection broke. ``bodiless`` for the answer to a HEAD."""
        self._sock.settimeout(_left(deadline))
        data = self._sock.recv(_FIRST)
        if not data:
            raise ConnectionError("closed before an answer")
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
        body, rest = b"", data[end + 4 :]
        if bodiless or status in (204, 304):
            pass
        elif b"\r\ntransfer-encoding: chunked" in head:
            body, rest = self._chunks(rest, deadline)
        else:
            at = head.find(b"\r\ncontent-length:")
            if at < 0:
                raise OSError("no length")
            stop = head.find(b"\r\n", at + 17)
            length = int(head[at + 17 : stop if stop > 0 else len(head)])
            if length != len(rest):
                rest = self._filled(rest, length, deadline)
            body, rest = rest[:length], rest[length:]
        self.reusable = not rest and b"\r\nconnection: close" not in head
        self.fresh = False
        self._idle_since = monotonic()
        return Reply(status, head, body)

    def _more(self, deadline: float) -> bytes:
        self._sock.settimeout(_left(deadline))
        data = self._sock.recv(_MORE)
        if not data:
            raise OSError("closed before the end of an answer")
        return data

    def _filled(self, data: bytes, length: int, deadline: float) -> bytes:
        """The data, and what comes after it until there are that many bytes, or more."""
        if length < 0:
            raise ValueError("a length below nothing")
        parts, have = [data], len(data)
        while have < length:
            parts.append(self._more(deadline))
            have += len(parts[-1])
        return b"".join(parts)

    def _line(self, data: bytes, at: int, deadline: float) -> tuple[bytes, int, int]:
        """Data in which a line begins and ends, and these two places."""
        while (end := data.find(b"\r\n", at)) < 0:
            if len(data) - at > _LARGEST_HEAD:
                raise OSError("no end of a chunk's head")
            data, at = data[at:] + self._more(deadline), 0
        return data, at, end

    def _chunks(self, data: bytes, deadline: float) -> tuple[bytes, bytes]:
        """The body, and what comes after it."""
        at = 0
        parts: list[bytes] = []
        while True:
            data, at, end = self._line(data, at, deadline)
            size = int(data[at:end].partition(b";")[0], 16)
            at = end + 2
            if not size:
                break
            if size < 0 or len(data) < at + size + 2:
                data, at = self._filled(data[at:], size + 2, deadline), 0
            end = at + size
            if data[end : end + 2] != b"\r\n":
                raise OSError("a chunk is not as long as it says")
            parts.append(data[at:end])
            at = end + 2
        while True:  # trailers, and the empty line that ends them
            data, at, end = self._line(data, at, deadline)
            if at == end:
                return b"".join(parts), data[end + 2 :]
            at = end + 2


@dataclass(slots=True)
class Counts:
    """What a pool had to do besides using a connection again, as of about now: connections opened, tries to open one
    that failed, idle ones that had gone stale, requests repeated, requests that found the pool full."""

    opened: int = 0
    failed: int = 0
    stale: int = 0
    repeated: int = 0
    full: int = 0


class Pool:
    """Connections to one host; ``tls`` is None for plain HTTP. Times are in seconds.

    ``at_once`` is for users who ``reserve`` and ``release``: so many requests run at once, and who wants one more waits
    for at most ``wait``.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        connect_timeout: float,
        at_once: int = 0,
        wait: float = 0.0,
    ) -> None:
        self._host, self._port = host, port
        self._tls, self._connect_timeout = tls, connect_timeout
        self._at_once, self._wait = at_once, wait
        self.counts = Counts()
        self._start()
        _pools.add(self)

    def _start(self) -> None:
        self._idle: deque[Connection] = deque()
        # A queue of permits, and no semaphore: the library's are written in Python, and take longer than all the rest.
        self._permits: SimpleQueue[None] = SimpleQueue()
        for _ in range(self._at_once):
            self._permits.put(None)

    def reserve(self) -> None:
        """Wait until one more request may run; Full if that takes too long."""
        try:
            self._permits.get(timeout=self._wait)
        except Empty:
            self.counts.full += 1
            raise Full("no free connection") from None

    def release(self) -> None:
        """Let the next one run."""
        self._permits.put(None)

    def exchange(self, request: bytes, deadline: float, *, safe: bool, bodiless: bool = False) -> Reply:
        """One round trip on any connection.

        ``safe``, a request that only reads, is repeated once, on a new connection, if a kept one turns out to be
        broken. Nothing else is repeated: it may have been carried out.
        """
        connection = self.take(deadline)
        try:
            try:
                connection.send(request, deadline)
                return connection.receive(deadline, bodiless=bodiless)
            except ConnectionError:
                if not safe or connection.fresh:
                    raise
            connection.close()
            self.counts.repeated += 1
            connection = self._connect(deadline)
            connection.send(request, deadline)
            return connection.receive(deadline, bodiless=bodiless)
        finally:
            self.give(connection)

    def take(self, deadline: float) -> Connection:
        """A connection that is open as far as can be told, a new one if none is idle; NotConnected if none can be made.
        It has to be given back, whatever comes of it."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._connect(deadline)
            if not connection.stale():
                return connection
            self.counts.stale += 1
            connection.close()

    def give(self, connection: Connection) -> None:
        """Give a connection back: it is kept if its last answer was read to the end, else closed."""
        if connection.reusable and len(self._idle) < _KEPT_AT_MOST:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close the connections that nobody uses; those in use are kept when they come back."""
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
            self.counts.failed += 1
            raise NotConnected(str(error)) from error
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_hostname=self._host)
        except OSError as error:  # ssl.SSLError is one
            sock.close()
            self.counts.failed += 1
            raise NotConnected(str(error), tls=self._tls is not None) from error
        self.counts.opened += 1
        return Connection(sock)

    def _after_fork(self) -> None:
        # A connection that two processes read is one whose answers get mixed up: the child starts with none. Closing
        # its copies of the sockets does not close the parent's.
        idle = self._idle
        self._start()
        for connection in idle:
            connection.close()


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("the deadline passed")
    return left


def _start_anew() -> None:
    for pool in list(_pools):
        pool._after_fork()


os.register_at_fork(after_in_child=_start_anew)
