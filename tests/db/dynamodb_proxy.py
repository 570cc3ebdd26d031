"""The fault proxy before DynamoDB: ``decide`` tells a request's fate by its operation and body."""

from collections.abc import Callable

from tests.db.fault_proxy import Fate, HttpProxy, header

__all__ = ["Decide", "Fate", "Proxy", "answer", "failure"]

Decide = Callable[[str, bytes], Fate]


class Proxy(HttpProxy):
    """Before the DynamoDB at a port of this machine."""

    def __init__(self, port: int) -> None:
        self.decide: Decide = lambda operation, body: "pass"
        super().__init__(f"127.0.0.1:{port}")

    def fate_of(self, head: bytes, body: bytes) -> Fate:
        """See HttpProxy."""
        return self.decide(header(head, b"x-amz-target").rpartition(b".")[2].decode(), body)


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
