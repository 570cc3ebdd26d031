"""Bulk writes that let a newer revision stand, for databases that cannot compare revisions while they write in bulk."""

from collections.abc import Callable, Sequence
from typing import Final

from app.db.documents import Document, Portable, split_rev
from app.db.errors import Conflict
from app.db.writes import ABSENT, Expected, Outcome

Expecting = tuple[str, Portable, Expected]
_ROUNDS: Final = 8


def write_newer(
    documents: Sequence[tuple[str, Portable]],
    read: Callable[[list[str]], dict[str, Document]],
    write: Callable[[list[Expecting]], list[Outcome]],
) -> list[Outcome]:
    """Read what is there, and write what is newer, or missing, under the expectation that it is still so.

    ``write`` answers Conflict for a document that changed meanwhile: that one is looked at again.
    """
    outcomes: dict[str, Outcome] = {}
    waiting = list(documents)
    for _ in range(_ROUNDS):
        stored = read([id for id, _ in waiting])
        older: list[Expecting] = []
        for id, portable in waiting:
            found = stored.get(id)
            if found is not None and split_rev(found["_rev"])[0] >= split_rev(str(portable.rev))[0]:
                outcomes[id] = Outcome(id, found["_rev"], kept=True)
            else:
                older.append((id, portable, ABSENT if found is None else found["_rev"]))
        if older:
            outcomes.update((outcome.id, outcome) for outcome in write(older))
        waiting = [(id, portable) for id, portable in waiting if isinstance(outcomes[id].error, Conflict)]
        if not waiting:
            break
    return [outcomes[id] for id, _ in documents]
