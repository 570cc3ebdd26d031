"""The tail: carries over what change records name, as it is by now, and then forgets the records.

A batch is one commit on the target, which also checks the runner's fence there: a runner that another has replaced
cannot write any more. Whatever is repeated does no harm. It never runs beside the backfill: it reads documents after
that has written them, so that nothing newer, and no deletion, is undone.
"""

from collections.abc import Sequence
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
_BYTES_AT_ONCE: Final = MAX_BYTES_TOGETHER // 5  # as no formula counts five times the JSON


class Superseded(Exception):
    """Another runner has taken over, or a process has ended a pause: look anew."""


class Tail:
    """From one database to the other, under the runner's fence of the latter."""

    def __init__(self, source: Backend, target: Backend, check: Check) -> None:
        self._source, self._target, self._check = source, target, check
        self.rejected: dict[Key, Rejected] = {}
        """Documents that the target refuses, by key, until they fit or are gone."""

    def round(self, limit: int = 500) -> int:
        """Carry over what up to ``limit`` records name; how many there were. Superseded."""
        ids, keys = read_changes(self._source, limit)
        if ids:
            self.carry(keys)
            forget_changes(self._source, ids)
        return len(ids)

    def carry(self, keys: Sequence[Key]) -> None:
        """Make these documents on the target what they are on the source."""
        writes: list[Write] = []
        size = 0
        ordered = sorted(keys)
        for path, part in groupby(ordered, key=lambda key: key[0]):
            wanted = [id for _, id in part]
            found = self._source.get_many(path, wanted)
            for id in wanted:
                document = found.get(id)
                length = 0 if document is None else len(canonical_json(document))
                if writes and (len(writes) == _AT_ONCE or size + length > _BYTES_AT_ONCE):
                    self._write(writes)
                    writes, size = [], 0
                size += length
                writes.append(Delete(path, id) if document is None else Put(path, id, document, keep_revision=True))
        if writes:
            self._write(writes)

    def _write(self, writes: list[Write]) -> None:
        """All in one commit; each half for itself if that is refused, until it is plain which document it is."""
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
            self._write(writes[:half])
            self._write(writes[half:])
        else:
            for write in writes:
                self.rejected.pop((write.collection, write.id), None)
