"""What a transfer is narrowed to by ``--collections`` and ``--tenants``, for every command alike.

A selection that matches nothing is refused: a misspelt tenant or an unset variable must not end as "equal" or as an
empty file.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from app.db.capabilities import CollectionInfo
from app.db.errors import DatabaseError
from app.db.names import check_collection, check_tenant
from app.db.query import Query
from app.db.service import DatabaseService
from app.db.transfer.errors import TransferRefused


@dataclass(frozen=True, slots=True)
class Selection:
    """``collections`` by their bare names and ``tenants`` by their ids; None: all. With tenants the documents of the
    installation are left out."""

    collections: tuple[str, ...] | None = None
    tenants: tuple[str, ...] | None = None

    def check(self) -> None:
        """TransferRefused names the option that is empty, or that holds what can be no name."""
        if self.collections == () or self.tenants == ():
            option = "--collections" if self.collections == () else "--tenants"
            raise TransferRefused(f"{option} is given, but names none.")
        checks: tuple[tuple[str, Callable[[object], str]], ...] = (
            ("collections", check_collection),
            ("tenants", check_tenant),
        )
        for option, check in checks:
            for name in getattr(self, option) or ():
                try:
                    check(name)
                except DatabaseError as error:
                    raise TransferRefused(f"--{option} names {name!r}: {error}") from error

    def within(self, found: Iterable[CollectionInfo]) -> list[CollectionInfo]:
        """Those of ``found``, the collections that were asked for, that may hold what is selected.

        TransferRefused for one of the installation that is named together with tenants.
        """
        found = list(found)
        if self.tenants is None:
            return found
        installation = [one.name for one in found if one.scope != "tenant"]
        if self.collections is not None and installation:
            raise TransferRefused(
                f"--tenants asks for tenants' documents, and {installation[0]!r} is the installation's."
            )
        return [one for one in found if one.scope == "tenant"]

    def check_tenants(self, where: str, holds: Callable[[str], bool]) -> None:
        """TransferRefused names the first tenant of which there is no document, as ``holds`` tells; ``where`` says
        where it was looked for ("in the source")."""
        for tenant in dict.fromkeys(self.tenants or ()):
            if not holds(tenant):
                inside = "" if self.collections is None else f" in {', '.join(self.collections)}"
                raise TransferRefused(
                    f"--tenants names {tenant!r}, of which there is no document {where}{inside}."
                    " A tenant is named by its id, not by its slug."
                )

    def to_json(self) -> dict[str, Any]:
        """For reports and heads of dumps."""
        return {"collections": self.collections, "tenants": self.tenants}

    def __str__(self) -> str:
        """For people; empty where nothing is narrowed."""
        parts = (("collections", self.collections), ("tenants", self.tenants))
        return "; ".join(f"{what} {', '.join(names)}" for what, names in parts if names is not None)


def holds_tenant(service: DatabaseService, held: Iterable[CollectionInfo], tenant: str) -> bool:
    """Whether there is any document of the tenant in these of its collections, all of which the database has to have.

    A page of one document for each collection until one is found.
    """
    return any(service.query(f"{tenant}/{one.name}", Query(limit=1)).documents for one in held if one.scope == "tenant")
