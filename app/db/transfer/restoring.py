"""Restoring: the documents of a dump into any database, in bulk and resumable.

The file is checked as a whole before the target is touched. Then it is a copy whose source is a file: the same writers,
the same checkpoints (copying.py), with a place that is a block and a line in it.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Final

from app.db.capabilities import CollectionInfo
from app.db.documents import Document
from app.db.names import check_collection, parse_name
from app.db.schema import Collection, Index, Schema
from app.db.service import DatabaseService
from app.db.transfer.brought import EVERYTHING, Brought, Marks
from app.db.transfer.catalogue import is_there, target_schema
from app.db.transfer.checkpoints import Checkpoint, Checkpoints, Run
from app.db.transfer.comparing import Rehearsal
from app.db.transfer.copying import CopyReport, Policy, leave_marks, report_of
from app.db.transfer.dump_contents import Manifest
from app.db.transfer.dump_reader import DumpReader
from app.db.transfer.errors import TransferRefused
from app.db.transfer.identity import FORMAT, ensure_identity, read_format
from app.db.transfer.pacing import BatchSize, Patience, RateLimit
from app.db.transfer.paged_reading import Stretch
from app.db.transfer.pipeline import Course, Pipeline, Write
from app.db.transfer.preparing import check_occupied, check_target
from app.db.transfer.progress import Progress
from app.db.transfer.rejections import Rejections
from app.db.transfer.selection import Selection
from app.db.transfer.writing import BulkWriter, Tally

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """How a dump is restored.

    ``collections`` and ``tenants`` narrow it (None: all; with tenants the installation's documents are left out).
    ``into_existing``: the target may hold other documents, and what an earlier restore of the dump had brought and was
    deleted since is brought again; newer ones stand, unless ``overwrite``, which implies it.
    ``workers`` write at the same time (None: as many as the target has use for). A database that does not answer is
    tried again for ``patience`` seconds. ``rejects`` is the file for documents that do not fit.
    """

    collections: tuple[str, ...] | None = None
    tenants: tuple[str, ...] | None = None
    dry_run: bool = False
    into_existing: bool = False
    overwrite: bool = False
    workers: int | None = None
    patience: float = 60.0
    rejects: Path | None = None


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was in the file, and what became of it. ``rejects`` are the files that name what was left out: this call's,
    if it left out any, behind those of the calls that it has gone on with."""

    manifest: Manifest
    carried: CopyReport
    rejects: tuple[str, ...]


def restore(
    path: Path, target: DatabaseService, options: RestoreOptions, progress: Progress, schema: Schema | None = None
) -> RestoreReport:
    """Write the documents of the dump ``path`` into ``target``, with their revisions.

    ``schema`` is what the application declares (default: the target service's own). DumpDamaged for a file that is no
    dump or not as it was written, before the target is touched; TransferRefused for a target that holds other
    documents, and for what the dump does not have. Unavailable when the target did not answer: a later call goes on
    where this one was. A document that the target refuses is reported, and the rest goes on.
    """
    Selection(options.collections, options.tenants).check()
    with DumpReader(path) as reader:
        progress.begin("Checking the dump")
        try:
            manifest = reader.check(progress.advance)
        finally:
            progress.end()
        run = _Restore(reader, manifest, target, options, progress, target.schema if schema is None else schema)
        return RestoreReport(manifest, run.run(), run.rejects)


class _Restore:
    """One call of ``restore``, of a file that is sound."""

    def __init__(
        self,
        reader: DumpReader,
        manifest: Manifest,
        target: DatabaseService,
        options: RestoreOptions,
        progress: Progress,
        declared: Schema,
    ) -> None:
        self._reader, self._manifest = reader, manifest
        self._target = target
        self._options = options
        self._progress = progress
        self._declared = declared
        self._stop = Event()
        self._patience = Patience("The target", options.patience, self._stop, progress)
        self._rejections = Rejections(None if options.dry_run else options.rejects)
        self._checkpoints = Checkpoints(target)
        self._policy: Policy = "source" if options.overwrite else "newer"
        self._tenants = None if options.tenants is None else frozenset(options.tenants)
        self._run = Run.begun("", self._policy, options.tenants)
        self._began = time.monotonic()

    @property
    def rejects(self) -> tuple[str, ...]:
        """See RestoreReport."""
        path = self._rejections.path
        own = () if path is None or not self._rejections.number else (str(path.absolute()),)
        return tuple(dict.fromkeys((*self._run.rejects, *own)))

    def run(self) -> CopyReport:
        held = self._held()
        wanted = _with_indexes(target_schema(held, self._declared), self._manifest, held)
        if self._options.dry_run:
            return self._rehearse(held, wanted)
        source = f"dump {self._manifest.head['dump']}"
        latest = self._patience.call(lambda: self._check(held, source))
        done = self._patience.call(lambda: self._prepare(wanted))
        run = Run.begun(source, self._policy, self._options.tenants)
        resumed = latest is not None and not latest.finished and latest.is_like(run)
        if latest is not None and resumed:
            run = latest
        else:
            self._patience.call(lambda: self._checkpoints.save_run(run))
        self._run = run
        courses = [self._course(one, run) for one in held]
        bulk = BulkWriter(
            self._target,
            only_newer=not self._options.overwrite,
            patience=self._patience,
            size=BatchSize(_AT_ONCE),
            rejections=self._rejections,
        )
        brought = Brought(
            self._target, self._patience.call(lambda: self._marks(held)), self._patience, self._rejections
        )
        try:
            waiting = [course for course in courses if not course.checkpoint.done]
            self._carry(waiting, brought.around(lambda one, stretch: bulk.write(one, stretch.documents)))
        finally:
            self._rejections.close()
        self._patience.call(lambda: leave_marks(self._checkpoints, source, held, self._options.tenants, EVERYTHING))
        self._patience.call(lambda: self._checkpoints.save_run(replace(self._run, finished=True)))
        return report_of(courses, self._rejections, self._began, resumed, done)

    def _held(self) -> list[CollectionInfo]:
        """The collections of the dump that are asked for; TransferRefused for one, or a tenant, that it has not."""
        found = {one["name"]: CollectionInfo(one["name"], one["scope"]) for one in self._manifest.head["collections"]}
        options = self._options
        for name in options.collections or ():
            if name not in found:
                raise TransferRefused(f"The dump has no collection {name!r}. There are: {', '.join(found) or 'none'}.")
        names = found if options.collections is None else dict.fromkeys(options.collections)
        selection = Selection(options.collections, options.tenants)
        held = selection.within(found[name] for name in names)
        there = [parse_name(path) for path in self._manifest.tallies]
        tenants = {one.tenant for one in there if one.collection in names}
        selection.check_tenants("in the dump", tenants.__contains__)
        return held

    def _check(self, held: Sequence[CollectionInfo], source: str) -> Run | None:
        if not is_there(self._target):
            return None
        if (found := read_format(self._target)) != FORMAT:
            raise TransferRefused(
                f"TARGET has marks of format {found}, made by another release; this one knows {FORMAT}."
            )
        check_target(self._target, held)
        latest = self._checkpoints.read_run()
        if not (self._options.into_existing or self._options.overwrite):
            check_occupied(self._target, latest, source)
        return latest

    def _marks(self, held: Sequence[CollectionInfo]) -> Marks:
        if self._options.into_existing or self._options.overwrite:
            return {}
        source = f"dump {self._manifest.head['dump']}"
        return self._checkpoints.read_brought(source, [one.name for one in held])

    def _prepare(self, wanted: Schema) -> list[str]:
        done = self._target.prepare(wanted)
        ensure_identity(self._target)
        self._checkpoints.prepare()
        return done

    def _course(self, one: CollectionInfo, run: Run) -> Course:
        known = self._patience.call(lambda: self._checkpoints.read(run, one.name))
        return Course(one, known or Checkpoint(one.name, run.run), self._save)

    def _save(self, checkpoint: Checkpoint) -> None:
        # Before the checkpoint, behind which nobody names them again.
        if self.rejects != self._run.rejects:
            self._run = replace(self._run, rejects=self.rejects)
            self._patience.call(lambda: self._checkpoints.save_run(self._run))
        self._patience.call(lambda: self._checkpoints.save(checkpoint))

    def _carry(self, courses: Sequence[Course], write: Write) -> None:
        pipeline = Pipeline(
            self._stretches,
            lambda one, stretch: _counted(write(one, stretch), stretch),
            readers=1,
            writers=self._options.workers or self._target.capabilities.parallel,
            limit=RateLimit(None, self._stop),
            stop=self._stop,
            progress=self._progress,
        )
        counts: dict[str, int] = self._manifest.end["collections"]
        whole = sum(counts[course.collection.name] for course in courses) if self._tenants is None else None
        self._progress.begin("dry run" if self._options.dry_run else "restore", whole)
        try:
            pipeline.run(courses)
        finally:
            self._progress.end()

    def _stretches(self, collection: CollectionInfo, after: str | None) -> Iterator[Stretch]:
        """A collection's documents from a place on, which is "<block>:<line>"."""
        if collection.name not in self._manifest.blocks:
            yield Stretch([], 0, None)
            return
        first, last = self._manifest.blocks[collection.name]
        line = 0
        if after is not None:
            first, line = (int(part) for part in after.split(":"))
        for number, bytes, rows in self._reader.blocks(first):
            for start in range(line, len(rows), _AT_ONCE):
                part = rows[start : start + _AT_ONCE]
                end = start + _AT_ONCE >= len(rows)
                place = f"{number + 1}:0" if end else f"{number}:{start + _AT_ONCE}"
                size = bytes * len(part) // len(rows)
                yield Stretch(self._chosen(part), size, None if end and number == last else place)
            line = 0
            if number == last:
                return

    def _chosen(self, rows: list[tuple[str, Document]]) -> list[tuple[str, Document]]:
        if self._tenants is None:
            return rows
        return [(path, document) for path, document in rows if path.rpartition("/")[0] in self._tenants]

    def _rehearse(self, held: Sequence[CollectionInfo], wanted: Schema) -> CopyReport:
        """Compare it with the target, and write nothing anywhere."""
        rehearsal = Rehearsal(self._target, self._patience, self._rejections, only_newer=not self._options.overwrite)
        self._patience.call(lambda: self._check(held, f"dump {self._manifest.head['dump']}"))
        would = self._patience.call(lambda: self._target.prepare(wanted, dry_run=True))
        courses = [Course(one, Checkpoint(one.name, ""), _nowhere) for one in held]
        marks = self._patience.call(lambda: self._marks(held)) if rehearsal.exists else {}
        brought = Brought(self._target, marks, self._patience, self._rejections)
        self._carry(courses, brought.around(lambda one, stretch: rehearsal.compare(one, stretch.documents)))
        return report_of(courses, self._rejections, self._began, False, would)


def _with_indexes(schema: Schema, manifest: Manifest, held: Sequence[CollectionInfo]) -> Schema:
    """The schema, and for collections that the application does not declare the indexes that the dump notes."""
    chosen = {one.name for one in held}
    for one in manifest.head["collections"]:
        known = schema.get(one["name"])
        if one["name"] in chosen and known is not None and not known.indexes:
            indexes = tuple(Index(*fields) for fields in one["indexes"])
            schema.add(Collection(check_collection(one["name"]), one["scope"], indexes))
    return schema


def _counted(tally: Tally, stretch: Stretch) -> Tally:
    tally.bytes = stretch.bytes
    return tally


def _nowhere(checkpoint: Checkpoint) -> None:
    """A rehearsal has no checkpoints."""
