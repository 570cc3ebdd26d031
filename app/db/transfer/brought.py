"""What an earlier copy had brought, and what of it somebody has deleted in the target since: that stays deleted.

A deletion leaves no trace in a document database. But a copy that was finished has brought all that was older than its
beginning, so what is older than that and absent in the target was there, and is not any more. The mark of each
collection (checkpoints.py) is that beginning. So a copy that is repeated after the target went into production undoes
no deletion; it cannot know whether the document came to the source later with an old revision, as a restore does that,
and therefore names it.
"""

from collections.abc import Mapping
from functools import partial
from time import time_ns
from typing import Final

from app.db.capabilities import CollectionInfo
from app.db.documents import Document, split_rev
from app.db.names import can_be_id
from app.db.service import DatabaseService
from app.db.transfer.comparing import unfit
from app.db.transfer.pacing import Patience
from app.db.transfer.paged_reading import Stretch
from app.db.transfer.pipeline import Write
from app.db.transfer.rejections import Rejected, Rejections
from app.db.transfer.writing import Tally, unfit_path

ALL: Final = ""
"""In place of a tenant: the whole collection."""
EVERYTHING: Final = "~"
"""A mark behind every revision: the source cannot change."""
_LATE: Final = 60_000_000_000
"""Nanoseconds: a write that was begun so long before a copy is surely acknowledged, and the clocks agree so far."""
_REASON: Final = "an earlier copy brought it, and the target has it no longer: --into-existing brings it again"

Marks = Mapping[str, Mapping[str, str]]
"""By collection and tenant (or ALL), the revision token before which everything was brought."""


def mark_now() -> str:
    """The mark of a copy that begins now and will be finished."""
    return f"{(time_ns() - _LATE) >> 10:013x}"


class Brought:
    """Sorts out of stretches what the target has, and what was deleted there. Several threads may use it."""

    def __init__(self, target: DatabaseService, marks: Marks, patience: Patience, rejections: Rejections) -> None:
        self._target, self._marks = target, marks
        self._patience, self._rejections = patience, rejections

    def around(self, write: Write) -> Write:
        """The same as ``write``, which sees only what is to be written; what was deleted is counted and named."""

        def sorted_out(collection: CollectionInfo, stretch: Stretch) -> Tally:
            rest, tally = self._sort_out(collection, stretch.documents)
            if rest:
                tally.add(write(collection, stretch._replace(documents=rest)))
            return tally

        return sorted_out if self._marks else write

    def _sort_out(
        self, collection: CollectionInfo, documents: list[tuple[str, Document]]
    ) -> tuple[list[tuple[str, Document]], Tally]:
        tally = Tally()
        marks = self._marks.get(collection.name, {})
        rest: list[tuple[str, Document]] = []
        known: dict[str, list[Document]] = {}
        for path, document in documents:
            mark = max(marks.get(ALL, ""), marks.get(path.rpartition("/")[0], ""))
            fits = can_be_id(document.get("_id", "")) and unfit_path(path, collection) is None
            if _token(document) < mark and fits:
                known.setdefault(path, []).append(document)
            else:
                rest.append((path, document))
        for path, several in known.items():
            ids = [document["_id"] for document in several]
            found = self._patience.call(partial(self._target.get_many, path, ids))
            for document in several:
                theirs = found.get(document["_id"])
                if theirs is None and unfit(document) is None:
                    tally.deleted += 1
                    self._rejections.add(Rejected(path, document["_id"], _REASON))
                elif theirs is None or _token(theirs) < _token(document):
                    rest.append((path, document))
                elif _token(theirs) == _token(document):
                    tally.same += 1
                else:
                    tally.kept += 1
        return rest, tally


def _token(document: Document) -> str:
    return split_rev(str(document.get("_rev", "")))[0]
