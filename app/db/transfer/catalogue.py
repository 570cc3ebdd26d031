"""What a database holds that is to be carried over, and what a target needs to hold it."""

from collections.abc import Sequence

from app.db.capabilities import CollectionInfo
from app.db.errors import InvalidQuery, Unavailable
from app.db.schema import Collection, Schema
from app.db.service import DatabaseService
from app.db.transfer.collections import STATE, is_machinery, machinery
from app.db.transfer.errors import TransferRefused


def collections_of(service: DatabaseService, only: Sequence[str] | None = None) -> list[CollectionInfo]:
    """The collections to carry over, by name; with ``only``, those; TransferRefused names one that is absent."""
    found = [one for one in service.collections() if not is_machinery(one.name)]
    if only is None:
        return found
    known = {one.name: one for one in found}
    for name in only:
        if is_machinery(name):
            raise TransferRefused(f"{name} belongs to the machinery of migrations and is not carried over.")
        if name not in known:
            there = ", ".join(known) or "none"
            raise TransferRefused(f"The source has no collection {name!r}. There are: {there}.")
    return [known[name] for name in dict.fromkeys(only)]


def target_schema(held: Sequence[CollectionInfo], declared: Schema) -> Schema:
    """What the target has to hold: every collection with the indexes that the application declares for it.

    TransferRefused if the application declares one for the installation that is tenants' in the source, or the other
    way round.
    """
    schema = Schema()
    for one in held:
        known = declared.get(one.name)
        try:
            schema.add(Collection(one.name, one.scope, () if known is None else known.indexes))
            if known is not None:
                schema.add(known)
        except InvalidQuery as error:
            raise TransferRefused(
                f"The collection {one.name!r} belongs to the {one.scope} in the source,"
                " and not in what the application declares."
            ) from error
    return schema


def scope_clashes(held: Sequence[CollectionInfo], target: DatabaseService) -> list[str]:
    """Sentences about collections that are the installation's on one side and tenants' on the other."""
    there = {one.name: one.scope for one in target.collections()}
    return [
        f"The collection {one.name!r} belongs to the {one.scope} in the source"
        f" and to the {there[one.name]} in the target."
        for one in held
        if there.get(one.name, one.scope) != one.scope
    ]


def is_there(service: DatabaseService) -> bool:
    """Whether the database exists: False for a file that is not there yet and could be made. Unavailable otherwise."""
    try:
        service.collections()
    except Unavailable:
        service.prepare(machinery(STATE), dry_run=True)  # raises where it does not answer
        return False
    return True


def estimated(service: DatabaseService, held: Sequence[CollectionInfo]) -> int | None:
    """About how many documents these collections hold, where the database can tell that cheaply; else None."""
    try:
        numbers = [service.estimate(one.name) for one in held]
    except Unavailable:
        return None  # a progress bar goes without; the scan that follows tells of an outage
    return None if None in numbers else sum(number for number in numbers if number is not None)
