"""The audit record in words: "Ann changed the agent Greeter"; usable without HTTP."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.db.audit import AnyAuditRecord, AuditedChange, FieldChange
from app.db.unit_of_work import UnitOfWork
from app.users.entities import User

KINDS = {"members": "member", "tenants": "tenant", "invitations": "invitation", "users": "account"}
PEOPLE = frozenset({"members", "users"})
LONGEST_VALUE = 300


@dataclass(frozen=True, slots=True)
class Detail:
    """One field before and after, as text."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Line:
    """One change of one entity. ``label`` is what people call it, by now if it is a person."""

    action: str
    kind: str
    id: str
    label: str
    details: tuple[Detail, ...]


@dataclass(frozen=True, slots=True)
class Activity:
    """One commit: who, when, from where, and what."""

    at: datetime
    who: str
    actor_id: str
    address: str
    correlation_id: str
    lines: tuple[Line, ...]
    events: tuple[str, ...]


def describe(uow: UnitOfWork, records: Iterable[AnyAuditRecord]) -> list[Activity]:
    """The records in words. The names of people who are members are read in one go."""
    found = list(records)
    ids = {change.id for record in found for change in record.changes if change.kind in PEOPLE}
    people = uow.store(User).get_many(sorted(ids)) if ids else {}
    names = {id: user.name for id, user in people.items()}
    return [
        Activity(
            at=record.at,
            who=who(record),
            actor_id=record.actor_id,
            address=record.address,
            correlation_id=record.correlation_id,
            lines=tuple(_line(change, names) for change in record.changes),
            events=record.events,
        )
        for record in found
    ]


def who(record: AnyAuditRecord) -> str:
    """The actor's name as it was then."""
    unnamed = {"anonymous": "Somebody signed out", "system": "Wherry", "command": "A command"}
    return record.actor_name or unnamed.get(record.actor_kind, record.actor_kind)


def kind_word(kind: str) -> str:
    """What one of a collection is called: "agents" is "agent"."""
    return KINDS.get(kind) or kind.removesuffix("s").replace("_", " ")


def _line(change: AuditedChange, names: dict[str, str]) -> Line:
    label = names.get(change.id, change.label) if change.kind in PEOPLE else change.label
    return Line(change.action, kind_word(change.kind), change.id, label, tuple(_details(change.fields)))


def _details(fields: Iterable[FieldChange]) -> Iterator[Detail]:
    for field in fields:
        if field.left_out:
            yield Detail(field.field, "(too large to keep)", "(too large to keep)")
        else:
            yield Detail(
                field.field,
                _text(field.before, "before" in field.cut),
                _text(field.after, "after" in field.cut),
            )


def _text(value: Any, cut: bool) -> str:
    if value is None:
        return ""
    if cut and isinstance(value, dict):
        return f"{str(value.get('text', ''))[:LONGEST_VALUE]}… ({value.get('bytes', 0):,} bytes)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"
