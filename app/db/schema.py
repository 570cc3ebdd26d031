"""What an application declares about its collections: whose they are, and their indexes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Literal

from app.db.errors import InvalidQuery
from app.db.fields import parse_field
from app.db.names import check_collection

CollectionScope = Literal["installation", "tenant"]


@dataclass(frozen=True, slots=True, init=False)
class Index:
    """An ordered index on one to four field paths, always below the tenant and always ending with the id.

    ``Index("status", "name")`` serves queries with ``status`` eq or in, ordered by ``name``; ``Index("name")`` those
    ordered by ``name`` alone, ranges and prefixes on it included.
    """

    fields: tuple[str, ...]
    _hash: int = dataclass_field(compare=False, repr=False)

    def __init__(self, *fields: str) -> None:
        if not 1 <= len(fields) <= 4 or len(set(fields)) != len(fields):
            raise InvalidQuery("an index has one to four different fields", name=",".join(map(str, fields)))
        for field in fields:
            parse_field(field)
            if "," in field:
                raise InvalidQuery("an index cannot hold a field with a comma in its name", name=field)
        object.__setattr__(self, "fields", fields)
        object.__setattr__(self, "_hash", hash(fields))

    def __hash__(self) -> int:
        # Kept, because indexes are part of the key under which every query's plan is remembered.
        return self._hash

    @property
    def name(self) -> str:
        """The fields joined by commas: unique within a collection."""
        return ",".join(self.fields)


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection's declaration. ``scope`` is fixed for good: a name belongs to the installation or to tenants."""

    name: str
    scope: CollectionScope = "tenant"
    indexes: tuple[Index, ...] = ()

    def __post_init__(self) -> None:
        check_collection(self.name)


class Schema:
    """The collections of an application, by name."""

    def __init__(self, collections: Iterable[Collection] = ()) -> None:
        self._collections: dict[str, Collection] = {}
        for collection in collections:
            self.add(collection)

    def add(self, collection: Collection) -> None:
        """Add a declaration; one that contradicts an earlier one is an InvalidQuery, a further index is merged."""
        known = self._collections.get(collection.name)
        if known is None:
            self._collections[collection.name] = collection
            return
        if known.scope != collection.scope:
            raise InvalidQuery("declared for the installation and for tenants", name=collection.name)
        indexes = tuple(dict.fromkeys(known.indexes + collection.indexes))
        self._collections[collection.name] = Collection(known.name, known.scope, indexes)

    def get(self, name: str) -> Collection | None:
        """The declaration of a collection, or None."""
        return self._collections.get(name)

    def __iter__(self) -> Iterator[Collection]:
        return iter(self._collections.values())

    def __len__(self) -> int:
        return len(self._collections)
