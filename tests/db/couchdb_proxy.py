"""A proxy between the backend and CouchDB that does to a request what a network can do to it."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

Fate = Literal["pass", "drop the reply", "refuse", "late", "cut the reply", "hang"]
Decide = Callable[[str, str], Fate]
"""What becomes of a request, by its method and path."""


class Proxy:
    """Listens on a free loopback port. "late" requests and "hang" wait for ``release``; a late one's client was told
    nothing, and its connection is closed before the request goes on to the server."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.decide: Decide = lambda method, path: "pass"
        self._released = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._late: list[threading.Thread] = []
        self._clients: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def release(self) -> None:
        """Let everything go that waits, and wait until what was late has arrived."""
        self._released.set()
        for thread in self._late:
            thread.join(10)
        self._late.clear()
        self._released = threading.Event()

    def close(self) -> None:
        """Stop listening and close every connection."""
        self.release()
        self._listener.close()
        for client in list(self._clients):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._clients.add(client)
        with client, suppress(OSError):
            while self._answer(client):
                pass
        self._clients.discard(client)

    def _answer(self, client: socket.socket) -> bool:
        """One request; False if the connection is to be closed."""
        head, _, body = _read_request(client).partition(b"\r\n\r\n")
        if not head:
            return False
        method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
        request = head + b"\r\nConnection: close\r\n\r\n" + body
        fate = self.decide(method, path)
        if fate == "refuse":
            return False
        if fate == "late":
            released = self._released
            late = threading.Thread(target=lambda: (released.wait(10), self._forward(request)), daemon=True)
            late.start()
            self._late.append(late)
            return False
        if fate == "hang":
            self._released.wait(30)
            return False
        reply = self._forward(request)
        if fate == "drop the reply":
            return False
        client.sendall(reply[: len(reply) - 5] if fate == "cut the reply" else reply)
        return False

    def _forward(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self._target), timeout=20) as server:
            server.sendall(request)
            parts = []
            while part := server.recv(65_536):
                parts.append(part)
            return b"".join(parts)


def _read_request(client: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = client.recv(65_536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        part = client.recv(65_536)
        if not part:
            return b""
        body += part
    return head + b"\r\n\r\n" + body
