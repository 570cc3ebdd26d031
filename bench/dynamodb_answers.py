"""DynamoDB's answers given in this process: to our connections, and to whoever uses botocore.

An answer is chosen by the request's operation: ``answer(b"GetItem")`` is the body of one.
"""

import socket
from collections.abc import Callable, Iterator
from typing import Any

from botocore.awsrequest import AWSResponse, HeadersDict

from app.db.backends.http_pool import Connection

Answer = Callable[[bytes], bytes]


class AnsweringSocket:
    """A socket that answers each request at once. Its file is a real one, on which nothing ever arrives."""

    def __init__(self, answer: Answer) -> None:
        self._answer, self._pair, self._reply = answer, socket.socketpair(), b""

    def fileno(self) -> int:
        return self._pair[0].fileno()

    def settimeout(self, seconds: float) -> None:
        """Answers at once anyway."""

    def sendall(self, request: bytes) -> None:
        start = request.index(b"DynamoDB_20120810.") + 18
        body = self._answer(request[start : request.index(b"\r\n", start)])
        self._reply = (
            b"HTTP/1.1 200 OK\r\nServer: Server\r\nDate: Fri, 02 Jan 2026 03:04:05 GMT\r\n"
            b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\nConnection: keep-alive\r\n"
            b"x-amzn-RequestId: 0123456789\r\nx-amz-crc32: 1\r\n\r\n%b" % (len(body), body)
        )

    def recv(self, size: int) -> bytes:
        part, self._reply = self._reply[:size], self._reply[size:]
        return part

    def close(self) -> None:
        """Stays for the next use."""

    def end(self) -> None:
        """Close what is real."""
        for one in self._pair:
            one.close()


def reusable(sock: Any) -> Connection:
    """A connection as it is in the pool."""
    connection = Connection(sock)
    connection.reusable = True
    return connection


class _Raw:
    """The body of an answer as botocore reads it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


class AnsweringSession:
    """botocore's HTTP session, answering at once."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def send(self, request: Any) -> AWSResponse:
        target = request.headers["X-Amz-Target"]
        name = target if isinstance(target, bytes) else target.encode()
        body = self._answer(name.rpartition(b".")[2])
        headers = HeadersDict({"Content-Type": "application/x-amz-json-1.0", "Content-Length": str(len(body))})
        return AWSResponse(request.url, 200, headers, _Raw(body))

    def close(self) -> None:
        """Nothing is open."""
