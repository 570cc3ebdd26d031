"""Files that a transfer leaves behind for people."""

from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final, NamedTuple

import orjson

from app.db.transfer.errors import TransferRefused

SHOWN: Final = 20


class Rejected(NamedTuple):
    """A document that was left out, and why."""

    collection: str
    """The path."""
    id: str
    reason: str


class Rejections:
    """Documents that were left out: counted, the first 20 kept, and all of them a JSON line each in a file.

    The file is made with the first one and added to; ``collection``, ``id`` and ``reason`` are a line's fields.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.first: list[Rejected] = []
        self.number = 0
        self._lock = Lock()
        self._file: BinaryIO | None = None

    def add(self, rejected: Rejected) -> None:
        """Note one. TransferRefused if the file cannot be written: what was left out must not go unsaid."""
        with self._lock:
            self.number += 1
            if len(self.first) < SHOWN:
                self.first.append(rejected)
            if self.path is None:
                return
            line = orjson.dumps({name: _printable(text) for name, text in rejected._asdict().items()})
            try:
                if self._file is None:
                    self._file = self.path.open("ab")
                self._file.write(line + b"\n")
                self._file.flush()
            except OSError as error:
                raise TransferRefused(f"The file for rejected documents, {self.path}, cannot be written.") from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


def _printable(text: str) -> str:
    """Text that can be written whatever it holds: an id that was refused may be no text at all."""
    return text.encode("utf-8", "backslashreplace").decode()
