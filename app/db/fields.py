"""Field paths: ``"status"``, ``"address.city"``. A dot steps into an object; a key with a dot cannot be addressed."""

from functools import lru_cache
from typing import Any, Final

from app.db.errors import InvalidQuery


class Missing:
    """The type of MISSING: a document has no value at a path. It differs from null."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
MAX_PATH_PARTS = 20


def parse_field(field: str) -> tuple[str, ...]:
    """The keys of a field path; InvalidQuery if it is none.

    A path has 1 to 20 keys of 1 to 255 bytes; the first does not begin with ``_`` or ``~``, which are the database's.
    """
    # Before the cache, which cannot look up what has no hash: JSON brings lists and objects where a name should be.
    if type(field) is not str or not field:
        raise InvalidQuery("a field path is text and not empty", name=str(field)[:80])
    return _parsed(field)


@lru_cache(maxsize=4096)
def _parsed(field: str) -> tuple[str, ...]:
    parts = tuple(field.split("."))
    if len(parts) > MAX_PATH_PARTS or field[0] in "_~":
        raise InvalidQuery("not a field path", name=field[:80])
    for part in parts:
        try:
            length = len(part.encode())
        except UnicodeEncodeError as error:
            raise InvalidQuery("not a field path", name=ascii(field)[:80]) from error
        if not 1 <= length <= 255:
            raise InvalidQuery("each key of a field path has 1 to 255 bytes", name=field[:80])
    return parts


def value_at(document: dict[str, Any], parts: tuple[str, ...]) -> Any:
    """The value at a path, or MISSING where a step is absent or not an object."""
    value: Any = document
    for part in parts:
        if type(value) is not dict or part not in value:
            return MISSING
        value = value[part]
    return value


def project(document: dict[str, Any], fields: tuple[tuple[str, ...], ...]) -> dict[str, Any]:
    """A new document with ``_id``, ``_rev`` and only the given paths, nested as they were."""
    kept: dict[str, Any] = {"_id": document["_id"], "_rev": document["_rev"]}
    for parts in fields:
        if len(parts) == 1:  # nearly always: a list page does this for each of its rows
            if parts[0] in document:
                kept[parts[0]] = document[parts[0]]
            continue
        value = value_at(document, parts)
        if value is MISSING:
            continue
        target = kept
        for part in parts[:-1]:
            target = target.setdefault(part, {})
        target[parts[-1]] = value
    return kept
