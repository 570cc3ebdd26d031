"""How a careful developer would dump, and compare, our SQLite files by hand: the plain ``sqlite3`` bulk reads.

``dump_parsed`` writes exactly our format (app/db/transfer/dump_format.py says what it is), canonical JSON and digests
included, in one thread. ``dump_verbatim`` splices the stored text into the lines without parsing it, and makes no
digests of documents: that only works for our own tables, and nothing could be compared with it later.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path

from orjson import OPT_SORT_KEYS, OPT_STRICT_INTEGER, dumps, loads

from app.db.transfer.dump_format import BLOCK, DATA, END, HEAD, LEVEL, pack, seal

_ROWS = 1_000
_SORTED = OPT_STRICT_INTEGER | OPT_SORT_KEYS
_KEY = bytes(32)
_MODULUS = 2**256
Row = tuple[str, str, str, str]


def dump_parsed(source: Path, file: Path) -> int:
    """Answers how many documents."""
    sums: dict[str, int] = {}

    def line(row: Row) -> bytes:
        tenant, id, rev, data = row
        document = loads(data)
        document["_id"] = id
        document["_rev"] = rev
        text = dumps(document, option=_SORTED)
        digest = blake2b(text, digest_size=32, key=_KEY).digest()
        sums[tenant] = (sums.get(tenant, 0) + int.from_bytes(digest, "big")) % _MODULUS
        return b'["%b/agents",%b]\n' % (tenant.encode(), text)

    return _dump(source, file, line)


def dump_verbatim(source: Path, file: Path) -> int:
    """Answers how many documents."""

    def line(row: Row) -> bytes:
        tenant, id, rev, data = row
        return f'["{tenant}/agents",{{"_id":"{id}","_rev":"{rev}",{data[1:]}]\n'.encode()

    return _dump(source, file, line)


def compare(source: Path, target: Path) -> int:
    """Whether two files hold the same, one after the other; answers how many documents were hashed."""
    found = []
    number = 0
    for path in (source, target):
        sums: dict[str, tuple[int, int]] = {}
        for part in _read(path):
            for tenant, id, rev, data in part:
                document = loads(data)
                document["_id"] = id
                document["_rev"] = rev
                digest = blake2b(dumps(document, option=_SORTED), digest_size=32, key=_KEY).digest()
                documents, total = sums.get(tenant, (0, 0))
                sums[tenant] = documents + 1, (total + int.from_bytes(digest, "big")) % _MODULUS
            number += len(part)
        found.append(sums)
    if found[0] != found[1]:
        raise AssertionError("the two files differ")
    return number


def _dump(source: Path, file: Path, line: Callable[[Row], bytes]) -> int:
    whole = blake2b(digest_size=32)
    lines: list[bytes] = []
    size = number = blocks = 0
    with file.open("wb") as out:

        def write(member: bytes) -> None:
            whole.update(member)
            out.write(member)

        write(pack(0, HEAD, b'{"wherry_dump":1,"dump":"bench","collections":[]}\n'))
        for part in _read(source):
            for row in part:
                lines.append(line(row))
                size += len(lines[-1])
                if size >= BLOCK:
                    blocks += 1
                    write(pack(blocks, DATA, b"".join(lines), LEVEL))
                    lines, size = [], 0
            number += len(part)
        if lines:
            blocks += 1
            write(pack(blocks, DATA, b"".join(lines), LEVEL))
        write(pack(blocks + 1, END, dumps({"documents": number, "collections": {"agents": number}}) + b"\n"))
        out.write(seal(whole.digest()))
        out.flush()
        os.fsync(out.fileno())
    return number


def _read(path: Path) -> Iterator[list[Row]]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA cache_size = -16384")
    rows = connection.execute("SELECT tenant, id, rev, data FROM agents ORDER BY n")
    while part := rows.fetchmany(_ROWS):
        yield part
    connection.close()
