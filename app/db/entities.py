"""Entities: pydantic models that say where they are stored, how they are indexed, and what is secret about them.

    class Agent(Entity):
        collection = "agents"
        indexes = (Index("name"), Index("status", "name"))
        name: str
        status: Literal["draft", "live"] = "draft"

An entity knows no database. Making one with a field that is not declared is refused; but a stored document may have
fields that this version of the program does not know (a newer worker wrote them during a rolling restart): they are
kept aside when it is loaded and written back unchanged when it is saved.

A change that is more than a new field with a default raises ``document_version`` and says how a document of the version
before becomes one of the next. Documents are brought up as they are read, and stored in the new form when something
else about them changes; a numbered change (``app.db.changes``) does so at once, for queries see what is stored::

    class Agent(Entity):
        document_version = 2
        upgrades = {1: lambda document: {"tags": [document.pop("tag")], **document}}
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from secrets import token_urlsafe
from typing import Annotated, Any, ClassVar, Final, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, ValidationError

from app.db.documents import Document
from app.db.errors import DatabaseError
from app.db.fields import parse_field
from app.db.names import check_collection
from app.db.own_collections import OWN_COLLECTIONS
from app.db.schema import Collection, CollectionScope, Index, Schema

UNSET_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""What ``created_at`` and ``updated_at`` are before the entity was added to a store."""
VERSION: Final = "document_version"
"""Under which name a document's version is stored; the first is not."""
_OUTSIDE: Final = frozenset({"id", "rev"})


def new_id() -> str:
    """A random id of 22 characters that are safe in a URL (128 bits); the first is a letter or digit.

    A leading hyphen would look like an option to a command line.
    """
    while True:
        id = token_urlsafe(16)
        if id[0].isalnum():
            return id


def stored_time(moment: datetime) -> str:
    """A moment as it is stored, and as conditions compare it: ``2026-01-02T03:04:05.000006Z``.

    Of one width and in UTC, so that the text sorts like the time. ValueError for a datetime without a zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a stored time needs a zone")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def read_time(value: object) -> datetime:
    """The moment, in UTC, that a stored text or an aware datetime stands for; ValueError for anything else."""
    if type(value) is str:
        value = datetime.fromisoformat(value)
        if value.tzinfo is UTC:
            return value
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("a time is a datetime with a zone, or its ISO 8601 text with a zone")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


class _StoredAsText:
    """Marks Timestamp among a field's annotations."""


Timestamp = Annotated[
    datetime,
    _StoredAsText(),
    PlainValidator(read_time),
    PlainSerializer(stored_time, return_type=str, when_used="json"),
]
"""A moment in UTC. Entities use it instead of ``datetime``, whose text varies in width and does not sort."""


class UnreadableEntity(DatabaseError):
    """A stored document does not fit its entity: another program or an unfinished migration wrote it."""

    title = "A stored document cannot be read"

    def __init__(self, collection: str, id: str, fields: Iterable[str]) -> None:
        self.fields = tuple(fields)
        super().__init__(f"{id!r} in {collection!r} cannot be read: {', '.join(self.fields)} do not fit.")


class NewerDocument(UnreadableEntity):
    """A stored document was written by a newer release of the program than this one."""

    title = "A newer release wrote this document"

    def __init__(self, entity: "type[Entity]", id: str, found: object) -> None:
        super().__init__(
            entity.collection,
            id,
            [f"version {found!r}, of which this release knows {VERSION} up to {entity.document_version}"],
        )


class Entity(BaseModel):
    """The base of everything that is stored. Subclasses set ``collection``, and what else differs from the defaults.

    ``scope``: whether each tenant has such a collection or the installation has one. ``indexes`` serve the queries.
    ``audited``: whether changes are written to the audit record. ``audit_in_tenant``: entries of an entity of the
    installation go to the tenant's record when a tenant's unit of work changes it (a membership). ``secret``: fields
    whose values the audit record never shows. ``document_version`` and ``upgrades``: see the module; an upgrade gets a
    whole stored document without ``_id`` and ``_rev``, which is its own, and answers it in the next version's form.
    What is wrong with a declaration is a TypeError when the class is made.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True, ser_json_inf_nan="constants")

    collection: ClassVar[str]
    scope: ClassVar[CollectionScope] = "tenant"
    indexes: ClassVar[tuple[Index, ...]] = ()
    audited: ClassVar[bool] = True
    audit_in_tenant: ClassVar[bool] = False
    secret: ClassVar[frozenset[str]] = frozenset()
    document_version: ClassVar[int] = 1
    upgrades: ClassVar[Mapping[int, Callable[[Document], Document]]] = {}

    id: str = Field(default_factory=new_id, frozen=True)
    rev: str | None = None
    created_at: Timestamp = UNSET_TIME
    updated_at: Timestamp = UNSET_TIME

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "collection" in vars(cls):
            _check_declaration(cls)

    @classmethod
    def stored_fields(cls) -> frozenset[str]:
        """The names of the fields that are in the document: all but ``id`` and ``rev``."""
        return frozenset(cls.model_fields) - _OUTSIDE

    def audit_label(self) -> str:
        """A few words by which a person recognises the entity in the audit record; override it where the first of
        ``name``, ``title``, ``slug`` and ``email`` that exists and is not secret is not what people call it."""
        for field in ("name", "title", "slug", "email"):
            if field not in self.secret:
                value = getattr(self, field, None)
                if isinstance(value, str) and value:
                    return value
        return self.id

    def to_document(self) -> Document:
        """The document to be stored: JSON values, without ``id`` and ``rev``."""
        document = self.model_dump(mode="json", exclude=_OUTSIDE)  # type: ignore[arg-type]
        if self.document_version > 1:
            document[VERSION] = self.document_version
        return document

    @classmethod
    def upgraded(cls, id: str, values: Document) -> Document:
        """A stored document, without ``_id`` and ``_rev``, in the form of this release; it may be changed itself.

        NewerDocument for one of a later version, UnreadableEntity where an upgrade fails on it.
        """
        found = values.pop(VERSION, 1)
        if type(found) is not int or not 1 <= found <= cls.document_version:
            raise NewerDocument(cls, id, found)
        for version in range(found, cls.document_version):
            try:
                values = cls.upgrades[version](values)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise UnreadableEntity(cls.collection, id, [f"the upgrade from version {version}"]) from error
        return values

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The entity of a document as the database answers it; UnreadableEntity if it does not fit.

        Fields that the class does not know are left out: the store keeps them aside.
        """
        values = dict(document)
        return cls.load(values.pop("_id"), values.pop("_rev", None), values)

    @classmethod
    def load(cls, id: str, rev: str | None, values: Document) -> Self:
        """Like ``from_document``, for a document without ``_id`` and ``_rev`` that is the entity's from now on."""
        if cls.document_version > 1 or VERSION in values:
            values = cls.upgraded(id, values)
        values["id"], values["rev"] = id, rev
        known = cls.__pydantic_fields__
        if not values.keys() <= known.keys():
            values = {name: value for name, value in values.items() if name in known}
        try:
            return cls.__pydantic_validator__.validate_python(values)  # type: ignore[no-any-return]
        except ValidationError as error:
            fields = {".".join(str(part) for part in problem["loc"]) or "the whole" for problem in error.errors()}
            raise UnreadableEntity(cls.collection, str(values["id"]), sorted(fields)) from error


def schema_of(*entities: type[Entity]) -> Schema:
    """What these entities declare, and the collections that every unit of work writes by itself."""
    declared = (Collection(entity.collection, entity.scope, entity.indexes) for entity in entities)
    return Schema((*OWN_COLLECTIONS, *declared))


def is_timestamp(annotation: object) -> bool:
    """Whether a field's annotation is Timestamp or, within a union, may be one."""
    if isinstance(annotation, _StoredAsText):
        return True
    return any(is_timestamp(part) for part in (*get_args(annotation), *getattr(annotation, "__metadata__", ())))


def timestamp_fields(entity: type[Entity]) -> frozenset[str]:
    """The fields that hold a Timestamp (or None), not those that hold one deeper inside."""
    return frozenset(
        name
        for name, field in entity.model_fields.items()
        if any(is_timestamp(part) for part in (field.annotation, *field.metadata))
    )


def _check_declaration(entity: type[Entity]) -> None:
    name = entity.__name__
    check_collection(entity.collection)
    if set(entity.upgrades) != set(range(1, entity.document_version)) or VERSION in entity.model_fields:
        raise TypeError(
            f"{name}.upgrades needs an entry for each version before document_version ({entity.document_version})"
        )
    if unknown := entity.secret - entity.model_fields.keys():
        raise TypeError(f"{name}.secret names fields that do not exist: {', '.join(sorted(unknown))}")
    for index in entity.indexes:
        for field in index.fields:
            if parse_field(field)[0] not in entity.stored_fields():
                raise TypeError(f"{name}.indexes names {field!r}, which is not stored")
    times = timestamp_fields(entity)
    for field, info in entity.model_fields.items():
        if field not in times and _mentions_datetime(info.annotation):
            raise TypeError(f"{name}.{field} is a datetime: declare it as Timestamp, whose stored text sorts")


def _mentions_datetime(annotation: object) -> bool:
    if is_timestamp(annotation):
        return False
    return annotation is datetime or any(_mentions_datetime(part) for part in get_args(annotation))
