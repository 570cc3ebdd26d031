"""Making the audit record of a commit: the differences, without secrets, and small whatever was changed."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from app.db.actors import Actor
from app.db.audit import MASK, AnyAuditRecord, AuditedChange, AuditRecord, FieldChange, shown_id, subject_of
from app.db.audit import InstallationAuditRecord as InstallationRecord
from app.db.documents import Document, canonical_json, document_size
from app.db.tracking import Change
from app.hub import Event

MAX_BYTES: Final = 200_000
"""Of one record, by the strictest count. With 90 entities the last of STEPS stays below it."""
_WHOLE, _NAMES, _NOTHING = 600, 0, -1
STEPS: Final = (_WHOLE, 120, _NAMES, _NOTHING)
"""Characters of a value that are kept, less and less until the record is small; then names only; then no fields."""
MAX_TEXT: Final = 200
MAX_EVENTS: Final = 50
_DEEPEST: Final = 10
_TIMES: Final = frozenset({"created_at", "updated_at"})


def audit_records(
    changes: Iterable[Change], events: Sequence[Event], *, actor: Actor, at: datetime, tenant: bool
) -> list[AnyAuditRecord]:
    """None, one or two records: the tenant's if there is a tenant, and one for what is the installation's.

    Each change of an audited entity and each audited event stands in exactly one of them.
    """
    in_tenant: list[Change] = []
    in_installation: list[Change] = []
    for change in changes:
        if change.entity.audited:
            own = tenant and (change.entity.scope == "tenant" or change.entity.audit_in_tenant)
            (in_tenant if own else in_installation).append(change)
    names = tuple(dict.fromkeys(event.name[:MAX_TEXT] for event in events if event.audited))[:MAX_EVENTS]
    records: list[AnyAuditRecord] = []
    if tenant and (in_tenant or names):
        records.append(_record(AuditRecord, in_tenant, names, actor, at))
    if in_installation or (names and not tenant):
        records.append(_record(InstallationRecord, in_installation, () if tenant else names, actor, at))
    return records


def _record(
    kind: type[AnyAuditRecord], changes: Sequence[Change], events: tuple[str, ...], actor: Actor, at: datetime
) -> AnyAuditRecord:
    for keep in STEPS:
        entries = tuple(_entry(change, keep) for change in changes)
        record = kind(
            created_at=at,
            updated_at=at,
            at=at,
            actor_kind=actor.kind[:MAX_TEXT],
            actor_id=actor.id,
            actor_name=actor.name[:MAX_TEXT],
            address=actor.address[:MAX_TEXT],
            correlation_id=actor.correlation_id[:MAX_TEXT],
            changes=entries,
            events=events,
            actions=tuple(sorted({entry.action for entry in entries})),
            kinds=tuple(sorted({entry.kind for entry in entries})),
            subjects=tuple(subject_of(change.entity.collection, change.entity.id) for change in changes),
            shortened=keep != _WHOLE,
        )
        if _is_small(record.to_document()):
            break
    return record


def _is_small(document: Document) -> bool:
    data = canonical_json(document)
    # No formula counts more than four bytes for one of JSON (app.db.documents): most records need no closer look.
    return 4 * len(data) <= MAX_BYTES or document_size(document, data) <= MAX_BYTES


def _entry(change: Change, keep: int) -> AuditedChange:
    entity = change.entity
    return AuditedChange(
        action=change.action,
        kind=entity.collection,
        id=shown_id(entity.id),
        label=entity.audit_label()[:MAX_TEXT],
        fields=() if keep == _NOTHING else tuple(_differences(change, keep)),
    )


def _differences(change: Change, keep: int) -> Iterator[FieldChange]:
    before, after = change.before, change.after
    for field in dict.fromkeys((*before, *after)):
        old, new = before.get(field), after.get(field)
        if field in _TIMES or (type(old) is type(new) and _json(old) == _json(new)):
            continue
        if field in change.entity.secret:
            yield FieldChange(field=field, before=_masked(old), after=_masked(new))
        elif keep == _NAMES:
            yield FieldChange(field=field, left_out=True)
        else:
            (old, old_cut), (new, new_cut) = _shown(old, keep), _shown(new, keep)
            sides: tuple[Any, ...] = (*(("before",) if old_cut else ()), *(("after",) if new_cut else ()))
            yield FieldChange(field=field, before=old, after=new, cut=sides)


def _masked(value: Any) -> str | None:
    """Never a hash either: a short secret could be found by trying."""
    return None if value is None else MASK


def _shown(value: Any, keep: int) -> tuple[Any, bool]:
    """The value as it is if it is small and flat enough, else the object that FieldChange describes."""
    data = _json(value)
    if len(data) <= keep and _depth(value) <= _DEEPEST:
        return value, False
    text = value if type(value) is str else data.decode()
    return {"text": text[:keep], "bytes": len(data), "sha256": sha256(data).hexdigest()}, True


def _json(value: Any) -> bytes:
    return canonical_json({"": value})[4:-1]


def _depth(value: Any) -> int:
    if type(value) is dict:
        return 1 + max(map(_depth, value.values()), default=0)
    if type(value) is list:
        return 1 + max(map(_depth, value), default=0)
    return 0
