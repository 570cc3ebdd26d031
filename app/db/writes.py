"""The entries of a commit, each with its expectation, and the answers to writes."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypedDict

from app.db.documents import Portable
from app.db.errors import DatabaseError
from app.db.names import Name


class _Expectation:
    """What a write expects to find, when that is not one revision."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


ANY: Final = _Expectation("ANY")
ABSENT: Final = _Expectation("ABSENT")
Expected = str | _Expectation


class Saved(TypedDict):
    """The answer to a save: the document's id and its new revision."""

    id: str
    rev: str


@dataclass(frozen=True, slots=True)
class Put:
    """Create or replace a document. ANY with a ``_rev`` in the document expects that revision.

    ``keep_revision``: the document gets the revision token of its ``_rev`` instead of a new one, and ANY expects
    nothing. So a copy that travels in a commit has the revisions of its source.
    """

    collection: str
    id: str
    document: dict[str, Any]
    expect: Expected = ANY
    keep_revision: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a document. With ANY a missing one is fine: the commit makes sure that it is gone."""

    collection: str
    id: str
    expect: Expected = ANY


@dataclass(frozen=True, slots=True)
class Check:
    """Write nothing, but let the commit fail unless the document has this revision, or is ABSENT."""

    collection: str
    id: str
    expect: Expected


Write = Put | Delete | Check


class Prepared(NamedTuple):
    """A commit's entry as backends get it, checked: a put has a ``portable``; without one it is a delete or a check.

    ``token``, if it is not "", is the revision token that a put has to keep.
    """

    name: Name
    id: str
    expect: Expected
    portable: Portable | None
    delete: bool
    token: str = ""


@dataclass(slots=True)  # not frozen: made for each document of a bulk write, and freezing costs more than the rest
class Outcome:
    """What became of one document of a bulk write: its revision now, or the error that kept it out.

    ``kept``: what was stored is as new or newer, and stands (see ``write_batch``'s ``only_newer``).
    """

    id: str
    rev: str | None
    error: DatabaseError | None = None
    kept: bool = False
