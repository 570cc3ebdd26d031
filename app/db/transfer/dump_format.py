"""The dump file: JSON lines in gzip, which ``zcat`` reads, and in which no byte can change unnoticed.

A file is a sequence of gzip members (RFC 1952). Each has an extra field that tells its kind, its length, and the
BLAKE2b of both, of its number in the file and of its packed bytes; the last member is empty and has the BLAKE2b of
every byte before it. So the end of a member is known without unpacking it, one that is damaged is found by itself, and
a file that was cut off, joined to another, or changed anywhere is refused as a whole. A block of documents is of one
collection, and the blocks of one collection stand together.

    head     one line: {"wherry_dump": 1, "dump": id, "created", "source", "only", "collections", "digest_key"}
    data     a line for each document: ["<path>", {"_id": ..., "_rev": <token>, ...}], in canonical JSON
    tally    a line for each path: ["<path>", documents, bytes, digest] (see digests.py)
    end      one line: {"documents", "bytes", "blocks", "left_out", "collections": {name: [documents, bytes]}}
    seal     empty
"""

import struct
import zlib
from hashlib import blake2b
from typing import Final, NamedTuple

VERSION: Final = 1
HEAD, DATA, TALLY, END, SEAL = b"h", b"d", b"t", b"e", b"s"
BLOCK: Final = 1_000_000
"""Bytes of lines in a member, about: one document more at most."""
MOST: Final = 8_000_000
"""Bytes of lines in a member that is read at most. A document has 350 kB."""
LEVEL: Final = 3
"""Of zlib. Measured on documents of 450 bytes: 1 packs to 27 %, 3 to 24 % and hardly slower, 6 to 21 % and half as
fast."""

_MAGIC: Final = b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff"
_FIELD: Final = struct.Struct("<2sH1sII32s")
_TRAILER: Final = struct.Struct("<II")
_EMPTY: Final = b"\x03\x00"
PREFIX: Final = len(_MAGIC) + 2 + _FIELD.size
"""Bytes of a member before its packed data."""
SUFFIX: Final = _TRAILER.size
SEALED: Final = PREFIX + len(_EMPTY) + SUFFIX
"""Bytes of the last member."""


class Damaged(Exception):
    """Bytes that are not as they were written; the text says what is wrong with them."""


class Header(NamedTuple):
    """What stands before a member's packed data: its kind, the lengths packed and unpacked, and the digest."""

    kind: bytes
    packed: int
    unpacked: int
    digest: bytes


def pack(number: int, kind: bytes, lines: bytes, level: int = LEVEL) -> bytes:
    """The member of that number (from 0) in a file."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(lines) + packer.flush()
    digest = _digest(number, kind, len(lines), packed)
    return _prefix(kind, len(packed), len(lines), digest) + packed + _trailer(lines)


def seal(whole: bytes) -> bytes:
    """The last member, over the digest of every byte before it."""
    return _prefix(SEAL, len(_EMPTY), 0, whole) + _EMPTY + _trailer(b"")


def read_header(prefix: bytes) -> Header:
    """The header in the first PREFIX bytes of a member; Damaged if there is none."""
    if len(prefix) < PREFIX:
        raise Damaged("it ends within a block's head")
    if not prefix.startswith(_MAGIC) or prefix[len(_MAGIC) : len(_MAGIC) + 2] != struct.pack("<H", _FIELD.size):
        raise Damaged("a block does not begin where one should")
    name, size, kind, packed, unpacked, digest = _FIELD.unpack(prefix[len(_MAGIC) + 2 :])
    if name != b"WD" or size != _FIELD.size - 4:
        raise Damaged("a block's head is not one of ours")
    if unpacked > MOST or packed > MOST + 65_536:
        raise Damaged("a block is larger than any that is written")
    return Header(kind, packed, unpacked, digest)


def check(number: int, header: Header, rest: bytes) -> None:
    """Whether a member's bytes behind its header are those that were written; Damaged if not."""
    packed = rest[: header.packed]
    if len(rest) != header.packed + SUFFIX:
        raise Damaged("it ends within a block")
    if header.digest != _digest(number, header.kind, header.unpacked, packed):
        raise Damaged("a block is not as it was written")


def unpack(header: Header, rest: bytes) -> bytes:
    """The lines of a member whose bytes were checked; Damaged if they are not what the header says."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        lines = unpacker.decompress(rest[: header.packed], header.unpacked + 1)
    except zlib.error as error:
        raise Damaged("a block cannot be unpacked") from error
    if not unpacker.eof or len(lines) != header.unpacked or rest[header.packed :] != _trailer(lines):
        raise Damaged("a block does not hold what its head says")
    return lines


def _prefix(kind: bytes, packed: int, unpacked: int, digest: bytes) -> bytes:
    field = _FIELD.pack(b"WD", _FIELD.size - 4, kind, packed, unpacked, digest)
    return _MAGIC + struct.pack("<H", len(field)) + field


def _trailer(lines: bytes) -> bytes:
    return _TRAILER.pack(zlib.crc32(lines), len(lines))


def _digest(number: int, kind: bytes, unpacked: int, packed: bytes) -> bytes:
    digest = blake2b(struct.pack("<Q1sI", number, kind, unpacked), digest_size=32)
    digest.update(packed)
    return digest.digest()
