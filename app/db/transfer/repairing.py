"""Repairing: making a target as its source is, for differences that a verification found."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from app.db.capabilities import CollectionInfo
from app.db.documents import Document
from app.db.errors import Conflict, DatabaseError, NotFound, Unavailable
from app.db.names import parse_name
from app.db.service import DatabaseService
from app.db.transfer.pacing import BatchSize, Patience
from app.db.transfer.rejections import Rejected, Rejections
from app.db.transfer.seeking import Difference
from app.db.transfer.writing import BulkWriter
from app.db.writes import ABSENT, Put

_TOGETHER: Final = 100


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did to the target: documents ``written`` and ``removed``, those ``newer`` that were left, and those
    that the target ``refused``."""

    written: int = 0
    removed: int = 0
    newer: int = 0
    refused: int = 0
    refusals: tuple[Rejected, ...] = ()
    """The first ones."""


class Repairer:
    """Makes the target as the source is, for differences that were found, and counts what it did."""

    def __init__(
        self,
        target: DatabaseService,
        held: Iterable[CollectionInfo],
        remove_extra: bool,
        keep_newer: bool,
        patience: Patience,
    ) -> None:
        self._target = target
        self._held = {one.name: one for one in held}
        self._remove_extra = remove_extra
        self._keep_newer = keep_newer
        self._patience = patience
        self._rejections = Rejections(None)
        self._writer = BulkWriter(
            target,
            only_newer=keep_newer,
            patience=patience,
            size=BatchSize(_TOGETHER),
            rejections=self._rejections,
        )
        self._written = self._removed = self._newer = 0

    def repair(self, path: str, found: Sequence[Difference]) -> None:
        """Write the source's documents over the target's; remove what is extra, if that was asked for.

        A document that the target refuses is counted, and the rest goes on. With ``keep_newer`` also what is written
        to the target between the look and this stands.
        """
        wanted: list[tuple[str, Document]] = []
        for one in found:
            if one.newer and self._keep_newer:
                self._newer += 1
            elif one.document is not None and self._keep_newer and one.source == one.target:
                self._replace(path, one, one.document)
            elif one.document is not None:
                wanted.append((path, one.document))
            elif one.kind == "extra" and self._remove_extra:
                self._remove(path, one)
        tally = self._writer.write(self._held[parse_name(path).collection], wanted)
        self._written += tally.copied
        self._newer += tally.kept

    def repaired(self) -> Repaired:
        """What was done."""
        refusals = self._rejections
        return Repaired(self._written, self._removed, self._newer, refusals.number, tuple(refusals.first))

    def _replace(self, path: str, one: Difference, document: Document) -> None:
        """Put the source's contents in place of others under the same token, of which none is the newer one."""
        put = Put(path, one.id, document, expect=one.target_rev or ABSENT, keep_revision=True)
        try:
            self._patience.call(partial(self._target.commit, [put]))
        except Conflict:  # it was written again: the next look tells
            return
        except Unavailable:
            raise
        except DatabaseError as error:
            self._rejections.add(Rejected(path, one.id, str(error)))
            return
        self._written += 1

    def _remove(self, path: str, one: Difference) -> None:
        try:
            self._patience.call(partial(self._target.delete, path, one.id, one.target_rev))
        except (NotFound, Conflict):  # it is gone already, or was written again: the next look tells
            return
        self._removed += 1
