"""The cable between the application and its database, which tests pull out, cut, block or slow down for a while."""

import contextlib
import socket
import struct
import threading
from typing import Literal

from tests.db.fault_proxy import TcpProxy

State = Literal["whole", "refused", "reset", "silent", "slow"]
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


class Cable(TcpProxy):
    """A proxy with a state that lasts, and befalls open connections too. Starts whole.

    - "refused": nobody listens, and what was open is closed, as when a server has ended.
    - "reset": connections are accepted and broken off.
    - "silent": nothing comes through and nobody is told. What was sent meanwhile arrives when the cable is whole again,
      however late, as a network repeats lost packets.
    - "slow": everything arrives ``delay`` seconds late, in each direction.
    """

    def __init__(self, server: str, delay: float = 10.0) -> None:
        self.delay = delay
        self._changed = threading.Condition()
        self._state: State = "whole"
        super().__init__(server)

    def become(self, state: State) -> None:
        """Change what happens from now on."""
        with self._changed:
            self._state = state
            self._changed.notify_all()
        if state == "refused":
            self.refuse()
        elif state == "reset":
            self._reset_all()
        if state != "refused" and self._listener is None:
            self.listen()

    def _reset_all(self) -> None:
        with self._lock:
            sockets = list(self._open)
        for one in sockets:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.cut()

    def _serve(self, client: socket.socket) -> None:
        if self._state in ("refused", "reset"):
            self._end(client, reset=True)
            return
        super()._serve(client)

    def _to_server(self, client: socket.socket, server: socket.socket, last: list[float], data: bytes) -> bool:
        self._hold()
        return super()._to_server(client, server, last, data)

    def _to_client(self, client: socket.socket, last: list[float], data: bytes) -> bool:
        self._hold()
        return super()._to_client(client, last, data)

    def _hold(self) -> None:
        with self._changed:
            if self._state == "slow":
                self._changed.wait_for(lambda: self._state != "slow", self.delay)
            self._changed.wait_for(lambda: self._state != "silent")
