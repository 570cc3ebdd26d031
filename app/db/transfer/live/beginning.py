"""Beginning a migration: what is refused before either side is told anything, and the words that both then get."""

from collections.abc import Callable
from secrets import token_hex

from app.db.transfer.catalogue import scope_clashes
from app.db.transfer.checkpoints import Checkpoints
from app.db.transfer.collections import is_machinery
from app.db.transfer.copying import CopyOptions
from app.db.transfer.errors import TransferRefused
from app.db.transfer.live import fences
from app.db.transfer.live.ends import End, Place
from app.db.transfer.live.state import State
from app.db.transfer.preparing import check_occupied, check_versions, source_identity


def check_beginning(first: End, second: End, place: Place, options: CopyOptions) -> None:
    """TransferRefused if a migration from ``first`` to ``second`` may not begin.

    Once TARGET has its word, every process that is set up with it follows that to SOURCE: so whose TARGET is has to be
    known before.
    """
    if place.serving is not first:
        where = second.name if place.others is None or place.others.peer == second.reference else place.others.peer
        raise TransferRefused(
            f"The data of {first.name} has moved to {where} for good: name {where} as the source of what is to be moved"
            " now."
        )
    if place.others is not None and place.others.phase != "moved":
        raise TransferRefused(f"{second.name} takes part in another migration.")
    check_versions(first.service, second.service)
    held = [one for one in first.service.collections() if not is_machinery(one.name)]
    if clashes := scope_clashes(held, second.service):
        raise TransferRefused(" ".join(clashes))
    if options.into_existing:
        return
    if place.others is not None and place.others.peer != first.reference:
        raise TransferRefused(
            f"{second.name} says that its data has moved to {place.others.peer}: it belongs to another installation, or"
            " the source was called otherwise then. Choose another target, or say --into-existing."
        )
    identity = source_identity(first.service, first.name, write=True)
    check_occupied(second.service, Checkpoints(second.service).read_run(), identity)


def tell_both(first: End, second: End, place: Place, crash: Callable[[str], None]) -> None:
    """Both sides get their word, the target first: it serves nobody."""
    migration = token_hex(8)
    others = place.others
    epoch = 1 if others is None else others.epoch + 1
    left = "" if others is None else others.peer if others.role == "source" else others.left
    there = State("moved", epoch, first.reference, "target", migration, left=left)
    fences.swap_state(second.service, others, there, fences=True)
    crash("target told")
    here = State("capturing", epoch + 1, second.reference, "source", migration)
    fences.swap_state(first.service, None, here, fences=True)
    crash("source told")
