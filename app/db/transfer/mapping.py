"""How documents of another program become ours: declared field by field. Whatever is left out is told with a reason.

    Mapping(
        "agents", "agents",
        fields={"name": "name", "inputSchema": Field("input_schema", schema_text)},
        dropped={"thoughts": "nobody reads it"},
        entity=Agent,
    )

The id stays as it is. A field that is not named is ``others``: "snake" keeps it, its name in snake_case; "leave" leaves
it out.
"""

import re
from collections.abc import Callable
from collections.abc import Mapping as Names
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from app.db.documents import Document, check_document
from app.db.entities import Entity, UnreadableEntity, stored_time
from app.db.errors import DatabaseError
from app.db.names import check_id

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class DoesNotFit(Exception):
    """A document that cannot be adopted; the text says why."""


@dataclass(frozen=True, slots=True)
class Field:
    """Where a foreign field goes. ``convert`` makes its value ours; its ValueError says why the value is left out."""

    to: str
    convert: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """What becomes of one foreign database.

    ``fields`` go where they say; ``dropped`` fields are left out for the reason given; ``others`` see above. With an
    ``entity`` a document has to be one, after ``complete`` has filled in what the foreign program did not know.
    ``unique`` is the kind and the field of a value that no two may share (a claim). ``remarks`` are sentences about an
    entity that is adopted although something is still to be done.
    """

    database: str
    collection: str
    fields: Names[str, Field | str] = field(default_factory=dict)
    dropped: Names[str, str] = field(default_factory=dict)
    others: Literal["snake", "leave"] = "snake"
    entity: type[Entity] | None = None
    complete: Callable[[Document], None] | None = None
    unique: tuple[str, str] | None = None
    remarks: Callable[[Entity], list[str]] | None = None


@dataclass(frozen=True, slots=True)
class Mapped:
    """A document as it will be stored, without ``_id``; its ``entity``, if it is one; and (what, reason) of all that
    was left out of it."""

    id: str
    document: Document
    entity: Entity | None
    left_out: tuple[tuple[str, str], ...]


def map_document(mapping: Mapping, foreign: Document) -> Mapped:
    """A foreign document in our form; DoesNotFit with the reason."""
    id = foreign["_id"]
    left: list[tuple[str, str]] = []
    document: Document = {}
    for name, stub in foreign.get("_attachments", {}).items():
        told = f"{stub.get('content_type', 'of no type')}, {stub.get('length', 0):,} bytes"
        left.append((f"attachment {name}", f"documents have no attachments here ({told})"))
    if foreign.get("_conflicts"):
        number = len(foreign["_conflicts"])
        left.append(("conflicts", f"{number} conflicting revisions: only the one that CouchDB shows is adopted"))
    for name, value in foreign.items():
        if not name.startswith("_"):
            _map_field(mapping, name, value, document, left)
    if mapping.complete is not None:
        mapping.complete(document)
    try:
        body = check_document(document, check_id(id)).body
        entity = None if mapping.entity is None else mapping.entity.from_document({**body, "_id": id, "_rev": None})
    except UnreadableEntity as error:
        raise DoesNotFit(f"{', '.join(error.fields)} do not fit {mapping.collection}") from error
    except DatabaseError as error:
        raise DoesNotFit(str(error)) from error
    return Mapped(id, body, entity, tuple(left))


def _map_field(mapping: Mapping, name: str, value: Any, document: Document, left: list[tuple[str, str]]) -> None:
    where = f"field {name}"
    if name in mapping.dropped:
        left.append((where, mapping.dropped[name]))
        return
    known = mapping.fields.get(name)
    if known is None and mapping.others == "leave":
        left.append((where, f"{mapping.collection} have no such field"))
        return
    goes = known if isinstance(known, Field) else Field(known or snake_case(name))
    if goes.to in document:
        left.append((where, f"{goes.to} is filled by another field already"))
        return
    try:
        document[goes.to] = value if goes.convert is None else goes.convert(value)
    except ValueError as error:
        left.append((where, str(error)))


def snake_case(name: str) -> str:
    """``createdAt`` as ``created_at``, ``userID`` as ``user_id``; other characters stay."""
    return _HUMP.sub("_", name).lower()


def moment(value: Any) -> str:
    """A time as we store it: of ISO 8601 text (without a zone it is UTC) or of seconds or milliseconds since 1970."""
    try:
        if type(value) in (int, float):
            seconds = value / 1_000 if value > 100_000_000_000 else value
            return stored_time(datetime.fromtimestamp(seconds, UTC))
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise ValueError("is no time that can be read") from error
    return stored_time(found if found.tzinfo is not None else found.replace(tzinfo=UTC))


def text(value: Any) -> str:
    """Text; null is none."""
    if value is None:
        return ""
    if type(value) is not str:
        raise ValueError(f"is {type(value).__name__}, not text")
    return value
