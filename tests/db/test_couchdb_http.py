"""The thin session under the CouchDB backend, against a server that says what a test tells it to say."""

import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest

from app.db.backends.couchdb_errors import Busy, ConnectFailed, HttpFailure, ReplyLost
from app.db.backends.couchdb_http import Session
from tests.db.contract.processes import processes
from tests.db.server_process import free_port
from tests.waiting import wait_until

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers every request by ``script(number of the request, the client's socket, the request)``."""

    def __init__(self) -> None:
        self.script: Callable[[int, socket.socket, bytes], bool] = lambda number, client, request: self.say(client, OK)
        self.connections = 0
        self.requests: list[bytes] = []
        self._clients: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def say(self, client: socket.socket, *parts: bytes) -> bool:
        """Send the parts one by one; the connection stays open."""
        for part in parts:
            client.sendall(part)
            time.sleep(0.002)
        return True

    def hang_up(self) -> None:
        """Close every connection, as a server does with idle ones."""
        for client in self._clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()
        self._clients.clear()
        time.sleep(0.02)

    def close(self) -> None:
        self.hang_up()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._clients.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError):
            while request := client.recv(65_536):
                self.requests.append(request)
                if not self.script(len(self.requests), client, request):
                    client.close()
                    return


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as made:
        yield made


@pytest.fixture
def session(server: Server) -> Iterator[Session]:
    with closing(
        Session("127.0.0.1", server.port, user="ada", password="pässword", timeout=0.5, base="/couch")
    ) as made:
        yield made


def test_a_request_has_what_couchdb_needs(server: Server, session: Session) -> None:
    assert session.json("POST", "/db/_find", {"a": "é"}) == {}
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /couch/db/_find HTTP/1.1"
    assert f"Host: 127.0.0.1:{server.port}" in lines
    assert "Authorization: Basic YWRhOnDDpHNzd29yZA==" in lines
    assert f"Content-Length: {len(body)}" in lines
    assert body == '{"a":"é"}'.encode()


@pytest.mark.parametrize(
    "parts",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", b'{"a":', b'"abc"', b"}"],
        [CHUNKED + b"b\r\n", b'{"a":"abc"}\r\n0\r\n\r\n'],
        [CHUNKED[:30], CHUNKED[30:] + b"5\r\n", b'{"a":\r\n', b'6\r\n"abc"}\r', b"\n0\r\n\r\n"],
        [b"H", CHUNKED[1:-1], b"\n5;x=1\r\n", b'{"a":\r\n6\r\n"ab', b'c"}\r\n0\r\n', b"\r\n"],
        [bytes([byte]) for byte in CHUNKED + b'B\r\n{"a":"abc"}\r\n0\r\n\r\n'],
    ],
    ids=["a length", "one chunk", "two chunks", "chunks in pieces", "byte by byte"],
)  # fmt: skip
def test_an_answer_may_come_in_any_pieces_and_the_connection_is_used_again(
    server: Server, session: Session, parts: list[bytes]
) -> None:
    server.script = lambda number, client, request: server.say(client, *parts)
    for _ in range(3):
        assert session.json("GET", "/") == {"a": "abc"}
    assert server.connections == 1


def test_a_large_answer_comes_whole(server: Server, session: Session) -> None:
    text = b'"' + b"x" * 3_000_000 + b'"'
    reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for start in range(0, len(text), 100_000):
        part = text[start : start + 100_000]
        reply += b"%x\r\n%b\r\n" % (len(part), part)
    server.script = lambda number, client, request: server.say(client, reply + b"0\r\n\r\n")
    assert session.json("GET", "/", timeout=5.0) == "x" * 3_000_000


def test_an_answer_without_a_body_and_one_that_closes_are_understood(server: Server, session: Session) -> None:
    server.script = lambda number, client, request: server.say(
        client, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: close\r\n\r\n"
    )
    assert session.request("HEAD", "/").status == 200
    server.script = lambda number, client, request: server.say(client, b"HTTP/1.1 204 No Content\r\n\r\n")
    assert session.request("GET", "/", safe=True).status == 204
    assert server.connections == 2


def test_an_error_status_carries_couchdbs_words_and_the_wait(server: Server, session: Session) -> None:
    body = b'{"error":"conflict","reason":"Document update conflict."}'
    head = b"HTTP/1.1 409 Conflict\r\nRetry-After: 3\r\nContent-Length: %d\r\n\r\n" % len(body)
    server.script = lambda number, client, request: server.say(client, head + body)
    with pytest.raises(HttpFailure) as caught:
        session.json("PUT", "/db/a", {})
    assert (caught.value.status, caught.value.error, caught.value.retry_after) == (409, "conflict", 3.0)


def test_a_read_on_a_connection_that_was_closed_meanwhile_is_repeated_on_a_new_one(
    server: Server, session: Session
) -> None:
    session.request("GET", "/", safe=True)
    server.hang_up()
    assert session.request("GET", "/", safe=True).status == 200
    assert server.connections == 2


def test_a_write_on_a_connection_that_is_seen_to_be_closed_goes_over_a_new_one(
    server: Server, session: Session
) -> None:
    session.request("PUT", "/a", b"{}")
    server.hang_up()
    assert session.request("PUT", "/a", b"{}").status == 200
    assert len(server.requests) == 2


def test_a_write_that_met_a_closing_connection_is_not_repeated(server: Server, session: Session) -> None:
    server.script = lambda number, client, request: number == 1 and server.say(client, OK)
    session.request("PUT", "/a", b"{}")
    with pytest.raises(ReplyLost) as caught:
        session.request("PUT", "/a", b"{}")
    assert caught.value.write
    assert len(server.requests) == 2


def test_a_read_that_met_a_closing_connection_is_repeated_once(server: Server, session: Session) -> None:
    server.script = lambda number, client, request: number != 2 and server.say(client, OK)
    session.request("GET", "/a", safe=True)
    assert session.request("GET", "/a", safe=True).status == 200
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 two hundred\r\nContent-Length: 2\r\n\r\n{}",
        b"220 mail.example ESMTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot json!",
    ],
)
def test_an_answer_that_is_none_is_lost_and_its_connection_is_not_used_again(
    server: Server, session: Session, reply: bytes
) -> None:
    def script(number: int, client: socket.socket, request: bytes) -> bool:
        if number == 1:
            server.say(client, reply)
            return False
        return server.say(client, OK)

    server.script = script
    with pytest.raises(ReplyLost) as caught:
        session.json("PUT", "/a", {})
    assert caught.value.write
    assert session.json("GET", "/") == {}


def test_a_server_that_drips_meets_the_deadline(server: Server, session: Session) -> None:
    def drip(number: int, client: socket.socket, request: bytes) -> bool:
        for byte in OK * 100:
            client.sendall(bytes([byte]))
            time.sleep(0.05)
        return False

    server.script = drip
    began = time.monotonic()
    with pytest.raises(ReplyLost):
        session.request("GET", "/", safe=True)
    assert 0.4 < time.monotonic() - began < 1.0


def test_after_a_timeout_the_next_requests_get_little_time_until_one_is_answered(
    server: Server, session: Session
) -> None:
    released = threading.Event()
    server.script = lambda number, client, request: released.wait(10) and server.say(client, OK)
    with pytest.raises(ReplyLost):
        session.request("GET", "/", safe=True)
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(ReplyLost):
            session.request("GET", "/", safe=True)
    assert time.monotonic() - began < 0.45
    released.set()
    assert session.request("GET", "/", safe=True).status == 200

    def slowly(number: int, client: socket.socket, request: bytes) -> bool:
        time.sleep(0.25)
        return server.say(client, OK)

    server.script = slowly
    assert session.request("GET", "/", safe=True).status == 200


def test_nobody_there_is_no_connection() -> None:
    with closing(Session("127.0.0.1", free_port())) as session, pytest.raises(ConnectFailed) as caught:
        session.request("PUT", "/a", b"{}")
    assert not caught.value.tls


def test_too_many_at_once_wait_and_then_are_told(server: Server) -> None:
    released = threading.Event()
    server.script = lambda number, client, request: released.wait(10) and server.say(client, OK)
    with (
        closing(Session("127.0.0.1", server.port, connections=2, wait=0.1, timeout=5.0)) as session,
        ThreadPoolExecutor(2) as pool,
    ):
        first = [pool.submit(session.request, "GET", "/", safe=True) for _ in range(2)]
        wait_until(lambda: len(server.requests) >= 2)
        with pytest.raises(Busy):
            session.request("GET", "/", safe=True)
        released.set()
        assert [one.result().status for one in first] == [200, 200]
        assert session.request("GET", "/", safe=True).status == 200
        assert server.connections == 2


def use_across_a_fork() -> None:
    """Runs in a process of its own: in that of the tests, other clients' threads may not survive a fork."""
    with closing(Server()) as server, closing(Session("127.0.0.1", server.port)) as session:
        session.request("GET", "/", safe=True)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if session.request("GET", "/", safe=True).status == 200 and server.connections == 1 else 2
                session.close()
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert session.request("GET", "/", safe=True).status == 200
        assert server.connections == 2


def test_a_forked_process_opens_connections_of_its_own() -> None:
    with processes((use_across_a_fork, ())):
        pass


def test_nothing_is_left_open(server: Server) -> None:
    session = Session("127.0.0.1", server.port)
    session.request("GET", "/", safe=True)
    session.close()
    session.request("GET", "/", safe=True)
    session.close()
    del session
    gc.collect()
    assert server.connections == 2
