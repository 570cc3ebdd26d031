"""The fault proxy before CouchDB: ``decide`` tells a request's fate by its method and path."""

from collections.abc import Callable

from tests.db.fault_proxy import Fate, HttpProxy

__all__ = ["Decide", "Fate", "Proxy"]

Decide = Callable[[str, str], Fate]


class Proxy(HttpProxy):
    """Before the CouchDB at a port of this machine."""

    def __init__(self, port: int) -> None:
        self.decide: Decide = lambda method, path: "pass"
        super().__init__(f"127.0.0.1:{port}")

    def fate_of(self, head: bytes, body: bytes) -> Fate:
        """See HttpProxy."""
        method, path, _ = head.partition(b"\r\n")[0].decode().split(" ")
        return self.decide(method, path)
