"""Verifying: whether two databases hold the same documents, which ones differ and how, and repairing the target.

First both sides are read once, at the same time, and digested for each collection and tenant (digests.py). Where the
digests of one differ, its documents are compared in id order (seeking.py). Memory does not grow with the number of
documents.
"""

import time
from collections import Counter
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Event

from app.db.capabilities import CollectionInfo
from app.db.entities import stored_time
from app.db.names import parse_name
from app.db.schema import Schema
from app.db.service import DatabaseService
from app.db.transfer.catalogue import collections_of, scope_clashes, target_schema
from app.db.transfer.differences import Secrets
from app.db.transfer.digests import Digests, new_key
from app.db.transfer.entries import entries_of
from app.db.transfer.errors import TransferRefused
from app.db.transfer.pacing import Patience
from app.db.transfer.progress import Progress
from app.db.transfer.repairing import Repairer
from app.db.transfer.seeking import Difference, Seeker
from app.db.transfer.verify_report import Compared, VerifyReport


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """How a comparison is made.

    ``collections`` and ``tenants`` narrow it (None: all; documents of the installation go with None only). ``repair``
    writes the source's documents over what differs in the target; ``remove_extra`` also deletes there what the source
    does not have; with ``keep_newer`` what was written later in the target stands. ``listed`` differences are told of
    one by one, the others counted. ``patience`` are seconds for which a database that does not answer is tried again;
    ``pause`` are those between the looks at a document that differs.
    """

    collections: tuple[str, ...] | None = None
    tenants: tuple[str, ...] | None = None
    repair: bool = False
    remove_extra: bool = False
    keep_newer: bool = False
    listed: int = 100
    patience: float = 60.0
    pause: float = 0.3


def verify(
    source: DatabaseService,
    target: DatabaseService,
    options: VerifyOptions,
    progress: Progress,
    secrets: Secrets | None = None,
    schema: Schema | None = None,
) -> VerifyReport:
    """Compare; with ``options.repair`` repair the target and compare again.

    ``secrets`` are the fields whose values are never told; ``schema`` is what the application declares, for collections
    that a repair has to create (default: the target service's own). TransferRefused where a collection is the
    installation's on one side and tenants' on the other; Unavailable when a database did not answer.
    """
    began = time.monotonic()
    run = _Run(source, target, options, progress, secrets or {})
    if not options.repair:
        return replace(run.compare(), seconds=time.monotonic() - began)
    repairer = run.prepared_repairer(target.schema if schema is None else schema)
    first = run.compare(repairer)
    last = first if first.equal else run.compare()
    return replace(last, seconds=time.monotonic() - began, repaired=repairer.repaired(), repairs=first.differences)


class _Run:
    """One verification: both sides, each with its patience."""

    def __init__(
        self,
        source: DatabaseService,
        target: DatabaseService,
        options: VerifyOptions,
        progress: Progress,
        secrets: Secrets,
    ) -> None:
        self._sides = source, target
        self._options = options
        self._progress = progress
        self._secrets = secrets
        self._stop = Event()
        self._patience = (
            Patience("The source", options.patience, self._stop, progress),
            Patience("The target", options.patience, self._stop, progress),
        )
        self._held = self._collections()

    def _collections(self) -> list[CollectionInfo]:
        """What is compared: the collections of both sides, or those asked for."""
        source, target = self._sides
        ours = self._patience[0].call(lambda: collections_of(source, self._options.collections))
        clashes = self._patience[1].call(lambda: scope_clashes(ours, target))
        if clashes:
            raise TransferRefused(" ".join(clashes))
        held = {one.name: one for one in ours}
        if self._options.collections is None:
            held |= {one.name: one for one in self._patience[1].call(lambda: collections_of(target))} | held
        if self._options.tenants is not None:
            return sorted(one for one in held.values() if one.scope == "tenant")
        return sorted(held.values())

    def prepared_repairer(self, declared: Schema) -> Repairer:
        """What repairs the target, in which every collection has been made."""
        options, target = self._options, self._sides[1]
        self._patience[1].call(lambda: target.prepare(target_schema(self._held, declared)))
        return Repairer(target, self._held, options.remove_extra, options.keep_newer, self._patience[1])

    def compare(self, repairer: Repairer | None = None) -> VerifyReport:
        """Digest both sides and look for what differs, repairing it as it is found."""
        created, key = stored_time(datetime.now(UTC)), new_key()
        ours, theirs = self._digest_both(key)
        seeker = Seeker(self._sides, self._patience, self._options.pause)
        compared: list[Compared] = []
        listed: list[Difference] = []
        moving = 0
        self._progress.begin("Looking for what differs")
        try:
            for path in sorted({*ours, *theirs}):
                counted: Counter[str] = Counter()
                if ours.of(path) != theirs.of(path):
                    secret = self._secrets.get(parse_name(path).collection, frozenset())
                    for found in seeker.differences(path, secret):
                        counted.update(one.kind for one in found)
                        moving += sum(one.moving for one in found)
                        if repairer is not None:
                            repairer.repair(path, found)
                        room = max(0, self._options.listed - len(listed))
                        listed += [replace(one, document=None) for one in found[:room]]
                        self._progress.advance(len(found))
                compared.append(Compared(path, ours.of(path), theirs.of(path), dict(counted)))
        finally:
            self._progress.end()
        return VerifyReport(created, key.hex(), tuple(compared), tuple(listed), seeker.settled, moving, 0.0)

    def _digest_both(self, key: bytes) -> tuple[Digests, Digests]:
        self._progress.begin("Comparing both sides")
        # While one side waits for its server the other can work. Two in this process would only take the interpreter
        # from each other, row by row: together they take more than twice as long as in turn.
        at_once = 2 if any(side.answers_within for side in self._sides) else 1
        try:
            with ThreadPoolExecutor(at_once, thread_name_prefix="verify") as pool:
                sides = [pool.submit(self._digest, side, key) for side in (0, 1)]
                try:
                    for side in wait(sides, return_when=FIRST_EXCEPTION).done:
                        side.result()
                except BaseException:
                    self._stop.set()
                    raise
                ours, theirs = (side.result() for side in sides)
        finally:
            self._progress.end()
        return ours, theirs

    def _digest(self, side: int, key: bytes) -> Digests:
        service, patience = self._sides[side], self._patience[side]
        digests = Digests(key)
        there = {one.name for one in patience.call(service.collections)}
        for collection in self._held:
            if collection.name in there:
                for stretch in entries_of(service, collection, patience, self._options.tenants):
                    digests.add(stretch.entries)
                    digests.add([(one.path, one.data) for one in stretch.unfit])
                    self._progress.advance(len(stretch.entries), stretch.bytes)
        return digests
