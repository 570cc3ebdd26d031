"""Whether a copy may begin: what is refused before anything moves."""

from collections.abc import Sequence

from app.db.capabilities import CollectionInfo
from app.db.errors import NotPrepared, NotWritable, Unauthorised
from app.db.service import DatabaseService
from app.db.transfer.catalogue import scope_clashes
from app.db.transfer.checkpoints import Run
from app.db.transfer.collections import is_machinery
from app.db.transfer.errors import TransferRefused
from app.db.transfer.identity import FORMAT, ensure_identity, read_format, read_identity
from app.db.transfer.moved import check_writable, read_sign

SAME: str = "SOURCE and TARGET are the same database: there is nothing to carry over."


def source_identity(source: DatabaseService, name: str, *, write: bool) -> str:
    """The identity of the source; where it has none and may not be written to, its name stands for it."""
    found = read_identity(source)
    if found is None and write:
        try:
            found = ensure_identity(source)
        except (Unauthorised, NotWritable, NotPrepared):
            found = None
    return f"named {name}" if found is None else found


def check_versions(source: DatabaseService, target: DatabaseService) -> None:
    """TransferRefused if a newer release has left its marks on either side."""
    for role, service in (("SOURCE", source), ("TARGET", target)):
        found = read_format(service)
        if found != FORMAT:
            raise TransferRefused(
                f"{role} was last used by another release of the transfer commands: its marks have format {found},"
                f" this one knows {FORMAT}."
            )


def check_target(target: DatabaseService, held: Sequence[CollectionInfo]) -> None:
    """TransferRefused if a collection is the installation's on one side and tenants' on the other, or if the target is
    in the middle of a live migration, or was left by one."""
    clashes = scope_clashes(held, target)
    if clashes:
        raise TransferRefused(" ".join(clashes))
    check_writable(read_sign(target), "TARGET")


def occupied(target: DatabaseService) -> list[str]:
    """The names of the target's collections that hold documents."""
    return [
        one.name
        for one in target.collections()
        if not is_machinery(one.name) and target.scan(one.name, None, 1).documents
    ]


def check_occupied(target: DatabaseService, latest: Run | None, source: str) -> None:
    """TransferRefused if the target holds documents, unless they are from this source."""
    if latest is not None and latest.source == source:
        return
    found = occupied(target)
    if found:
        shown = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        whose = "of another source" if latest is not None else "that no copy from this source brought"
        raise TransferRefused(
            f"TARGET holds documents {whose} ({shown}). Choose an empty one, or say --into-existing: then newer"
            " documents of the target stand and all others are replaced."
        )
