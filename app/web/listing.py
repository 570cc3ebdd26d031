"""Lists: which filters and sort names a page knows. Anything else in the query string is a 400 that names it.

A typo in a bookmarked filter must not silently show everything, and a name from the address never reaches a query.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from app.errors import WherryError

if TYPE_CHECKING:
    from app.db.query import Condition, Query

Parse = Callable[[str], Any]
MAX_TEXT = 200
_CURSOR = re.compile(r"[A-Za-z0-9_=.+/-]{1,4096}")
_TRAIL_LENGTH = 12


class BadParameter(WherryError):
    """Something in the query string is unknown or cannot be read. ``name`` is the parameter."""

    status: ClassVar[int] = 400
    title: ClassVar[str] = "That address does not make sense here"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name[:80]}: {why}")
        self.name = name


def text(value: str) -> str:
    """A filter of free text, at most 200 characters."""
    value = value.strip()
    if len(value) > MAX_TEXT:
        raise ValueError(f"at most {MAX_TEXT} characters")
    return value


def choice(*allowed: str) -> Parse:
    """A filter with a fixed set of values."""

    def parse(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"{value[:80]!r} is not one of {', '.join(allowed)}")
        return value

    return parse


def integer(low: int = 0, high: int = 2**53 - 1) -> Parse:
    """A filter of whole numbers within bounds."""

    def parse(value: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,16}", value) or not low <= int(value) <= high:
            raise ValueError(f"a whole number from {low} to {high} is needed")
        return int(value)

    return parse


@dataclass(frozen=True, slots=True)
class Listing:
    """What one list page understands.

    ``filters``: parameter name -> parser. ``sorts``: sort name -> the fields it sorts on. The first sort is the default
    unless ``default_sort`` says otherwise; ``-name`` is the other direction.
    """

    sorts: Mapping[str, tuple[str, ...]]
    filters: Mapping[str, Parse] = field(default_factory=dict)
    default_sort: str = ""
    limit: int = 50

    def parse(self, args: "MultiDict[str, str]") -> "Wanted":
        """Read a query string; BadParameter (400) names the first thing that is wrong."""
        values: dict[str, Any] = {}
        given: dict[str, str] = {}
        for name, found in args.lists():
            if name not in self.filters and name not in _OWN_PARAMETERS:
                raise BadParameter(name, "this list has no such filter.")
            if len(found) > 1:
                raise BadParameter(name, "given more than once.")
            if found[0] == "":
                continue  # an empty box of the filter form
            given[name] = found[0]
        for name, parse in self.filters.items():
            if name in given:
                try:
                    values[name] = parse(given[name])
                except ValueError as error:
                    raise BadParameter(name, f"{error}.") from error
        sort = given.get("sort") or self.default_sort or next(iter(self.sorts))
        if sort.removeprefix("-") not in self.sorts:
            raise BadParameter("sort", f"{sort[:80]!r} is not one of {', '.join(self.sorts)}.")
        for name in ("cursor", "trail"):
            parts = given.get(name, "").split("~")
            if name in given and not all(_CURSOR.fullmatch(part) for part in parts):
                raise BadParameter(name, "this is not a place in this list.")
        page = given.get("page", "1")
        if not re.fullmatch(r"[1-9][0-9]{0,8}", page):
            raise BadParameter("page", "this is not a page number.")
        trail = tuple(given["trail"].split("~")) if "trail" in given else ()
        kept = {name: given[name] for name in self.filters if name in given}
        return Wanted(self, values, kept, sort, given.get("cursor"), trail, int(page))


_OWN_PARAMETERS = frozenset({"sort", "cursor", "trail", "page"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """One reading of a list's query string, and the links from it to its neighbours."""

    listing: Listing
    filters: Mapping[str, Any]
    given: Mapping[str, str]  # the filters as typed
    sort: str
    cursor: str | None
    trail: tuple[str, ...]
    page: int

    @property
    def filtered(self) -> bool:
        """Whether any filter is on: an empty list then says "nothing matches" and not "nothing yet"."""
        return bool(self.given)

    @property
    def descending(self) -> bool:
        """The direction of the sort."""
        return self.sort.startswith("-")

    def value(self, name: str) -> str:
        """A filter as typed, for its box; "" if it is off."""
        return self.given.get(name, "")

    def query(self, where: Iterable["Condition"] = (), *, fields: Iterable[str] | None = None) -> "Query":
        """The database query for this page under the given conditions."""
        from app.db.query import Query

        return Query(
            where=tuple(where),
            order_by=self.listing.sorts[self.sort.removeprefix("-")],
            descending=self.descending,
            limit=self.listing.limit,
            cursor=self.cursor,
            fields=tuple(fields) if fields is not None else None,
        )

    def sorted_by(self, name: str) -> str:
        """The link of a column head: sort by ``name``, or turn the direction round if it is sorted by it already."""
        return self._link({"sort": f"-{name}" if self.sort == name else name})

    def direction(self, name: str) -> str:
        """For aria-sort: ascending, descending or none."""
        if self.sort.removeprefix("-") != name:
            return "none"
        return "descending" if self.descending else "ascending"

    def next(self, cursor: str) -> str:
        """The link to the page after this one."""
        trail = (*self.trail, self.cursor) if self.cursor else self.trail
        return self._link(
            {"sort": self.sort, "cursor": cursor, "trail": "~".join(trail[-_TRAIL_LENGTH:]), "page": self.page + 1}
        )

    def previous(self) -> str | None:
        """The link to the page before, from the trail that the links carry; None on page one or past the trail."""
        if self.cursor is None or (not self.trail and self.page > 2):
            return None
        earlier: dict[str, Any] = {"sort": self.sort}
        if self.trail:
            earlier |= {"cursor": self.trail[-1], "trail": "~".join(self.trail[:-1]), "page": max(2, self.page - 1)}
        return self._link(earlier)

    def first(self) -> str:
        """The link to the first page under the same filters and sort."""
        return self._link({"sort": self.sort})

    def _link(self, changed: Mapping[str, Any]) -> str:
        default = self.listing.default_sort or next(iter(self.listing.sorts))
        kept = {name: value for name, value in changed.items() if value != "" and (name, value) != ("sort", default)}
        return "?" + urlencode({**self.given, **kept}, safe="~")
