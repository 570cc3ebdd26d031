"""Bulk writes made of commits, so that what has to be checked or recorded with a document stands in its commit."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from app.db.backends.newer import Expecting, write_newer
from app.db.batch import accept_batch
from app.db.documents import MAX_BYTES_TOGETHER, Document, Portable, document_size
from app.db.errors import Conflict, InvalidDocument, TooLarge
from app.db.parts import parts_of
from app.db.writes import ANY, Outcome, Put, Saved

_AT_ONCE: Final = 98
_BYTES_AT_ONCE: Final = MAX_BYTES_TOGETHER * 7 // 8

GetMany = Callable[[str, list[str]], dict[str, Document]]
Commit = Callable[[list[Put]], Sequence[Saved | None]]
"""Writes these and what belongs to them, all or nothing."""


def write_in_commits(
    get_many: GetMany,
    commit: Commit,
    collection: str,
    documents: Iterable[Document],
    keep_revisions: bool = False,
    only_newer: bool = False,
) -> list[Outcome]:
    """See ``write_batch`` of DatabaseService. What ``commit`` raises for other reasons than a document comes through:
    then a part may have been written."""
    keep = keep_revisions or only_newer
    batch = accept_batch(documents, keep)
    for part in _parts([(id, portable, ANY) for id, portable in batch.accepted]):
        if only_newer:
            batch.enter(
                write_newer(
                    [(id, portable) for id, portable, _ in part],
                    lambda ids: get_many(collection, ids),
                    lambda older: [one for few in _parts(older) for one in _write(commit, collection, few, True)],
                )
            )
        else:
            batch.enter(_write(commit, collection, part, keep))
    return batch.outcomes()


def _write(commit: Commit, collection: str, part: list[Expecting], keep: bool) -> list[Outcome]:
    """All in one commit; each half for itself if that is refused, until it is plain which document it is."""
    puts = [
        Put(collection, id, {**portable.body, "_rev": portable.rev} if keep else portable.body, expect, keep)
        for id, portable, expect in part
    ]
    try:
        saved = commit(puts)
    except (Conflict, InvalidDocument, TooLarge) as error:
        if len(part) == 1:
            return [Outcome(part[0][0], None, error)]
        half = len(part) // 2
        return [*_write(commit, collection, part[:half], keep), *_write(commit, collection, part[half:], keep)]
    return [Outcome(one["id"], one["rev"]) for one in saved if one is not None]


def _parts(documents: Iterable[Expecting]) -> Iterator[list[Expecting]]:
    """Stretches that a commit has room for."""
    return parts_of(documents, lambda one: _size(one[1]), number=_AT_ONCE, size=_BYTES_AT_ONCE)


def _size(portable: Portable) -> int:
    # No formula counts five times the JSON: the exact one is asked where it could matter.
    rough = 5 * len(portable.data)
    return rough if rough * _AT_ONCE <= _BYTES_AT_ONCE else document_size(portable.body, portable.data)
