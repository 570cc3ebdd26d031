"""Writing a dump file (see dump_format.py): whole or not at all, and in constant memory."""

import errno
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import BinaryIO, Final, Self

from app.db.transfer.dump_format import LEVEL, pack, seal
from app.db.transfer.errors import TransferRefused

_PACKERS: Final = 2
_IN_FLIGHT: Final = 4
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class DumpWriter:
    """Writes a dump under another name, and gives it the final one when all of it is on the disk.

    Blocks are packed by two threads, while the next ones are made: zlib leaves the interpreter to others meanwhile. As
    a context: leaving it with an error, or without ``finish``, leaves no file. ``size`` is how many bytes were written.
    TransferRefused for a file that is there already, unless ``force``, and for a disk that does not take it.
    """

    def __init__(self, path: Path, *, force: bool = False, level: int = LEVEL) -> None:
        self.path = path
        self.size = 0
        self._force = force
        self._level = level
        self._whole = blake2b(digest_size=32)
        self._number = 0
        self._flying: deque[Future[bytes]] = deque()
        self._draft = path.with_name(f".{path.name}.{token_hex(6)}.part")
        self._file: BinaryIO | None = None
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        if not self._force and self.path.exists():
            raise TransferRefused(f"{self.path} exists already: choose another name, or --force to replace it.")
        try:
            self._file = os.fdopen(os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        except OSError as error:
            raise self._refused(error) from error
        self._pool = ThreadPoolExecutor(_PACKERS, thread_name_prefix="pack")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        if self._file is not None:
            self._file.close()
            self._draft.unlink(missing_ok=True)

    def add(self, kind: bytes, lines: bytes) -> None:
        """Add a block."""
        if self._pool is None:
            raise RuntimeError("This dump is not open.")
        self._flying.append(self._pool.submit(pack, self._number, kind, lines, self._level))
        self._number += 1
        while len(self._flying) > _IN_FLIGHT or (self._flying and self._flying[0].done()):
            self._write(self._flying.popleft().result())

    def finish(self) -> None:
        """Seal the file, make sure that it is on the disk, and give it its name."""
        while self._flying:
            self._write(self._flying.popleft().result())
        self._write(seal(self._whole.digest()))
        file = self._opened()
        try:
            file.flush()
            os.fsync(file.fileno())
            file.close()
            self._name()
            _sync_folder(self.path.parent)
        except FileExistsError as error:
            raise TransferRefused(f"{self.path} was made by somebody else meanwhile.") from error
        except OSError as error:
            raise self._refused(error) from error
        self._file = None

    def _name(self) -> None:
        if not self._force:
            try:
                os.link(self._draft, self.path)  # which, unlike renaming, replaces nothing
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
            else:
                self._draft.unlink()
                return
        self._draft.replace(self.path)

    def _write(self, member: bytes) -> None:
        self._whole.update(member)
        try:
            self._opened().write(member)
        except OSError as error:
            raise self._refused(error) from error
        self.size += len(member)

    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise RuntimeError("This dump is not open.")
        return self._file

    def _refused(self, error: OSError) -> TransferRefused:
        return TransferRefused(f"The file {self.path} cannot be written: {error.strerror}.")


def _sync_folder(folder: Path) -> None:
    """A name is on the disk when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
