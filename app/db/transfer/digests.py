"""Digests of collections that do not depend on the order in which the documents come.

Every document has a keyed 256-bit BLAKE2b of its entry (entries.py: id, revision and canonical JSON): of the key with
the entry behind it, which for this function is a sound MAC and a block less than its own keyed mode. A collection's
digest is their sum modulo 2^256, beside their number. This is an additive multiset hash (Clarke, Devadas, van Dijk,
Gassend, Suh: "Incremental Multiset Hash Functions", 2003, MSet-Add-Hash): unlike XOR it does not forget what comes
twice. The key is random for each comparison and unknown while the documents are written, so two collections that differ
have equal digests with a chance of about 2^-256, whatever the difference is and whoever made it.

So two databases are each read once, in their own order, and all that is kept is a number for each collection and
tenant.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from secrets import token_bytes
from typing import Final, NamedTuple

KEY_BYTES: Final = 32
_MODULUS: Final = 2**256


class Digest(NamedTuple):
    """Of one path: how many documents, how many bytes of canonical JSON, and their sum."""

    documents: int = 0
    bytes: int = 0
    sum: int = 0

    @property
    def hex(self) -> str:
        """The sum as text of 64 digits."""
        return f"{self.sum:064x}"

    def __add__(self, other: object) -> "Digest":
        """Of both together. Exactly that: adding the digest of what is in both counts it twice."""
        if not isinstance(other, Digest):
            return NotImplemented
        return Digest(self.documents + other.documents, self.bytes + other.bytes, (self.sum + other.sum) % _MODULUS)


NONE: Final = Digest()


def new_key() -> bytes:
    """A key for one comparison."""
    return token_bytes(KEY_BYTES)


class Digests:
    """The digests of a database, by path, while it is read. Not for several threads at once."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self._found: dict[str, Digest] = {}

    def add(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Count (path, data) pairs."""
        key, from_bytes = self.key, int.from_bytes
        path, documents, size, total = "", 0, 0, 0
        for here, data in entries:
            if here != path:
                self._count(path, documents, size, total)
                path, documents, size, total = here, 0, 0, 0
            documents += 1
            size += len(data)
            total += from_bytes(blake2b(key + data, digest_size=32).digest(), "big")
        self._count(path, documents, size, total)

    def of(self, path: str) -> Digest:
        """A path's digest; NONE where nothing was."""
        return self._found.get(path, NONE)

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def _count(self, path: str, documents: int, size: int, total: int) -> None:
        if documents:
            known = self._found.get(path, NONE)
            self._found[path] = known + Digest(documents, size, total % _MODULUS)
