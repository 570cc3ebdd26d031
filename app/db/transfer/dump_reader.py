"""Reading a dump file (see dump_format.py): checked as a whole before anything of it is used."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Self

from app.db.documents import Document
from app.db.transfer.dump_contents import Contents, Manifest, OtherFormat, rows_of
from app.db.transfer.dump_format import (
    DATA,
    END,
    HEAD,
    PREFIX,
    SEAL,
    SEALED,
    SUFFIX,
    TALLY,
    VERSION,
    Damaged,
    Header,
    check,
    read_header,
    seal,
    unpack,
)
from app.db.transfer.errors import TransferRefused


class DumpDamaged(TransferRefused):
    """A file that is no dump, or not as it was written. Nothing was restored from it."""

    title = "This dump is not sound"


class DumpReader:
    """Reads a dump, as a context manager; one thread does. Only what ``check`` has gone through can be read.

    The file is opened once: another one that gets its name meanwhile is none of ours.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._blocks: list[tuple[int, Header]] = []
        """By number, where each is and what it is, as it was checked."""

    def __enter__(self) -> Self:
        try:
            self._file: BinaryIO = self.path.open("rb")
        except OSError as error:
            raise DumpDamaged(f"The dump {self.path} cannot be read: {error.strerror}.") from error
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def check(self, told: Callable[[int, int], None] = lambda documents, bytes: None) -> Manifest:
        """Read all of it, calling ``told`` with the documents and bytes of each block that is sound.

        DumpDamaged for a file that is no dump, that another release made, of which any byte is not as it was written,
        or that holds what no dump does.
        """
        whole = blake2b(digest_size=32)
        contents = Contents()
        self._blocks = []
        for number, place, header, raw, rest in self._members(self._sealed(self._file)):
            whole.update(raw)
            whole.update(rest)
            lines = self._lines(number, header, rest)
            with self._at(number):
                documents = contents.add(number, header.kind, lines)
            self._blocks.append((place, header))
            told(documents, len(lines))
        if self._file.read(SEALED) != seal(whole.digest()):
            raise DumpDamaged(f"The dump {self.path} is damaged: it is not as it was written.")
        try:
            return contents.manifest()
        except Damaged as error:
            raise DumpDamaged(f"The dump {self.path} is damaged: {error}.") from error

    def blocks(self, first: int = 0) -> Iterator[tuple[int, int, list[tuple[str, Document]]]]:
        """The number of each block of documents, the bytes of its lines, and its documents with their paths, from that
        number on.

        DumpDamaged for a block that has changed since it was checked, whatever is in its place.
        """
        for number, (place, header) in enumerate(self._blocks[first:], first):
            if header.kind == DATA:
                self._file.seek(place + PREFIX)
                lines = self._lines(number, header, self._file.read(header.packed + SUFFIX))
                with self._at(number):
                    rows = rows_of(lines)[1]
                yield number, len(lines), rows

    def _members(self, last: int) -> Iterator[tuple[int, int, Header, bytes, bytes]]:
        """Each member before the seal: its number, its place, its header, that raw, and the bytes behind it."""
        number = place = 0
        self._file.seek(0)
        while place < last:
            with self._at(number):
                raw = self._file.read(PREFIX)
                header = read_header(raw)
                length = header.packed + SUFFIX
                if place + PREFIX + length > last or header.kind not in (HEAD, DATA, TALLY, END):
                    raise Damaged("a block reaches beyond the end")
            yield number, place, header, raw, self._file.read(length)
            place += PREFIX + length
            number += 1

    def _sealed(self, file: BinaryIO) -> int:
        """Where the seal begins; a file without one is none, or was cut off."""
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        try:
            if read_header(file.read(PREFIX)).kind != HEAD:
                raise Damaged("it begins with another block")
        except Damaged as error:
            raise DumpDamaged(f"{self.path} is no dump of Wherry, or damaged at its beginning.") from error
        last = size - SEALED
        file.seek(max(0, last))
        tail = file.read(SEALED)
        try:
            sealed = read_header(tail[:PREFIX])
        except Damaged as error:
            raise DumpDamaged(f"The dump {self.path} is cut off, or damaged at its end.") from error
        if sealed.kind != SEAL or tail != seal(sealed.digest):
            raise DumpDamaged(f"The dump {self.path} is cut off, or damaged at its end.")
        return last

    def _lines(self, number: int, header: Header, rest: bytes) -> bytes:
        with self._at(number):
            check(number, header, rest)
            return unpack(header, rest)

    @contextmanager
    def _at(self, number: int) -> Iterator[None]:
        try:
            yield
        except OtherFormat as error:
            raise DumpDamaged(
                f"The dump {self.path} has format {error}, made by another release; this one knows {VERSION}."
            ) from error
        except Damaged as error:
            raise DumpDamaged(f"The dump {self.path} is damaged in block {number}: {error}.") from error
