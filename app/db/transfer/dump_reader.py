"""Reading a dump file (see dump_format.py): checked as a whole before anything of it is used."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

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

_ORDER: Final = {HEAD: 0, DATA: 1, TALLY: 2, END: 3}


class DumpDamaged(TransferRefused):
    """A file that is no dump, or not as it was written. Nothing was restored from it."""

    title = "This dump is not sound"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a dump says of itself: its head, its end, and for each path [documents, bytes, digest]; and, by collection,
    the numbers of the first and the last block of its documents."""

    head: dict[str, Any]
    end: dict[str, Any]
    tallies: dict[str, list[Any]]
    blocks: dict[str, tuple[int, int]]


class DumpReader:
    """Reads a dump. Nothing is to be used of a file that ``check`` has not gone through."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def check(self, told: Callable[[int, int], None] = lambda documents, bytes: None) -> Manifest:
        """Read all of it, calling ``told`` with the documents and bytes of each block that is sound.

        DumpDamaged for a file that is no dump, that a newer release made, or of which any byte is not as it was
        written.
        """
        whole = blake2b(digest_size=32)
        kinds: list[bytes] = []
        documents = 0
        head: dict[str, Any] = {}
        end: dict[str, Any] = {}
        tallies: dict[str, list[Any]] = {}
        blocks: dict[str, tuple[int, int]] = {}
        with self._open() as file:
            last = self._sealed(file)
            for number, header, raw, rest in self._members(file, last):
                whole.update(raw)
                whole.update(rest)
                lines = self._lines(number, header, rest)
                counted = 0
                if header.kind == DATA:
                    counted = lines.count(b"\n")
                    name = _collection(lines)
                    blocks[name] = blocks.get(name, (number, number))[0], number
                elif header.kind == TALLY:
                    tallies.update((row[0], row[1:]) for row in map(orjson.loads, lines.splitlines()))
                elif header.kind == HEAD:
                    head = self._head(lines)
                else:
                    end = orjson.loads(lines)
                documents += counted
                if header.kind in (HEAD, END) or kinds[-1:] != [header.kind]:
                    kinds.append(header.kind)
                told(counted, len(lines))
            if file.read(SEALED) != seal(whole.digest()):
                raise DumpDamaged(f"The dump {self.path} is damaged: it is not as it was written.")
        parts = [kind for kind in kinds if kind not in (DATA, TALLY)]
        if kinds != sorted(kinds, key=_ORDER.__getitem__) or parts != [HEAD, END] or end["documents"] != documents:
            raise DumpDamaged(f"The dump {self.path} is damaged: its parts do not belong together.")
        return Manifest(head, end, tallies, blocks)

    def blocks(self, first: int = 0) -> Iterator[tuple[int, bytes]]:
        """The number and the lines of each block of documents, from that number on.

        DumpDamaged for a block that has changed since it was checked.
        """
        with self._open() as file:
            for number, header, _, rest in self._members(file, self._sealed(file), first):
                if header.kind == DATA:
                    yield number, self._lines(number, header, rest)

    def _members(self, file: BinaryIO, last: int, first: int = 0) -> Iterator[tuple[int, Header, bytes, bytes]]:
        """Each member before the seal from ``first`` on: its number, its header, that raw, and the bytes behind it."""
        number = place = 0
        file.seek(0)
        while place < last:
            with self._at(number):
                raw = file.read(PREFIX)
                header = read_header(raw)
                length = header.packed + SUFFIX
                place += PREFIX + length
                if place > last or header.kind not in _ORDER:
                    raise Damaged("a block reaches beyond the end")
            if number < first:
                file.seek(length, os.SEEK_CUR)
            else:
                yield number, header, raw, file.read(length)
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

    def _head(self, lines: bytes) -> dict[str, Any]:
        head: dict[str, Any] = orjson.loads(lines)
        version = head.get("wherry_dump")
        if version != VERSION:
            raise DumpDamaged(
                f"The dump {self.path} has format {version}, made by another release; this one knows {VERSION}."
            )
        return head

    @contextmanager
    def _at(self, number: int) -> Iterator[None]:
        try:
            yield
        except Damaged as error:
            raise DumpDamaged(f"The dump {self.path} is damaged in block {number}: {error}.") from error

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise DumpDamaged(f"The dump {self.path} cannot be read: {error.strerror}.") from error


def _collection(lines: bytes) -> str:
    """The bare name of the collection that a block belongs to."""
    path: str = orjson.loads(lines[: lines.index(b"\n")])[0]
    return path.rpartition("/")[2]
