"""A proxy between the backend and DynamoDB that does to a request what a network or a busy service can do to it."""

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

Fate = bytes | str
"""What becomes of a request: "pass", "refuse" (closed before it goes on), "drop" (carried out, and closed without a
reply), "cut" (closed within the reply), "hang" (carried out, and never answered), "late" (closed at once, and carried
out at ``release``); or bytes, which are answered in the server's place."""
Decide = Callable[[str, bytes], Fate]
"""By the request's operation and its body."""


class Proxy:
    """Listens on a free loopback port; threads serve the connections."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.decide: Decide = lambda operation, body: "pass"
        self._released = threading.Event()
        self._late: list[threading.Thread] = []
        self._clients: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def release(self) -> None:
        """Let late requests go on, and wait until they were carried out."""
        self._released.set()
        for thread in self._late:
            thread.join(10)

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
            while self._request(client):
                pass
        self._clients.discard(client)

    def _request(self, client: socket.socket) -> bool:
        """One request; False if the connection is to be closed."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := client.recv(65_536)):
                return False
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(_header(head, b"content-length"))
        while len(body) < length:
            body += client.recv(65_536)
        operation = _header(head, b"x-amz-target").rpartition(b".")[2].decode()
        fate = self.decide(operation, body)
        request = head + b"\r\nconnection: close\r\n\r\n" + body
        if isinstance(fate, bytes):
            client.sendall(fate)
            return True
        if fate == "refuse":
            return False
        if fate == "late":
            thread = threading.Thread(target=self._go_late, args=(request,), daemon=True)
            self._late.append(thread)
            thread.start()
            return False
        reply = self._forward(request)
        if fate == "drop":
            return False
        if fate == "cut":
            client.sendall(reply[: len(reply) - 5])
            return False
        if fate == "hang":
            while client.recv(1):
                pass
            return False
        client.sendall(reply)
        return False

    def _go_late(self, request: bytes) -> None:
        self._released.wait(20)
        self._forward(request)

    def _forward(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self._target), timeout=20) as server:
            server.sendall(request)
            reply = b""
            while select.select([server], [], [], 20)[0] and (more := server.recv(65_536)):
                reply += more
            return reply


def answer(status: int, body: bytes, *headers: bytes) -> bytes:
    """An HTTP answer as DynamoDB makes it."""
    lines = [b"HTTP/1.1 %d X" % status, b"Content-Type: application/x-amz-json-1.0", b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*lines, *headers]) + b"\r\n\r\n" + body


def failure(code: str, message: str = "", status: int = 400, *headers: bytes) -> bytes:
    """DynamoDB's answer with an error."""
    return answer(
        status,
        b'{"__type":"com.amazonaws.dynamodb.v20120810#%b","message":"%b"}' % (code.encode(), message.encode()),
        *headers,
    )


def _header(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip()
    return b"0"
