"""Verifying: whether two databases hold the same documents, which ones differ and how, and repairing the target.

First both sides are read once, at the same time, and digested for each collection and tenant (digests.py). Where the
digests of one differ, its documents are compared in id order (seeking.py); where that finds nothing, what no id leads
to is looked for (strays.py). Memory does not grow with the number of documents.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Event

from app.db.capabilities import CollectionInfo
from app.db.entities import stored_time
from app.db.schema import Schema
from app.db.service import DatabaseService
from app.db.transfer.catalogue import collections_of, scope_clashes, target_schema
from app.db.transfer.differences import Secrets
from app.db.transfer.digests import Digest, Digests, new_key
from app.db.transfer.entries import entries_of
from app.db.transfer.errors import TransferRefused
from app.db.transfer.pacing import Patience
from app.db.transfer.progress import Progress
from app.db.transfer.repairing import Repairer
from app.db.transfer.seeking import Difference, Seeker
from app.db.transfer.selection import Selection, holds_tenant
from app.db.transfer.strays import read_again
from app.db.transfer.verify_report import Compared, VerifyReport
from app.db.transfer.writing import unfit_path

Both = tuple[Digest, Digest]


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
    installation's on one side and tenants' on the other, and for a selection that matches nothing; Unavailable when a
    database did not answer.
    """
    began = time.monotonic()
    run = _Run(source, target, options, progress, secrets or {})
    if not options.repair:
        return replace(run.compare(), seconds=time.monotonic() - began)
    repairer = run.prepared_repairer(target.schema if schema is None else schema)
    first = run.compare(repairer)
    last = first if first.equal else run.compare()
    return replace(last, seconds=time.monotonic() - began, repaired=repairer.repaired(), repairs=first.differences)


class _Findings:
    """What was found: counted by path and kind, the first ``room`` differences themselves, and how many are moving."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.counted: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.listed: list[Difference] = []
        self.moving = 0

    def add(self, path: str, found: Sequence[Difference]) -> None:
        """Count some more of one path."""
        if found:
            self.counted[path].update(one.kind for one in found)
        self.moving += sum(one.moving for one in found)
        left = max(0, self._room - len(self.listed))
        self.listed += [replace(one, document=None) for one in found[:left]]


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
        selection = Selection(self._options.collections, self._options.tenants)
        selection.check()
        ours = self._patience[0].call(lambda: collections_of(source, self._options.collections))
        clashes = self._patience[1].call(lambda: scope_clashes(ours, target))
        if clashes:
            raise TransferRefused(" ".join(clashes))
        held = {one.name: one for one in ours}
        if self._options.collections is None:
            held |= {one.name: one for one in self._patience[1].call(lambda: collections_of(target))} | held
        chosen = sorted(selection.within(held.values()))
        selection.check_tenants(
            "on either side", lambda tenant: any(self._holds(side, chosen, tenant) for side in (0, 1))
        )
        return chosen

    def _holds(self, side: int, held: list[CollectionInfo], tenant: str) -> bool:
        service = self._sides[side]

        def look() -> bool:
            there = {one.name for one in service.collections()}
            return holds_tenant(service, [one for one in held if one.name in there], tenant)

        return self._patience[side].call(look)

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
        digests = {path: (ours.of(path), theirs.of(path)) for path in sorted({*ours, *theirs})}
        findings = _Findings(self._options.listed)
        unexplained: dict[str, bool] = {}
        self._progress.begin("Looking for what differs")
        try:
            for path, (mine, other) in digests.items():
                if mine == other:
                    continue
                settled = seeker.settled
                for found in self._differences(seeker, path):
                    if repairer is not None:
                        repairer.repair(path, found)
                    findings.add(path, found)
                    self._progress.advance(len(found))
                if path not in findings.counted:
                    unexplained[path] = seeker.settled > settled
            for path, again, found in self._strays(unexplained, digests, key):
                digests[path] = again
                findings.add(path, found)
        finally:
            self._progress.end()
        compared = tuple(Compared(path, *both, dict(findings.counted[path])) for path, both in digests.items())
        return VerifyReport(created, key.hex(), compared, tuple(findings.listed), seeker.settled, findings.moving, 0.0)

    def _differences(self, seeker: Seeker, path: str) -> Iterator[list[Difference]]:
        """What a walk by id finds; nothing under a path that nobody can ask for."""
        collection = self._collection(path)
        if unfit_path(path, collection) is not None:
            return iter(())
        return seeker.differences(path, self._secrets.get(collection.name, frozenset()))

    def _strays(
        self, unexplained: Mapping[str, bool], before: Mapping[str, Both], key: bytes
    ) -> Iterator[tuple[str, Both, list[Difference]]]:
        """Of each path whose digests differ without a reason: the digests once more, and what no id leads to."""
        for collection in self._held:
            paths = {path for path in unexplained if self._collection(path) == collection}
            if paths:
                found = read_again(self._sides, self._patience, collection, self._options.tenants, paths, key)
                for path in sorted(paths):
                    yield path, found.digests(path), found.differences(path, before[path], unexplained[path])

    def _collection(self, path: str) -> CollectionInfo:
        name = path.rpartition("/")[2]
        return next(one for one in self._held if one.name == name)

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
