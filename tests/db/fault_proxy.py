"""A proxy between a backend and its server that does to a request what a network, or a busy service, can do to it.

What becomes of a request is its fate:

    "pass"            it goes on, and its answer comes back
    Delay(seconds)    the same, after so long
    "blackhole"       it goes nowhere, and nobody is told
    "reset"           the same, and the connection is reset
    "close"           the same, and the connection is closed
    "drop the reply"  it is carried out, and the connection is closed without an answer
    Cut(count)        it is carried out, and the connection is closed after so many bytes of the answer; a count below
                      0 leaves out so many at its end
    "late"            the connection is closed at once, and the request is carried out at ``release``
    Instead(answer)   it is carried out, and these bytes come back for the server's answer
    bytes             these are answered in the server's place

``HttpProxy`` knows requests, and asks a trigger about each; ``TcpProxy`` knows bytes only, for protocols that put
several calls on one connection.
"""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.waiting import wait_until

_PATIENCE = 20.0
_QUIET = 0.25
"""Seconds after which a server is taken to have done what it was sent."""
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Delay:
    """A wait before a request goes on."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """An answer of which only so many bytes arrive; below 0, all but so many."""

    count: int


@dataclass(frozen=True, slots=True)
class Instead:
    """What comes back for the server's answer, as of a gateway whose server went away."""

    answer: bytes


Fate = Literal["pass", "blackhole", "reset", "close", "drop the reply", "late"] | Delay | Cut | Instead | bytes


class _Proxy:
    """Listens on a free loopback port; threads serve the connections."""

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        self._server = (host or "127.0.0.1", int(port))
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.port = 0
        self.listen()

    @property
    def address(self) -> str:
        """host:port to connect to."""
        return f"127.0.0.1:{self.port}"

    def listen(self) -> None:
        """Accept connections (again), on the same port as before."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        self._listener, self.port = listener, listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def refuse(self) -> None:
        """Cut every connection and accept no more."""
        if self._listener is not None:
            # Only a shutdown wakes the thread that accepts; closing alone would keep the port open under it.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> None:
        """Close every connection, as a server does with idle ones or when it stops."""
        with self._lock:
            sockets, self._open = self._open, set()
        for one in sockets:
            _close(one)

    def hang_up(self) -> None:
        """The same, but wait until every client has noticed, and closed its end: none sends on what is gone."""
        with self._lock:
            sockets = [one for one in self._open if one.getsockname()[1] == self.port]
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_WR)
        wait_until(lambda: self._open.isdisjoint(sockets))

    def close(self) -> None:
        """End everything."""
        self.refuse()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._keep(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        raise NotImplementedError

    def _connect(self) -> socket.socket:
        return socket.create_connection(self._server, timeout=_PATIENCE)

    def _keep(self, one: socket.socket) -> None:
        with self._lock:
            self._open.add(one)

    def _end(self, one: socket.socket, *, reset: bool = False) -> None:
        with self._lock:
            self._open.discard(one)
        _close(one, reset=reset)


class HttpProxy(_Proxy):
    """For HTTP/1.1. ``fate_of`` is asked about every request; a request goes over a connection of its own."""

    def __init__(self, server: str) -> None:
        self._released = threading.Event()
        self._late: list[threading.Thread] = []
        super().__init__(server)

    def fate_of(self, head: bytes, body: bytes) -> Fate:
        """The trigger: what becomes of a request with this head, from its first line on, and this body."""
        return "pass"

    def release(self) -> None:
        """Let late requests go on and wait until they were carried out; give up what is in the blackhole."""
        self._released.set()
        for thread in self._late:
            thread.join(_PATIENCE)
        self._late.clear()
        self._released = threading.Event()

    def close(self) -> None:
        """End everything."""
        self.release()
        super().close()

    def forward(self, request: bytes) -> bytes:
        """The server's whole answer."""
        with self._connect() as server:
            server.sendall(request)
            parts = []
            while part := server.recv(_CHUNK):
                parts.append(part)
            return b"".join(parts)

    def _serve(self, client: socket.socket) -> None:
        reset = False
        with contextlib.suppress(OSError):
            while (request := _read_request(client)) is not None:
                fate = self.fate_of(*request)
                reset = fate == "reset"
                if not self._answer(client, b"\r\nConnection: close\r\n\r\n".join(request), fate):
                    break
        self._end(client, reset=reset)

    def _answer(self, client: socket.socket, request: bytes, fate: Fate) -> bool:
        """Deal with one request; False if the connection is to be closed."""
        if isinstance(fate, bytes):
            client.sendall(fate)
            return True
        if fate in ("reset", "close"):
            return False
        if fate == "blackhole":
            _wait_for(self._released, client)
            return False
        if fate == "late":
            released = self._released
            late = threading.Thread(target=lambda: (released.wait(_PATIENCE), self.forward(request)), daemon=True)
            self._late.append(late)
            late.start()
            return False
        if isinstance(fate, Delay):
            time.sleep(fate.seconds)
        reply = self.forward(request)
        if isinstance(fate, Instead):
            reply = fate.answer
        if fate != "drop the reply":
            client.sendall(reply[: fate.count] if isinstance(fate, Cut) else reply)
        return False


class TcpProxy(_Proxy):
    """For any protocol. ``fate`` befalls what is sent next: once, then all is well again. A delay and the blackhole,
    which takes what either side sends, go on until ``fate`` is "pass". Nothing is "late", and no answer made up."""

    def __init__(self, server: str) -> None:
        self.fate: Fate = "pass"
        super().__init__(server)

    def _serve(self, client: socket.socket) -> None:
        try:
            server = self._connect()
        except OSError:
            self._end(client)
            return
        server.settimeout(None)
        self._keep(server)
        last = [time.monotonic()]
        self._pump(client, server, lambda data: self._to_server(client, server, last, data))
        self._pump(server, client, lambda data: self._to_client(client, last, data))

    def _pump(self, source: socket.socket, target: socket.socket, deliver: Callable[[bytes], bool]) -> None:
        def run() -> None:
            with contextlib.suppress(OSError):
                while (data := source.recv(_CHUNK)) and deliver(data):
                    pass
            self._end(source)
            self._end(target)

        threading.Thread(target=run, daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket, last: list[float], data: bytes) -> bool:
        if self.fate in ("close", "reset"):
            fate, self.fate = self.fate, "pass"
            self._end(client, reset=fate == "reset")
            return False
        if isinstance(self.fate, Delay):
            time.sleep(self.fate.seconds)
        if self.fate != "blackhole":
            server.sendall(data)
            last[0] = time.monotonic()
        return True

    def _to_client(self, client: socket.socket, last: list[float], data: bytes) -> bool:
        fate = self.fate
        if fate == "drop the reply" or isinstance(fate, Cut):
            while (left := last[0] + _QUIET - time.monotonic()) > 0:
                time.sleep(left)
            self.fate = "pass"
            if isinstance(fate, Cut):
                client.sendall(data[: fate.count])
            return False
        if fate != "blackhole":
            client.sendall(data)
        return True


def header(head: bytes, name: bytes) -> bytes:
    """A header's value in the head of a request, or b""; ``name`` in lower case."""
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return b""


def _read_request(client: socket.socket) -> tuple[bytes, bytes] | None:
    """Head and body of the next request; None if there is none."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (part := client.recv(_CHUNK)):
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(header(head, b"content-length") or 0)
    while len(body) < length:
        if not (part := client.recv(_CHUNK)):
            return None
        body += part
    return head, body


def _wait_for(released: threading.Event, client: socket.socket) -> None:
    """Wait until it is released, or the client has given up."""
    client.settimeout(0.05)
    while not released.is_set():
        try:
            if not client.recv(1):
                return
        except TimeoutError:
            continue


def _close(one: socket.socket, *, reset: bool = False) -> None:
    with contextlib.suppress(OSError):
        if reset:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            one.shutdown(socket.SHUT_RDWR)
    one.close()
