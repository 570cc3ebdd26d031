"""The audit record: who did what to what, when and from where, one document for each commit, and how to ask for it.

The unit of work writes it in the same commit as the changes (``app.db.audit_record``), so there is one if and only if
they were made. Changes of a tenant's entities stand in the tenant's ``audit``; those of the installation's entities in
``installation_audit``, so that a tenant never reads about other people's accounts, unless the entity says
``audit_in_tenant``. Events stand in the tenant's record if the unit has a tenant. Nothing stands in both.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, ClassVar, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from app.db.documents import Document, canonical_json
from app.db.entities import Entity, Timestamp, stored_time
from app.db.own_collections import AUDIT, AUDIT_INDEXES, INSTALLATION_AUDIT
from app.db.query import Condition, Query, where
from app.db.rows import EntityPage
from app.db.stores import EntityStore
from app.db.tracking import Action

MASK: Final = "(hidden)"


class FieldChange(BaseModel):
    """One field before and after, as JSON values; None where there was none. A secret's value is MASK.

    A side named in ``cut`` was large: it is an object of its beginning (``text``), its size in ``bytes`` and its
    ``sha256``, both of its canonical JSON. ``left_out``: there was no room for either side.
    """

    model_config = ConfigDict(frozen=True)

    field: str
    before: Any = None
    after: Any = None
    cut: tuple[Literal["before", "after"], ...] = ()
    left_out: bool = False


class AuditedChange(BaseModel):
    """What was done to one entity: ``kind`` is its collection, ``id`` as ``shown_id`` says, ``label`` what people call
    it."""

    model_config = ConfigDict(frozen=True)

    action: Action
    kind: str
    id: str
    label: str
    fields: tuple[FieldChange, ...] = ()


class AnyAuditRecord(Entity):
    """What the two audit records have in common. They are written once and never changed.

    ``actions``, ``kinds`` and ``subjects`` ("<kind>/<id>") repeat what stands in ``changes``, for queries.
    ``shortened``: a large commit's values or field lists had to be left out.
    """

    audited: ClassVar[bool] = False
    indexes = AUDIT_INDEXES

    def to_document(self) -> Document:
        """Without what is empty: most changes have few sides, and a record is kept for long."""
        return self.model_dump(mode="json", exclude={"id", "rev"}, exclude_defaults=True)

    at: Timestamp
    actor_kind: str
    actor_id: str
    actor_name: str
    address: str
    correlation_id: str
    changes: tuple[AuditedChange, ...]
    events: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    kinds: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    shortened: bool = False


class AuditRecord(AnyAuditRecord):
    """A commit in one tenant."""

    collection = AUDIT


class InstallationAuditRecord(AnyAuditRecord):
    """What a commit changed of the installation's own entities."""

    collection = INSTALLATION_AUDIT
    scope = "installation"


R = TypeVar("R", bound=AnyAuditRecord)


def shown_id(id: str) -> str:
    """The id as it stands in a record: one that takes more than 200 bytes as JSON is its beginning and a hash."""
    data = canonical_json({"": id})
    return id if len(data) <= 205 else f"{id[:20]}~{sha256(data).hexdigest()}"


def subject_of(kind: str, id: str) -> str:
    """What ``subjects`` holds for an entity."""
    return f"{kind}/{shown_id(id)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """What to show of an audit record; everything given must hold. ``id`` is the entity's and needs its ``kind``.

    ``since`` is included, ``until`` is not. The actor, the correlation id and the times are served by an index. Kind,
    id, action and event are filtered along it, at most 1,000 records a page: such a page may be short and still have a
    cursor.
    """

    actor_id: str | None = None
    correlation_id: str | None = None
    kind: str | None = None
    id: str | None = None
    action: Action | None = None
    event: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if self.id is not None and self.kind is None:
            raise ValueError("an entity is named by its kind and id")

    def query(self, limit: int = 50, cursor: str | None = None) -> Query:
        """The newest first."""
        found: list[Condition] = []
        if self.actor_id is not None:
            found.append(where("actor_id").eq(self.actor_id))
        if self.correlation_id is not None:
            found.append(where("correlation_id").eq(self.correlation_id))
        if self.id is not None:
            found.append(where("subjects").contains(subject_of(str(self.kind), self.id)))
        elif self.kind is not None:
            found.append(where("kinds").contains(self.kind))
        if self.action is not None:
            found.append(where("actions").contains(self.action))
        if self.event is not None:
            found.append(where("events").contains(self.event))
        if self.since is not None:
            found.append(where("at").gte(stored_time(self.since)))
        if self.until is not None:
            found.append(where("at").lt(stored_time(self.until)))
        return Query(where=tuple(found), order_by=("at",), descending=True, limit=limit, cursor=cursor)


def newest(records: EntityStore[R], limit: int = 50, cursor: str | None = None) -> EntityPage[R]:
    """Everything, the newest first."""
    return records.find(AuditFilter().query(limit, cursor))


def about(
    records: EntityStore[R], kind: str, id: str | None = None, limit: int = 50, cursor: str | None = None
) -> EntityPage[R]:
    """What was done to one entity, or to any of a kind, the newest first."""
    return records.find(AuditFilter(kind=kind, id=id).query(limit, cursor))
