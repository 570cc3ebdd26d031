"""The Firestore requests that Wherry makes, over gRPC, with a deadline on every call and safe across forks.

The client library's document classes are passed by, as they take most of a page's time; its message types, credentials
and gRPC are used.

- A call that failed for want of a connection is made once more if it only reads.
- After a deadline at which a connection had been silent for long, the next call gets a new one: a peer that vanished
  without a word would be waited for again. A short deadline says nothing about the connection.
- A fork waits for the calls in flight (firestore_fork.py); the child begins with a channel of its own.
"""

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, TypeVar

from app.db.backends.firestore_credentials import GoogleCredentials
from app.db.backends.firestore_fork import fork_gate
from app.db.backends.firestore_messages import STREAMING, grpc, message_classes

T = TypeVar("T")

HOST: Final = "firestore.googleapis.com:443"
LARGEST_REQUEST: Final = 10 * 1024 * 1024
_OPTIONS: Final = (
    # A channel of its own for each process and each time it is opened, not one out of gRPC's common pool.
    ("grpc.use_local_subchannel_pool", 1),
    # Reconnect soon after an outage: the default waits up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # No service configuration from DNS: which calls are repeated is decided here.
    ("grpc.service_config_disable_resolution", 1),
    ("SingleThreadedUnaryStream", 1),
)
_WAIT_BEFORE_AGAIN: Final = 0.05
_LONG_SILENCE: Final = 0.9
"""Seconds without an answer after which a line is given up."""


@dataclass(eq=False)
class _Line:
    """A channel with its callables, how many calls are being made on it, and when it last brought an answer."""

    channel: Any
    calls: dict[str, Callable[..., Any]] = field(default_factory=dict)
    busy: int = 0
    answered: float = 0.0
    retired: bool = False

    def callable(self, name: str) -> Callable[..., Any]:
        """What makes calls of this name."""
        made = self.calls.get(name)
        if made is None:
            opener = self.channel.unary_stream if name in STREAMING else self.channel.unary_unary
            request, response = message_classes(name)
            made = self.calls[name] = opener(
                f"/google.firestore.v1.Firestore/{name}",
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            )
        return made


class FirestoreClient:
    """Calls by name with raw messages: ``read("GetDocument", request, end)``; they raise grpc.RpcError.

    ``end`` is the time (``time.monotonic``) until which the answer must be there.
    """

    def __init__(self, project: str, database: str, *, emulator: str = "", credentials: str = "") -> None:
        self.root = f"projects/{project}/databases/{database}"
        self.emulator = emulator
        self._credentials = GoogleCredentials(credentials)
        self._lock = threading.Lock()
        self._line: _Line | None = None
        self._foreign: list[_Line] = []
        self._metadata = (
            ("google-cloud-resource-prefix", self.root),
            ("x-goog-request-params", f"database={self.root}"),
            *((("authorization", "Bearer owner"),) if emulator else ()),
        )
        forked = weakref.WeakMethod(self._forget)
        os.register_at_fork(after_in_child=lambda: (method := forked()) is not None and method())

    def read(self, name: str, request: Any, end: float) -> Any:
        """One request, one answer; of something that can safely be asked again."""
        return self._again(lambda: self._call(name, request, end), end)

    def write(self, name: str, request: Any, end: float) -> Any:
        """One request, one answer; sent once."""
        return self._call(name, request, end)

    def stream(self, name: str, requests: Sequence[Any], end: float) -> list[list[Any]]:
        """The whole answers of one or more requests that are made at the same time; reading requests only."""
        return self._again(lambda: self._streams(name, requests, end), end)

    def stream_some(self, name: str, request: Any, end: float, most: float = inf) -> tuple[list[Any], bool]:
        """The answer of one query, or what came of it in time, which has a document, and until there were ``most``
        bytes; and whether that is all."""
        parts: list[Any] = []
        try:
            self._again(lambda: self._streams(name, [request], end, parts, most), end)
        except grpc.RpcError as error:
            late = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            if not late or not any(part.HasField("document") for part in parts):
                raise
            return parts, False
        return parts, most == inf or sum([part.ByteSize() for part in parts]) < most

    def close(self) -> None:
        """Close the channel, as soon as the calls that are being made on it are over; the next call opens a new one."""
        with self._lock:
            line, self._line = self._line, None
            over = line is not None and not line.busy
            if line is not None:
                line.retired = True
        if line is not None and over:
            line.channel.close()

    def _again(self, call: Callable[[], T], end: float) -> T:
        try:
            return call()
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() + _WAIT_BEFORE_AGAIN >= end:
                raise
        time.sleep(_WAIT_BEFORE_AGAIN)
        return call()

    def _call(self, name: str, request: Any, end: float) -> Any:
        with fork_gate:
            line = self._enter(end)
            began = time.monotonic()
            try:
                answer = line.callable(name)(request, timeout=_left(end), metadata=self._metadata)
            except grpc.RpcError as error:
                self._note(line, error, began)
                raise
            else:
                line.answered = time.monotonic()
                return answer
            finally:
                self._leave(line)

    def _streams(
        self, name: str, requests: Sequence[Any], end: float, came: list[Any] | None = None, most: float = inf
    ) -> list[list[Any]]:
        """The answers, each whole or until there are ``most`` bytes of it. ``came`` gets the parts of the first as they
        come."""
        with fork_gate:
            line = self._enter(end)
            began = time.monotonic()
            started: list[Any] = []
            answers: list[list[Any]] = [[] for _ in requests]
            if came is not None:
                came.clear()
                answers[0] = came
            try:
                make = line.callable(name)
                started += [make(request, timeout=_left(end), metadata=self._metadata) for request in requests]
                for parts, stream in zip(answers, started, strict=True):
                    parts.extend(stream if most == inf else _until(stream, most))
            except grpc.RpcError as error:
                if any(answers):
                    line.answered = time.monotonic()
                self._note(line, error, began)
                raise
            else:
                line.answered = time.monotonic()
                return answers
            finally:
                for stream in started:
                    stream.cancel()
                self._leave(line)

    def _enter(self, end: float) -> _Line:
        """The line for a call that has to be over by ``end``."""
        # Outside of the lock, as they may take long. Once found they are at hand.
        credentials = None if self.emulator else self._credentials.get(end)
        with self._lock:
            line = self._line
            if line is None:
                line = self._line = _Line(self._open(credentials))
            line.busy += 1
        return line

    def _leave(self, line: _Line) -> None:
        with self._lock:
            line.busy -= 1
            over = line.retired and not line.busy
        if over:
            line.channel.close()

    def _note(self, line: _Line, error: grpc.RpcError, began: float) -> None:
        """Retire the line after a deadline that was preceded by nothing but silence for long; calls that are being made
        on it end as they may."""
        if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
            return
        if time.monotonic() - began >= _LONG_SILENCE and line.answered < began:
            with self._lock:
                line.retired = True
                if self._line is line:
                    self._line = None

    def _open(self, credentials: Any) -> Any:
        if self.emulator:
            return grpc.insecure_channel(self.emulator, options=_OPTIONS)
        from google.auth.transport.grpc import secure_authorized_channel
        from google.auth.transport.requests import Request

        return secure_authorized_channel(  # type: ignore[no-untyped-call]
            credentials, Request(), HOST, options=_OPTIONS
        )

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._credentials.forget()
        if self._line is not None:
            self._foreign.append(self._line)  # closing or dropping it here could touch what belongs to the parent
        self._line = None


def _until(stream: Iterable[Any], most: float) -> Iterator[Any]:
    size = 0
    for part in stream:
        yield part
        size += part.ByteSize()
        if size >= most:
            return


def _left(end: float) -> float:
    return max(0.001, end - time.monotonic())
