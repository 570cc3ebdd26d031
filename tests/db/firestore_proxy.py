"""A TCP proxy between a client and the Firestore emulator that can lose requests and replies."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Literal

Fault = Literal["none", "lose replies", "lose requests", "swallow"]
_QUIET: float = 0.25
"""Seconds after which the server is taken to have done what it was sent."""


class Proxy:
    """Listens on ``address``; every connection is passed on to the server, under the fault of the moment.

    Losing happens once, then all is well again; swallowing goes on until ``fault`` is "none".

    - "lose replies": requests arrive and are carried out, the answers do not come back, then the connection is cut.
    - "lose requests": what is sent does not arrive; the connection is cut.
    - "swallow": nothing comes through either way, and nobody is told (a broken network).
    """

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        self._server = (host, int(port))
        self.fault: Fault = "none"
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._port = 0
        self.listen()

    @property
    def address(self) -> str:
        """host:port to connect to."""
        return f"127.0.0.1:{self._port}"

    def listen(self) -> None:
        """Accept connections (again)."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        listener.listen()
        self._listener, self._port = listener, listener.getsockname()[1]
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
        """Cut every connection."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self._server)
            except OSError:
                return
            with self._lock:
                self._sockets |= {client, server}
            last = [time.monotonic()]
            self._pump(client, server, partial(self._to_server, server, last))
            self._pump(server, client, partial(self._to_client, client, last))

    def _pump(self, source: socket.socket, target: socket.socket, deliver: Callable[[bytes], bool]) -> None:
        def run() -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65_536):
                    if not deliver(data):
                        break
            for one in (source, target):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()

        threading.Thread(target=run, daemon=True).start()

    def _to_server(self, server: socket.socket, last: list[float], data: bytes) -> bool:
        if self.fault == "lose requests":
            self.fault = "none"
            return False
        if self.fault != "swallow":
            server.sendall(data)
            last[0] = time.monotonic()
        return True

    def _to_client(self, client: socket.socket, last: list[float], data: bytes) -> bool:
        if self.fault == "lose replies":
            while (left := last[0] + _QUIET - time.monotonic()) > 0:
                time.sleep(left)
            self.fault = "none"
            return False
        if self.fault != "swallow":
            client.sendall(data)
        return True

    def close(self) -> None:
        """Cut everything for good."""
        self.refuse()
