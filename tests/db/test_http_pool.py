"""Kept-alive connections, against servers that say what a test tells them to say."""

import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from time import monotonic

import pytest

from app.db.backends.http_pool import Full, NotConnected, Pool, Reply
from tests.db.contract.processes import processes
from tests.db.server_process import free_port

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def answering(*parts: bytes) -> Iterator[Pool]:
    """A server that answers one request with these bytes, one packet each, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(1_000)
                for part in parts:
                    client.sendall(part)

        thread = threading.Thread(target=serve)
        thread.start()
        pool = Pool("127.0.0.1", listener.getsockname()[1], tls=None, connect_timeout=1.0)
        yield pool
        pool.close()
        thread.join(5)


def asked(pool: Pool, seconds: float = 2.0) -> Reply:
    deadline = monotonic() + seconds
    connection = pool.take(deadline)
    try:
        connection.send(b"POST / HTTP/1.1\r\n\r\n", deadline)
        return connection.receive(deadline)
    finally:
        pool.give(connection)


class TestHttp:
    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: now\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nDATE: now\r\n\r\n5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n",
        ],
    )
    def test_an_answer_is_read_however_it_comes_in_pieces(self, answer: bytes) -> None:
        for size in (1, 7, len(answer)):
            pieces = [answer[start : start + size] for start in range(0, len(answer), size)]
            with answering(*pieces) as pool:
                reply = asked(pool)
            assert (reply.status, reply.body, reply.header(b"date")) == (200, b"hello", "now")

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n",
            b"SSH-2.0-OpenSSH\r\n\r\n",
            b"x" * 70_000,
        ],
    )
    def test_half_an_answer_or_none_is_an_error(self, answer: bytes) -> None:
        with answering(answer) as pool, pytest.raises((OSError, ValueError)):
            asked(pool)

    def test_nobody_there_is_not_connected_and_counted(self) -> None:
        pool = Pool("127.0.0.1", free_port(), tls=None, connect_timeout=1.0)
        with pytest.raises(NotConnected) as caught:
            pool.take(monotonic() + 1)
        assert not caught.value.tls
        assert pool.counts.failed == 1


@contextmanager
def serving(*answers: bytes | None) -> Iterator[tuple[Pool, list[bytes]]]:
    """A pool of two, and what its server was asked. Each request gets the next answer; None breaks the connection."""
    requests: list[bytes] = []

    def serve(client: socket.socket) -> None:
        with client:
            while request := client.recv(1_000):
                requests.append(request)
                answer = answers[(len(requests) - 1) % len(answers)]
                if answer is None:
                    return
                client.sendall(answer)

    def accept(listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        port = listener.getsockname()[1]
        with closing(Pool("127.0.0.1", port, tls=None, connect_timeout=1.0, at_once=2, wait=0.05)) as pool:
            yield pool, requests
        listener.shutdown(socket.SHUT_RDWR)


def exchange(pool: Pool, *, safe: bool = True) -> Reply:
    return pool.exchange(b"GET / HTTP/1.1\r\n\r\n", monotonic() + 2, safe=safe)


class TestPool:
    def test_a_connection_is_used_again_and_the_one_used_last_comes_first(self) -> None:
        with serving(EMPTY) as (pool, requests):
            for _ in range(5):
                assert exchange(pool).status == 200
            assert (len(requests), pool.counts.opened) == (5, 1)
            first, second = pool.take(monotonic() + 1), pool.take(monotonic() + 1)
            first.reusable = second.reusable = True
            pool.give(first)
            pool.give(second)
            assert pool.take(monotonic() + 1) is second
            second.close()

    def test_a_read_on_a_kept_connection_that_broke_is_repeated_once_and_a_write_never(self) -> None:
        with serving(EMPTY, None) as (pool, requests):
            exchange(pool)
            assert exchange(pool).status == 200
            assert (len(requests), pool.counts.repeated) == (3, 1)
            with pytest.raises(ConnectionError):
                exchange(pool, safe=False)
            assert len(requests) == 4

    def test_a_read_on_a_new_connection_that_breaks_is_not_repeated(self) -> None:
        with serving(None) as (pool, requests):
            with pytest.raises(ConnectionError):
                exchange(pool)
            assert len(requests) == 1

    def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again(self) -> None:
        with serving(EMPTY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), EMPTY) as (pool, _):
            for _ in range(3):
                exchange(pool, safe=False)
            assert (pool.counts.opened, pool.counts.stale) == (2, 0)
        with answering(EMPTY) as pool:
            assert asked(pool).status == 200
        # The server closes after one answer; nobody listens any more.
        with pytest.raises(NotConnected):
            pool.take(monotonic() + 1)

    def test_who_finds_it_full_is_told_and_a_place_that_becomes_free_is_used(self) -> None:
        with serving(EMPTY) as (pool, _):
            pool.reserve()
            pool.reserve()
            with pytest.raises(Full):
                pool.reserve()
            assert pool.counts.full == 1
            pool.release()
            pool.reserve()

    def test_a_forked_process_starts_without_connections_and_with_every_place_free(self) -> None:
        with processes((use_across_a_fork, ())):
            pass


def use_across_a_fork() -> None:
    """Runs in a process of its own: in that of the tests, other clients' threads may not survive a fork."""
    with serving(EMPTY) as (pool, _), ThreadPoolExecutor(1) as thread:
        exchange(pool)
        thread.submit(pool.reserve).result()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                pool.reserve()
                pool.reserve()
                code = 0 if exchange(pool).status == 200 and pool.counts.opened == 2 else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert exchange(pool).status == 200
        assert pool.counts.opened == 1
