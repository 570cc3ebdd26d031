"""Dumping: a database, or some of it, into one file (see dump_format.py)."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from threading import Event
from typing import Any, Final

import orjson

from app.db.capabilities import CollectionInfo
from app.db.entities import stored_time
from app.db.names import parse_name
from app.db.schema import Schema
from app.db.service import DatabaseService
from app.db.transfer.ahead import ahead
from app.db.transfer.catalogue import collections_of
from app.db.transfer.digests import Digests, new_key
from app.db.transfer.dump_format import BLOCK, DATA, END, HEAD, LEVEL, TALLY, VERSION
from app.db.transfer.dump_writer import DumpWriter
from app.db.transfer.entries import Entries, Entry, Unfit, entries_of
from app.db.transfer.pacing import Patience
from app.db.transfer.progress import Progress
from app.db.transfer.rejections import Rejected, Rejections
from app.db.transfer.selection import Selection, holds_tenant
from app.db.transfer.writing import unfit_path

_TALLIES: Final = 5_000


@dataclass(frozen=True, slots=True)
class DumpOptions:
    """What is dumped: ``collections`` and ``tenants`` narrow it (None: all; documents of the installation go with None
    only). ``force`` replaces a file; ``level`` is zlib's; ``patience`` are the seconds for which a database that does
    not answer is tried again; ``rejects`` is the file for documents that are left out."""

    collections: tuple[str, ...] | None = None
    tenants: tuple[str, ...] | None = None
    force: bool = False
    level: int = LEVEL
    patience: float = 60.0
    rejects: Path | None = None


@dataclass(frozen=True, slots=True)
class DumpReport:
    """What was written. ``bytes`` are those of the documents' JSON, ``size`` the file's. ``left_out`` documents are
    such as the contract does not allow and could be restored nowhere: ``rejections`` are the first 20."""

    documents: int
    bytes: int
    size: int
    collections: dict[str, int]
    left_out: int
    rejections: tuple[Rejected, ...]
    seconds: float


@dataclass(slots=True)
class _Block:
    """Lines that are gathered until they make a block."""

    lines: list[bytes] = field(default_factory=list)
    bytes: int = 0


def dump(
    source: DatabaseService,
    path: Path,
    options: DumpOptions,
    progress: Progress,
    *,
    name: str = "",
    schema: Schema | None = None,
) -> DumpReport:
    """Write the documents of ``source`` into the file ``path``, all of them or none.

    ``name`` is what the file says of where it comes from; ``schema`` what the application declares (default: the
    source's own), whose indexes are noted. TransferRefused for a file that is there or cannot be written, and for a
    collection or tenant that is not there; Unavailable when the database did not answer.
    """
    began = time.monotonic()
    stop = Event()
    patience = Patience("The source", options.patience, stop, progress)
    selection = Selection(options.collections, options.tenants)
    selection.check()
    held = selection.within(patience.call(lambda: collections_of(source, options.collections)))
    selection.check_tenants("in the source", lambda tenant: patience.call(lambda: holds_tenant(source, held, tenant)))
    digests = Digests(new_key())
    rejections = Rejections(options.rejects)
    declared = source.schema if schema is None else schema
    counts: dict[str, int] = {}
    with DumpWriter(path, force=options.force, level=options.level) as writer:
        writer.add(HEAD, _line(_head(held, options, name, declared, digests.key)))
        progress.begin("Dumping")
        try:
            for collection in held:
                with ahead(entries_of(source, collection, patience, options.tenants), stop) as stretches:
                    fitting = (_fitting(stretch, collection) for stretch in stretches)
                    counts[collection.name] = _dump_collection(writer, fitting, digests, rejections, progress)
            documents, size = _write_tallies(writer, digests)
            end = {"documents": documents, "bytes": size, "left_out": rejections.number, "collections": counts}
            writer.add(END, _line(end))
            writer.finish()
        finally:
            progress.end()
            rejections.close()
    return DumpReport(
        documents, size, writer.size, counts, rejections.number, tuple(rejections.first), time.monotonic() - began
    )


def _head(held: list[CollectionInfo], options: DumpOptions, name: str, declared: Schema, key: bytes) -> dict[str, Any]:
    indexes = {one.name: [list(index.fields) for index in one.indexes] for one in declared}
    return {
        "wherry_dump": VERSION,
        "dump": token_hex(16),
        "created": stored_time(datetime.now(UTC)),
        "source": name,
        "only": Selection(options.collections, options.tenants).to_json(),
        "collections": [{"name": one.name, "scope": one.scope, "indexes": indexes.get(one.name, [])} for one in held],
        "digest_key": key.hex(),
    }


def _fitting(stretch: Entries, collection: CollectionInfo) -> Entries:
    """The stretch, with documents under a path that none can have counted among the unfit."""
    refused = {path: unfit_path(path, collection) for path in {path for path, _ in stretch.entries}}
    if not any(refused.values()):
        return stretch
    fit = [one for one in stretch.entries if refused[one[0]] is None]
    unfit = [
        Unfit(path, orjson.loads(data)["_id"], str(refused[path]), data)
        for path, data in stretch.entries
        if refused[path] is not None
    ]
    return Entries(fit, sum([len(data) for _, data in fit]), stretch.unfit + unfit)


def _dump_collection(
    writer: DumpWriter, stretches: Iterable[Entries], digests: Digests, rejections: Rejections, progress: Progress
) -> int:
    documents = 0
    block = _Block()
    for stretch in stretches:
        for one in stretch.unfit:
            rejections.add(Rejected(one.path, one.id, one.reason))
        digests.add(stretch.entries)
        # Blocks of less than two megabytes, also when large documents follow small ones.
        step = max(1, len(stretch.entries)) if stretch.bytes <= BLOCK else 1
        for start in range(0, len(stretch.entries), step):
            lines = _lines(stretch.entries[start : start + step])
            block.lines.append(lines)
            block.bytes += len(lines)
            if block.bytes >= BLOCK:
                writer.add(DATA, b"".join(block.lines))
                block = _Block()
        documents += len(stretch.entries)
        progress.advance(len(stretch.entries), stretch.bytes)
    if block.lines:
        writer.add(DATA, b"".join(block.lines))
    return documents


def _lines(entries: list[Entry]) -> bytes:
    before = {path: b"[%b," % orjson.dumps(path) for path in {path for path, _ in entries}}
    return b"".join([b"%b%b]\n" % (before[path], data) for path, data in entries])


def _write_tallies(writer: DumpWriter, digests: Digests) -> tuple[int, int]:
    """A line for each path; how many documents and bytes there are in all."""
    totals: Counter[str] = Counter()
    lines: list[bytes] = []
    for path in sorted(digests, key=lambda path: (parse_name(path).collection, path)):
        found = digests.of(path)
        totals.update(documents=found.documents, bytes=found.bytes)
        lines.append(_line([path, found.documents, found.bytes, found.hex]))
        if len(lines) == _TALLIES:
            writer.add(TALLY, b"".join(lines))
            lines = []
    if lines:
        writer.add(TALLY, b"".join(lines))
    return totals["documents"], totals["bytes"]


def _line(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
