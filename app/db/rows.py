"""Rows: what a list page shows of its entities, read without making entities.

A row has the asked-for fields as attributes, as they are stored (an enumeration is its text), with times as datetimes
and the entity's default where an older document lacks a field. Rows cannot be changed or saved.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, NoReturn, TypeVar

from app.db.documents import Document
from app.db.entities import Entity, read_time, timestamp_fields

T = TypeVar("T")


class Row:
    """One document's fields as attributes, ``id`` and ``rev`` among them. Read only."""

    # Attributes live in the instance's own dictionary, so that reading one is as fast as it can be.

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"this row has no {name!r}: is it among the query's fields?")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a row is read only; load the entity to change it")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a row is read only")

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__ if isinstance(other, Row) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.id, self.rev))

    def __repr__(self) -> str:
        return f"Row({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"


@dataclass(frozen=True, slots=True)
class EntityPage(Generic[T]):
    """Entities in order, and the cursor of the next page or None; a page may be short and still have a cursor."""

    items: list[T]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class RowPage:
    """Rows in order, and the cursor of the next page or None; a page may be short and still have a cursor."""

    items: list[Row]
    cursor: str | None


class RowMaker:
    """Turns the documents of one entity, or the asked-for fields of them, into rows."""

    def __init__(self, entity: type[Entity], fields: tuple[str, ...] | None) -> None:
        asked = entity.stored_fields() if fields is None else {field for field in fields if "." not in field}
        self._times = tuple(sorted(timestamp_fields(entity) & asked))
        # As JSON, like the stored values beside them.
        defaults = {
            name: field.get_default()
            for name, field in entity.model_fields.items()
            if name in asked and not field.is_required() and field.default_factory is None
        }
        shown = entity.model_construct(**defaults).model_dump(mode="json", include=set(defaults), warnings=False)
        self._upgraded = entity.upgraded if entity.document_version > 1 else None
        self._defaults = {name: value for name, value in shown.items() if value is None or type(value) in _SCALARS}

    def make(self, document: Document) -> Row:
        """The row of a document, which belongs to the row from now on."""
        id, rev = document.pop("_id"), document.pop("_rev")
        if self._upgraded is not None:
            document = self._upgraded(id, document)
        document["id"] = id
        document["rev"] = rev
        if not self._defaults.keys() <= document.keys():
            document = {**self._defaults, **document}
        for name in self._times:
            value = document.get(name)
            if value is not None:
                document[name] = read_time(value)
        row = Row.__new__(Row)
        object.__setattr__(row, "__dict__", document)
        return row


@lru_cache(maxsize=256)
def row_maker(entity: type[Entity], fields: tuple[str, ...] | None) -> RowMaker:
    """The maker for these fields, remembered: it is the same for every request."""
    return RowMaker(entity, fields)


_SCALARS = frozenset({str, int, float, bool})
