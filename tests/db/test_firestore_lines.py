"""When a connection to Firestore is given up, and how credentials are had: once, and within everybody's time."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials

from app.db import Query, Unavailable, open_database
from app.db.backends import firestore_credentials
from app.db.backends.firestore_client import FirestoreClient
from app.db.backends.firestore_messages import GetDocumentRequest, grpc
from app.db.errors import Unauthorised
from tests.db.refusing_servers import refusing_firestore
from tests.db.server_process import free_port
from tests.servers import ROOT


class Silent:
    """A server that answers nothing until it is released; ``asked`` is set by each request."""

    def __init__(self) -> None:
        self.released, self.asked = threading.Event(), threading.Semaphore(0)

    def answer(self, _: bytes, context: Any) -> bytes:
        self.asked.release()
        self.released.wait(20)
        return b""

    @contextmanager
    def running(self) -> Iterator[str]:
        """Its address."""
        silent = self

        class Everything(grpc.GenericRpcHandler):  # type: ignore[misc]
            def service(self, call: Any) -> Any:
                return grpc.unary_unary_rpc_method_handler(silent.answer)

        port = free_port()
        with ThreadPoolExecutor(4) as pool:
            server = grpc.server(pool, handlers=[Everything()])
            server.add_insecure_port(f"127.0.0.1:{port}")
            server.start()
            try:
                yield f"127.0.0.1:{port}"
            finally:
                self.released.set()
                server.stop(None).wait()


class TestLines:
    @pytest.fixture
    def silent(self) -> Silent:
        return Silent()

    @pytest.fixture
    def client(self, silent: Silent) -> Iterator[FirestoreClient]:
        with silent.running() as address, closing(FirestoreClient("some-project", "x", emulator=address)) as made:
            yield made

    def late(self, client: FirestoreClient, seconds: float) -> None:
        with pytest.raises(grpc.RpcError) as caught:
            client.write("GetDocument", GetDocumentRequest(), time.monotonic() + seconds)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED

    def test_a_deadline_that_was_short_says_nothing_about_the_line(self, client: FirestoreClient) -> None:
        self.late(client, 0.05)
        line = client._line
        assert line is not None
        for _ in range(3):
            self.late(client, 0.05)
        assert client._line is line

    def test_a_line_that_was_silent_for_long_is_given_up(self, client: FirestoreClient) -> None:
        self.late(client, 1.0)
        assert client._line is None

    def test_a_line_on_which_others_were_answered_meanwhile_is_kept(
        self, client: FirestoreClient, silent: Silent
    ) -> None:
        thread = threading.Thread(target=self.late, args=(client, 1.0))
        thread.start()
        assert silent.asked.acquire(timeout=10)
        line = client._line
        assert line is not None
        line.answered = time.monotonic()
        thread.join()
        assert client._line is line


class TestCredentials:
    """With a look for credentials that is counted, and a channel to a server that knows nobody."""

    @pytest.fixture
    def looks(self) -> list[float]:
        return []

    @pytest.fixture
    def may_end(self) -> Iterator[threading.Event]:
        """Until this is set the look for credentials lasts."""
        event = threading.Event()
        event.set()
        yield event
        event.set()

    @pytest.fixture
    def service(self, monkeypatch: pytest.MonkeyPatch, looks: list[float], may_end: threading.Event) -> Iterator[Any]:
        def default(scopes: Any) -> Any:
            looks.append(time.monotonic())
            may_end.wait(20)
            return AnonymousCredentials(), None

        monkeypatch.setattr(firestore_credentials, "default", default)
        with refusing_firestore(grpc.StatusCode.UNAUTHENTICATED, "nobody") as address:
            monkeypatch.setattr(
                "google.auth.transport.grpc.secure_authorized_channel",
                lambda credentials, request, host, options: grpc.insecure_channel(address, options=options),
            )
            with closing(open_database("firestore://some-project/wherry", deadline=0.5)) as opened:
                yield opened

    def test_are_looked_for_once_however_many_lines_are_opened(self, service: Any, looks: list[float]) -> None:
        for _ in range(3):
            with pytest.raises(Unauthorised):
                service.get("users", "a")
            service.close()
        assert len(looks) == 1

    def test_that_are_long_in_coming_keep_nobody_beyond_his_time(
        self, service: Any, looks: list[float], may_end: threading.Event
    ) -> None:
        may_end.clear()
        took, errors = [], []

        def ask() -> None:
            began = time.monotonic()
            with pytest.raises(Unavailable) as caught:
                service.query("users", Query())
            took.append(time.monotonic() - began)
            errors.append(caught.value)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert max(took) < 2
        assert {type(error) for error in errors} == {Unavailable}
        assert "did not come in time" in str(errors[0])
        may_end.set()
        with pytest.raises(Unauthorised):  # which is the server's answer
            service.get("users", "a")
        assert len(looks) == 1

    def test_a_forked_process_looks_for_its_own(self) -> None:
        # In a process of its own: a gRPC server, as the other tests have them, does not outlive a fork.
        script = """
import os, time
from google.auth.credentials import AnonymousCredentials
from app.db.backends import firestore_credentials
from app.db.backends.firestore_client import FirestoreClient

firestore_credentials.default = lambda scopes: (AnonymousCredentials(), None)
client = FirestoreClient("some-project", "(default)")
first = client._credentials.get(time.monotonic() + 10)
child = os.fork()
if child == 0:
    os._exit(0 if client._credentials.get(time.monotonic() + 10) is not first else 1)
assert os.waitpid(child, 0)[1] == 0
assert client._credentials.get(time.monotonic() + 10) is first
"""
        ended = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 0, ended.stderr

    def test_a_failure_is_told_at_once_for_a_while_and_then_looked_into_again(
        self, service: Any, looks: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(scopes: Any) -> Any:
            looks.append(time.monotonic())
            raise OSError("no such file")

        monkeypatch.setattr(firestore_credentials, "default", broken)
        for _ in range(3):
            with pytest.raises(Unauthorised, match="FIRESTORE_CREDENTIALS"):
                service.get("users", "a")
        assert len(looks) == 1
        monkeypatch.setattr(firestore_credentials, "_FAILURE_STANDS", 0.0)
        with pytest.raises(Unauthorised):
            service.get("users", "a")
        assert len(looks) == 2
