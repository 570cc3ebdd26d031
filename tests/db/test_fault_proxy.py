"""The fault proxy does what it says: to a client and a server that only echo."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from tests.db.fault_proxy import Cut, Delay, Fate, HttpProxy, TcpProxy

REQUEST = b"PUT /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"


class Server:
    """Answers whatever it is sent, and remembers it."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            while data := client.recv(65_536):
                self.seen.append(data)
                client.sendall(ANSWER)
                if b"Connection: close" in data:
                    return


class Asked(HttpProxy):
    """With one fate for all requests."""

    fate: Fate = "pass"

    def fate_of(self, head: bytes, body: bytes) -> Fate:
        assert (head.split(b"\r\n")[0], body) == (b"PUT /a HTTP/1.1", b"hello")
        return self.fate


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as made:
        yield made


@pytest.fixture(params=[Asked, TcpProxy])
def proxy(request: pytest.FixtureRequest, server: Server) -> Iterator[Asked | TcpProxy]:
    """Both kinds."""
    with closing(request.param(server.address)) as made:
        yield made


def ask(proxy: Asked | TcpProxy, seconds: float = 5.0) -> bytes | str:
    """What comes back: bytes, "reset", or "silence"; b"" if the connection was closed at once."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=seconds) as client:
        client.sendall(REQUEST)
        answer = b""
        try:
            while len(answer) < len(ANSWER) and (part := client.recv(65_536)):
                answer += part
        except ConnectionResetError:
            return "reset"
        except TimeoutError:
            return "silence"
        return answer


@pytest.mark.parametrize(
    ("fate", "back", "arrives"),
    [
        ("pass", ANSWER, True),
        ("close", b"", False),
        ("reset", "reset", False),
        ("drop the reply", b"", True),
        (Cut(20), ANSWER[:20], True),
        (Cut(-5), ANSWER[:-5], True),
    ],
)
def test_each_fate_is_what_it_is_called_and_the_next_request_passes(
    proxy: Asked | TcpProxy, server: Server, fate: Fate, back: bytes | str, arrives: bool
) -> None:
    proxy.fate = fate
    assert ask(proxy) == back
    assert bool(server.seen) == arrives
    proxy.fate = "pass"
    assert ask(proxy) == ANSWER


def test_a_delayed_request_comes_late_and_whole(proxy: Asked | TcpProxy) -> None:
    proxy.fate = Delay(0.2)
    began = time.monotonic()
    assert ask(proxy) == ANSWER
    assert time.monotonic() - began >= 0.2


def test_nobody_hears_from_the_blackhole(proxy: Asked | TcpProxy, server: Server) -> None:
    proxy.fate = "blackhole"
    assert ask(proxy, 0.3) == "silence"
    assert server.seen == []


def test_a_late_request_arrives_when_it_is_released(server: Server) -> None:
    with closing(Asked(server.address)) as proxy:
        proxy.fate = "late"
        assert ask(proxy) == b""
        assert server.seen == []
        proxy.release()
        assert len(server.seen) == 1


def test_an_answer_can_be_made_up(server: Server) -> None:
    with closing(Asked(server.address)) as proxy:
        proxy.fate = b"HTTP/1.1 500 No\r\n" + ANSWER[17:]
        assert ask(proxy) == proxy.fate
        assert server.seen == []


def test_it_can_refuse_connections_and_listen_again(proxy: Asked | TcpProxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        client.sendall(REQUEST[:10])
        proxy.refuse()
        with suppress(ConnectionResetError):
            while client.recv(1):
                pass  # the server may have answered before
    with pytest.raises(ConnectionRefusedError):
        ask(proxy)
    proxy.listen()
    assert ask(proxy) == ANSWER
