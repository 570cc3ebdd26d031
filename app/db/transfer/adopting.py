"""Adopting: the documents of another program's CouchDB become a tenant's, by a declared mapping (mapping.py).

Run again it adopts what is missing: a document that is there already stands as it is. What is left out is told with the
reason: databases without a mapping, design documents, attachments, fields without a place, documents that do not fit.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

from app.db.actors import Actor
from app.db.claims import Taken
from app.db.documents import Document
from app.db.entities import Entity
from app.db.errors import Conflict, TooLarge
from app.db.own_collections import CLAIMS
from app.db.schema import Collection, Schema
from app.db.service import DatabaseService
from app.db.tracking import set_quietly
from app.db.transfer.errors import TransferRefused
from app.db.transfer.mapping import DoesNotFit, Mapped, Mapping, map_document
from app.db.transfer.progress import Progress
from app.db.unit_of_work import UnitOfWork

_AT_ONCE: Final = 100
_EXAMPLES: Final = 3
_LISTED: Final = 1_000
_ACTOR: Final = Actor("command", "adopt", "Adoption")


class Foreign(Protocol):
    """Where documents come from: see ForeignCouch."""

    name: str

    def databases(self) -> dict[str, str]: ...
    def documents(self, database: str) -> Iterator[Document]: ...


class LeftOut(NamedTuple):
    """What was not adopted, and why. ``id`` is "" for a whole database."""

    database: str
    id: str
    what: str
    reason: str


@dataclass(slots=True)
class Adopted:
    """What became of one database: documents ``adopted``, and those that were ``there`` already or ``left_out``."""

    collection: str
    adopted: int = 0
    there: int = 0
    left_out: int = 0


@dataclass(slots=True)
class AdoptionReport:
    """What was done. ``left_out``: the first thousand; ``counts``: all of them by (database, what, reason), with the
    first documents' ids in ``examples``. ``remarks`` are (collection, id, sentence) about adopted documents."""

    dry_run: bool
    databases: dict[str, Adopted] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    remarks: list[tuple[str, str, str]] = field(default_factory=list)

    def leave_out(self, database: str, id: str, what: str, reason: str) -> None:
        """Note something."""
        key = database, what, reason
        self.counts[key] += 1
        if id and len(self.examples.setdefault(key, [])) < _EXAMPLES:
            self.examples[key].append(id)
        if len(self.left_out) < _LISTED:
            self.left_out.append(LeftOut(*key[:1], id, *key[1:]))

    def to_json(self) -> dict[str, Any]:
        """For a file or a program."""
        return {
            "dry_run": self.dry_run,
            "databases": {name: asdict(one) for name, one in self.databases.items()},
            "left_out": [one._asdict() for one in self.left_out],
            "reasons": [
                {"database": database, "what": what, "reason": reason, "number": number,
                 "examples": self.examples.get((database, what, reason), [])}
                for (database, what, reason), number in self.counts.items()
            ],
            "remarks": [{"collection": path, "id": id, "remark": remark} for path, id, remark in self.remarks],
        }  # fmt: skip


def _now() -> datetime:
    return datetime.now(UTC)


def adopt(
    foreign: Foreign,
    target: DatabaseService,
    tenant_id: str,
    mappings: Sequence[Mapping],
    ignored: dict[str, str],
    progress: Progress,
    *,
    dry_run: bool = False,
    clock: Callable[[], datetime] = _now,
) -> AdoptionReport:
    """Adopt what has a mapping into the tenant, which has to exist.

    ``ignored`` are databases that are left out, with the reason. Entities are added with their claims and an audit
    record, a commit each; other documents in bulk. TransferRefused where the foreign server has no database that is
    mapped; Unavailable where one of the two does not answer: another call goes on.
    """
    report = AdoptionReport(dry_run)
    known = {mapping.database: mapping for mapping in mappings}
    found = foreign.databases()
    if not known.keys() & found.keys():
        there = ", ".join(found) or "none"
        raise TransferRefused(f"{foreign.name} has none of the databases {', '.join(known)}. There are: {there}.")
    if not dry_run:
        target.prepare(_schema(mappings, found))
    for name, real in found.items():
        if name not in known:
            report.leave_out(name, "", "database", ignored.get(name, "there is no mapping for it"))
            continue
        progress.begin(f"Adopting {name}")
        try:
            adoption = _Adoption(target, tenant_id, known[name], report, clock)
            adoption.run(foreign.documents(real), progress)
        finally:
            progress.end()
    return report


def _schema(mappings: Sequence[Mapping], found: dict[str, str]) -> Schema:
    return Schema(
        Collection(one.collection, "tenant", () if one.entity is None else one.entity.indexes)
        for one in mappings
        if one.database in found
    )


class _Adoption:
    """One database's."""

    def __init__(
        self,
        target: DatabaseService,
        tenant_id: str,
        mapping: Mapping,
        report: AdoptionReport,
        clock: Callable[[], datetime],
    ) -> None:
        self._target = target
        self._tenant_id = tenant_id
        self._mapping = mapping
        self._report = report
        self._path = f"{tenant_id}/{mapping.collection}"
        self._counted = report.databases[mapping.database] = Adopted(mapping.collection)
        self._clock = clock
        self._names: set[str] = set()
        """Unique values that a dry run has met."""

    def run(self, documents: Iterator[Document], progress: Progress) -> None:
        while part := list(islice(documents, _AT_ONCE)):
            self._take([mapped for one in part if (mapped := self._mapped(one)) is not None])
            progress.advance(len(part))

    def _mapped(self, foreign: Document) -> Mapped | None:
        if foreign["_id"].startswith("_design/"):
            self._leave_out(foreign["_id"], "design document", "views and code of the other program have no use here")
            return None
        try:
            return map_document(self._mapping, foreign)
        except DoesNotFit as error:
            self._leave_out(foreign["_id"], "document", str(error))
            return None

    def _take(self, part: list[Mapped]) -> None:
        there = self._stored([one.id for one in part])
        new = [one for one in part if one.id not in there]
        self._counted.there += len(part) - len(new)
        if self._mapping.entity is not None:
            for one in new:
                self._add(one)
        elif self._report.dry_run:
            for one in new:
                self._count(one)
        else:
            outcomes = self._target.write_batch(self._path, [{**one.document, "_id": one.id} for one in new])
            for one, outcome in zip(new, outcomes, strict=True):
                if outcome.error is None:
                    self._count(one)
                else:
                    self._leave_out(one.id, "document", str(outcome.error))

    def _stored(self, ids: list[str]) -> set[str]:
        if self._report.dry_run and not self._exists(self._mapping.collection):
            return set()
        return set(self._target.get_many(self._path, ids))

    def _add(self, mapped: Mapped) -> None:
        """An entity, its claim and the audit record of it, in one commit."""
        entity = mapped.entity
        if entity is None:
            raise RuntimeError("An entity's mapping makes entities.")
        with UnitOfWork(self._target, tenant_id=self._tenant_id, actor=_ACTOR, clock=self._clock) as uow:
            try:
                self._register(uow, entity)
                if not self._report.dry_run:
                    uow.commit()
            except (Taken, _TakenHere):
                kind, name = self._mapping.unique or ("", "")
                self._leave_out(entity.id, "document", f"another {kind} has its {name}, {getattr(entity, name)!r}")
            except Conflict:  # somebody else has added it since we looked
                self._counted.there += 1
            except TooLarge as error:
                self._leave_out(entity.id, "document", str(error))
            else:
                self._count(mapped)

    def _register(self, uow: UnitOfWork, entity: Entity) -> None:
        times = {name: at for name in ("created_at", "updated_at") if (at := getattr(entity, name)).year > 1970}
        uow.store(type(entity)).add(entity)
        set_quietly(entity, **times)  # when it was made is the other program's to say
        if self._mapping.unique is not None:
            kind, name = self._mapping.unique
            value = getattr(entity, name)
            if self._report.dry_run:
                if value in self._names or self._claimed(uow, kind, value):
                    raise _TakenHere
                self._names.add(value)
            else:
                uow.claim(kind, value, entity, scope="tenant")

    def _claimed(self, uow: UnitOfWork, kind: str, value: str) -> bool:
        # Asked first: to look into a collection that is not there may make it.
        return self._exists(CLAIMS) and uow.claimed_by(kind, value, scope="tenant") is not None

    def _exists(self, collection: str) -> bool:
        return collection in {one.name for one in self._target.collections()}

    def _count(self, mapped: Mapped) -> None:
        self._counted.adopted += 1
        for what, reason in mapped.left_out:
            self._report.leave_out(self._mapping.database, mapped.id, what, reason)
        if mapped.entity is not None and self._mapping.remarks is not None and len(self._report.remarks) < _LISTED:
            sentences = self._mapping.remarks(mapped.entity)
            self._report.remarks += [(self._mapping.collection, mapped.id, sentence) for sentence in sentences]

    def _leave_out(self, id: str, what: str, reason: str) -> None:
        self._counted.left_out += 1
        self._report.leave_out(self._mapping.database, id, what, reason)


class _TakenHere(Exception):
    """In a dry run, a document before has the value."""
