"""The tail: carries over what change records name, as it is by now, and then forgets the records.

A batch is one commit on the target, which also checks the runner's fence there: a runner that another has replaced
cannot write any more. Whatever is repeated does no harm. It never runs beside the backfill: it reads documents after
that has written them, so that nothing newer, and no deletion, is undone.

What is in memory at a time is bounded, however many documents a record names and however large they are: documents are
read a few at a time, and as many as the size of the latest allows.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Final

from app.db.backend import Backend
from app.db.documents import MAX_BYTES_TOGETHER, canonical_json
from app.db.errors import Conflict, InvalidDocument, Key, TooLarge
from app.db.transfer.live.changes import forget_changes, read_changes
from app.db.transfer.live.fences import is_fenced
from app.db.transfer.rejections import Rejected
from app.db.writes import Check, Delete, Put, Write

_AT_ONCE: Final = 98
_FIRST: Final = 20
_BYTES_AT_ONCE: Final = MAX_BYTES_TOGETHER // 5  # as no formula counts five times the JSON


class Superseded(Exception):
    """Another runner has taken over, or a process has ended a pause: look anew."""


class Tail:
    """From one database to the other, under the runner's fence of the latter."""

    def __init__(self, source: Backend, target: Backend, check: Check) -> None:
        self._source, self._target, self._check = source, target, check
        self._next = _FIRST
        self.rejected: dict[Key, Rejected] = {}
        """Documents that the target refuses, by key, until they fit or are gone."""

    def round(self, limit: int = 500, go_on: Callable[[], None] = lambda: None) -> int:
        """Carry over what up to ``limit`` records name, or fewer that name as many documents; how many of either there
        were, whichever is more. Superseded.

        ``go_on`` is called before each small part, and may raise to end the round: its records stay.
        """
        ids, keys = read_changes(self._source, limit, limit)
        if ids:
            self.carry(keys, go_on)
            go_on()
            forget_changes(self._source, ids)
        return max(len(ids), len(keys))

    def carry(self, keys: Sequence[Key], go_on: Callable[[], None] = lambda: None) -> None:
        """Make these documents on the target what they are on the source; ``go_on`` as in ``round``."""
        ordered = sorted(keys)
        start = 0
        while start < len(ordered):
            part = ordered[start : start + self._next]
            start += len(part)
            go_on()
            for writes in self._read(part):
                self._write(writes, go_on)

    def _read(self, keys: Sequence[Key]) -> Iterator[list[Write]]:
        """What to do for these, a commit each. How many are read next follows from the size of what comes."""
        writes: list[Write] = []
        size = total = 0
        for path, part in groupby(keys, key=lambda key: key[0]):
            wanted = [id for _, id in part]
            found = self._source.get_many(path, wanted)
            for id in wanted:
                document = found.get(id)
                length = 0 if document is None else len(canonical_json(document))
                if writes and size + length > _BYTES_AT_ONCE:
                    yield writes
                    writes, size = [], 0
                size += length
                total += length
                writes.append(Delete(path, id) if document is None else Put(path, id, document, keep_revision=True))
        # Not by more than four times, as large ones may follow small ones.
        self._next = max(1, min(_AT_ONCE, 4 * self._next, _BYTES_AT_ONCE * len(keys) // max(1, total)))
        yield writes

    def _write(self, writes: list[Write], go_on: Callable[[], None]) -> None:
        """All in one commit; each half for itself if that is refused, until it is plain which document it is."""
        go_on()
        try:
            self._target.commit([*writes, self._check])
        except Conflict as conflict:
            if is_fenced(conflict):
                raise Superseded from conflict
            raise
        except (InvalidDocument, TooLarge) as error:
            if len(writes) == 1:
                key = (writes[0].collection, writes[0].id)
                self.rejected[key] = Rejected(*key, str(error))
                return
            half = len(writes) // 2
            self._write(writes[:half], go_on)
            self._write(writes[half:], go_on)
        else:
            for write in writes:
                self.rejected.pop((write.collection, write.id), None)
