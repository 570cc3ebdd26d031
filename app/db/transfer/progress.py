"""How a transfer tells how far it is: a bar on a terminal, plain lines elsewhere, nothing where JSON is asked for.

All three keep the same protocol, may be told from several threads, and write to standard error, so that standard output
holds the answer alone.
"""

import sys
import time
from collections.abc import Callable
from threading import Lock
from typing import Final, Protocol, TextIO

_BAR: Final = 24
_REDRAWN: Final = 0.2
_LINE_EVERY: Final = 5.0
_RATE_OVER: Final = 10.0
Clock = Callable[[], float]


class Progress(Protocol):
    """What a transfer tells. Totals may be None where nobody knows them."""

    def begin(self, title: str, documents: int | None = None, bytes: int | None = None) -> None:
        """A stretch of work begins, with so many documents and bytes to do."""

    def total(self, documents: int | None, bytes: int | None = None) -> None:
        """How much there is to do is known only now, or better."""

    def advance(self, documents: int, bytes: int = 0) -> None:
        """So many more are done."""

    def note(self, sentence: str) -> None:
        """Something that an operator should read, on a line of its own."""

    def end(self) -> None:
        """The stretch is over, well or not."""


class Silent:
    """Says nothing."""

    def begin(self, title: str, documents: int | None = None, bytes: int | None = None) -> None:
        """See Progress."""

    def total(self, documents: int | None, bytes: int | None = None) -> None:
        """See Progress."""

    def advance(self, documents: int, bytes: int = 0) -> None:
        """See Progress."""

    def note(self, sentence: str) -> None:
        """See Progress."""

    def end(self) -> None:
        """See Progress."""


class Shown:
    """A bar that is drawn over itself (``bar``), or a line every five seconds. ``clock`` tells seconds."""

    def __init__(self, stream: TextIO, *, bar: bool, clock: Clock = time.monotonic) -> None:
        self._stream = stream
        self._bar = bar
        self._clock = clock
        self._lock = Lock()
        self._title = ""
        self._documents = self._bytes = 0
        self._of: tuple[int | None, int | None] = (None, None)
        self._began = self._drawn = 0.0
        self._marks: list[tuple[float, int]] = []
        self._width = 0

    def begin(self, title: str, documents: int | None = None, bytes: int | None = None) -> None:
        """See Progress."""
        with self._lock:
            self._title, self._of = title, (documents, bytes)
            self._documents = self._bytes = 0
            self._began = self._drawn = self._clock()
            self._marks = [(self._began, 0)]
            if self._bar:
                self._draw()

    def total(self, documents: int | None, bytes: int | None = None) -> None:
        """See Progress."""
        with self._lock:
            self._of = (documents, bytes)

    def advance(self, documents: int, bytes: int = 0) -> None:
        """See Progress."""
        with self._lock:
            self._documents += documents
            self._bytes += bytes
            now = self._clock()
            if now - self._drawn >= (_REDRAWN if self._bar else _LINE_EVERY):
                self._drawn = now
                self._mark(now)
                self._draw()

    def note(self, sentence: str) -> None:
        """See Progress."""
        with self._lock:
            self._clear()
            self._stream.write(sentence + "\n")
            if self._bar and self._title:
                self._draw()
            self._stream.flush()

    def end(self) -> None:
        """See Progress."""
        with self._lock:
            if not self._title:
                return
            self._marks = [(self._began, 0)]  # the rate of all of it
            self._draw()
            if self._bar:
                self._stream.write("\n")
            self._stream.flush()
            self._title, self._width = "", 0

    def _mark(self, now: float) -> None:
        """Remember where it was, to tell the rate of the last seconds."""
        self._marks.append((now, self._documents))
        while len(self._marks) > 2 and now - self._marks[1][0] > _RATE_OVER:
            self._marks.pop(0)

    def _draw(self) -> None:
        line = self._line()
        if not self._bar:
            self._stream.write(line + "\n")
        else:
            self._stream.write("\r" + line.ljust(self._width))
            self._width = len(line)
        self._stream.flush()

    def _clear(self) -> None:
        if self._bar and self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._width = 0

    def _line(self) -> str:
        of, _ = self._of
        since, then = self._marks[0]
        rate = (self._documents - then) / max(self._clock() - since, 1e-9)
        parts = [self._title]
        counted = f"{self._documents:,}"
        if of:
            share = min(1.0, self._documents / of)
            if self._bar:
                full = int(share * _BAR)
                parts.append(f"[{'#' * full}{'.' * (_BAR - full)}]")
            parts.append(f"{share:4.0%}")
            counted += f" of about {of:,}"
        parts.append(f"{counted} documents")
        parts.append(shown_bytes(self._bytes))
        parts.append(f"{rate:,.0f}/s")
        if of and self._documents < of and rate > 0:
            parts.append(f"{shown_time((of - self._documents) / rate)} left")
        return "  ".join(parts)


def make_progress(as_json: bool = False, stream: TextIO | None = None) -> Progress:
    """Silent for JSON, a bar on a terminal, lines elsewhere."""
    if as_json:
        return Silent()
    told = stream if stream is not None else sys.stderr
    return Shown(told, bar=told.isatty())


def shown_bytes(number: int) -> str:
    """Bytes as people read them: ``1.2 MB``."""
    size = float(number)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1_000 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1_000
    raise AssertionError


def shown_time(seconds: float) -> str:
    """Seconds as people read them: ``42 s``, ``3 min 05 s``, ``2 h 07 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60:02} min"
