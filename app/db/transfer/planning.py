"""Planning: what a copy would carry, what stands in its way, and about how long it would take.

Reads the whole source once. Writes only the sample, to a scratch collection of the target, and takes it away again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, Final

from app.db.capabilities import CollectionInfo, Finding
from app.db.errors import DatabaseError
from app.db.schema import Schema
from app.db.service import DatabaseService
from app.db.transfer.catalogue import collections_of, estimated, is_there, target_schema
from app.db.transfer.checkpoints import Checkpoints
from app.db.transfer.errors import TransferRefused
from app.db.transfer.identity import looks_same, same_database
from app.db.transfer.pacing import Patience
from app.db.transfer.preparing import SAME, check_occupied, check_target, check_versions, source_identity
from app.db.transfer.progress import Progress, shown_bytes
from app.db.transfer.sampling import Sample, measure_writing
from app.db.transfer.selection import Selection, holds_tenant
from app.db.transfer.surveying import Survey, survey

_ROOM: Final = 1.6
"""A document takes up to so many times its JSON in a file, with its keys, indexes and the log."""


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """``sample``: write a few documents to the target to see how long that takes. The others are as CopyOptions'."""

    collections: tuple[str, ...] | None = None
    tenants: tuple[str, ...] | None = None
    sample: bool = True
    into_existing: bool = False
    patience: float = 60.0
    source_name: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What was found. ``problems`` are sentences: while there is one, a copy would not begin or not be whole.

    ``missing`` are sentences about what the copy would create in the target; ``target`` are the doctor's findings.
    ``seconds`` is None where nothing was sampled, ``sample`` says what was, or why not.
    """

    collections: tuple[Survey, ...]
    problems: tuple[str, ...]
    missing: tuple[str, ...]
    target: tuple[Finding, ...]
    seconds: float | None
    sample: str

    @property
    def documents(self) -> int:
        """All of them."""
        return sum(one.documents for one in self.collections)

    @property
    def bytes(self) -> int:
        """Of their JSON."""
        return sum(one.bytes for one in self.collections)

    @property
    def unfit(self) -> int:
        """How many would be left out."""
        return sum(one.unfit for one in self.collections)

    @property
    def well(self) -> bool:
        """Whether a copy would carry everything."""
        return not self.problems and not self.unfit

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "well": self.well,
            "documents": self.documents,
            "bytes": self.bytes,
            "unfit": self.unfit,
            "seconds": self.seconds,
            "sample": self.sample,
            "problems": list(self.problems),
            "missing": list(self.missing),
            "collections": [one.to_json() for one in self.collections],
            "target": [{"name": one.name, "ok": one.ok, "detail": one.detail} for one in self.target],
        }


def plan(
    source: DatabaseService,
    target: DatabaseService,
    options: PlanOptions,
    progress: Progress,
    schema: Schema | None = None,
) -> Plan:
    """The plan; ``schema`` is what the application declares (default: the target service's own).

    Unavailable or TransferRefused if the source cannot be read; whatever is wrong with the target is in the plan.
    """
    selection = Selection(options.collections, options.tenants)
    selection.check()
    source.ping()
    held = selection.within(collections_of(source, options.collections))
    selection.check_tenants("in the source", lambda tenant: holds_tenant(source, held, tenant))
    wanted = target_schema(held, schema if schema is not None else target.schema)
    look = _Look(source, target, options, progress)
    missing = look.at_target(held, wanted)
    surveys, seconds, sample = look.through(held)
    findings = look.room(sum(one.bytes for one in surveys))
    return Plan(tuple(surveys), tuple(look.problems), tuple(missing), tuple(findings), seconds, sample)


class _Look:
    """Collects what is wrong."""

    def __init__(
        self, source: DatabaseService, target: DatabaseService, options: PlanOptions, progress: Progress
    ) -> None:
        self._source, self._target = source, target
        self._options = options
        self._progress = progress
        self._exists = False
        self.problems: list[str] = []

    def at_target(self, held: Sequence[CollectionInfo], wanted: Schema) -> list[str]:
        """Whether it can be the target of this source; what it lacks."""
        try:
            self._exists = is_there(self._target)
            if self._exists:
                self._compare(held)
            return self._target.prepare(wanted, dry_run=True)
        except (DatabaseError, TransferRefused) as error:
            problem = f"TARGET: {error}" if isinstance(error, DatabaseError) else str(error)
            self.problems.append(problem)
            self._progress.note(problem)  # reading the source may take long
            return []

    def _compare(self, held: Sequence[CollectionInfo]) -> None:
        if looks_same(self._source, self._target) and (
            not self._options.sample or same_database(self._source, self._target)
        ):
            raise TransferRefused(SAME)
        check_versions(self._source, self._target)
        check_target(self._target, held)
        if not self._options.into_existing:
            identity = source_identity(self._source, self._options.source_name, write=False)
            check_occupied(self._target, Checkpoints(self._target).read_run(), identity)

    def through(self, held: Sequence[CollectionInfo]) -> tuple[list[Survey], float | None, str]:
        """Read everything; then, unless something stands in the way, write a sample."""
        sample = Sample()
        patience = Patience("The source", self._options.patience, Event(), self._progress)
        self._progress.begin("plan", estimated(self._source, held) if self._options.tenants is None else None)
        try:
            surveys = [
                survey(self._source, one, self._options.tenants, patience, sample, self._progress) for one in held
            ]
        finally:
            self._progress.end()
        if not self._options.sample:
            return surveys, None, "not taken: --no-sample"
        if self.problems:
            return surveys, None, "not taken: see the problems"
        if not sample.documents:
            return surveys, None, "not taken: there are no documents"
        try:
            per_document = measure_writing(self._target, sample.documents)
        except DatabaseError as error:
            self.problems.append(f"TARGET cannot be written: {error}")
            return surveys, None, "not taken: the target refused it"
        self._exists = True
        documents = sum(one.documents for one in surveys)
        # Reading and writing overlap; the slower one decides.
        seconds = max(sum(one.seconds for one in surveys), documents * per_document)
        told = f"{len(sample.documents):,} documents written at {1 / per_document:,.0f} a second"
        return surveys, round(seconds, 1), told

    def room(self, bytes: int) -> list[Finding]:
        """What the doctor says of the target; a copy creates by itself what is only not prepared."""
        if not self._exists:
            return []
        findings = [one for one in self._target.doctor() if one.ok or "wherry db prepare" not in one.remedy]
        for one in findings:
            if not one.ok:
                self.problems.append(f"TARGET, {one.name}: {one.detail}. {one.remedy}")
            if one.free is not None and one.free < bytes * _ROOM:
                self.problems.append(
                    f"TARGET has {shown_bytes(one.free)} of room; about {shown_bytes(int(bytes * _ROOM))} are needed."
                )
        return findings
