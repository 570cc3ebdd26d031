"""How two documents differ, field by field, as far as it may be shown.

Values are shortened, and those that the application declares secret, or whose names say so, are masked as in the audit
record: never shown, and never as a hash, as a short secret could be found by trying.
"""

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final

import orjson

from app.db.audit import MASK
from app.db.documents import Document, split_rev

ABSENT: Final = "(absent)"
FIELDS: Final = 20
"""Fields of one document that are told of, at most."""
_SHOWN: Final = 120
_SECRET: Final = re.compile(r"pass_?(word|phrase)|secret|token|api_?key|credential", re.IGNORECASE)

Secrets = Mapping[str, Set[str]]
"""By the bare name of a collection, the top-level fields whose values are never shown; ``*`` stands for all of them."""


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field by its path (``crew[2].name``), and both values as JSON text, shortened, masked or ``(absent)``."""

    field: str
    source: str
    target: str


def field_differences(source: Document, target: Document, secret: Set[str] = frozenset()) -> list[FieldDifference]:
    """The first fields that differ, by path; ``_rev`` stands for the revision's token. One more than FIELDS if there
    are more, which has no values."""
    found: list[FieldDifference] = []
    tokens = split_rev(source["_rev"])[0], split_rev(target["_rev"])[0]
    if tokens[0] != tokens[1]:
        found.append(FieldDifference("_rev", *tokens))
    for field in sorted((source.keys() | target.keys()) - {"_id", "_rev"}):
        hidden = field in secret or "*" in secret
        for one in _within(_shown_key(field), source.get(field, _GONE), target.get(field, _GONE), hidden):
            if len(found) == FIELDS:
                return [*found, FieldDifference("and more", "", "")]
            found.append(one)
    return found


def _within(path: str, source: Any, target: Any, hidden: bool) -> Iterator[FieldDifference]:
    hidden = hidden or _SECRET.search(path.rpartition(".")[2]) is not None
    if type(source) is dict and type(target) is dict:
        for key in sorted(source.keys() | target.keys()):
            yield from _within(f"{path}.{_shown_key(key)}", source.get(key, _GONE), target.get(key, _GONE), hidden)
    elif type(source) is list and type(target) is list:
        for place in range(max(len(source), len(target))):
            ours = source[place] if place < len(source) else _GONE
            theirs = target[place] if place < len(target) else _GONE
            yield from _within(f"{path}[{place}]", ours, theirs, hidden)
    elif type(source) is not type(target) or source != target:
        yield FieldDifference(path, _shown(source, hidden), _shown(target, hidden))


class _Gone:
    """What stands for a field that is not there, which is not null."""


_GONE: Final = _Gone()


def _shown(value: Any, hidden: bool) -> str:
    if value is _GONE:
        return ABSENT
    if hidden and value is not None:
        return MASK
    try:
        text = orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # what the contract does not allow may be stored all the same
        text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text):,} characters)"


def _shown_key(key: str) -> str:
    return (key if key.isprintable() else ascii(key)[1:-1])[:80]
