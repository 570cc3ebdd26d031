"""What reading a whole database meets, and no id leads to.

Programs that are not Wherry can store a document where a walk by id and a look-up never come: in CouchDB one whose id
names no tenant. Digests count it, the search by id does not find it. So where digests differ and that search found
nothing, the collection is read once more, and every document in question is looked up by its id.
"""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from app.db.capabilities import CollectionInfo
from app.db.documents import Document, split_rev
from app.db.names import can_be_id
from app.db.service import DatabaseService
from app.db.transfer.comparing import unfit
from app.db.transfer.digests import Digest, Digests
from app.db.transfer.entries import entry_of
from app.db.transfer.pacing import Patience
from app.db.transfer.paged_reading import stretches
from app.db.transfer.seeking import Difference
from app.db.transfer.writing import unfit_path

_PAGE: Final = 1_000
_TOGETHER: Final = 100
_MOST: Final = 10_000
"""Strays that are kept of one side; only another program that fills a database of ours makes more."""
_NOT_FOUND: Final = "reading the whole collection meets it, looking for its id does not"
_NOTHING: Final = "the digests differ, although every document that is found by its id is equal"


class _Stray(NamedTuple):
    """``certain``: nobody could ask for this path or id. Another one may just have been deleted."""

    token: str
    content: bytes
    reason: str
    certain: bool


@dataclass(slots=True)
class _Reading:
    """One side of a collection, as far as it is in question; the strays by path and id. ``more`` are not kept."""

    digests: Digests
    strays: dict[tuple[str, str], _Stray] = field(default_factory=dict)
    more: bool = False


@dataclass(frozen=True, slots=True)
class SecondReading:
    """Both sides of a collection, read once more."""

    ours: _Reading
    theirs: _Reading

    def digests(self, path: str) -> tuple[Digest, Digest]:
        """Of a path that was in question: the source's and the target's."""
        return self.ours.digests.of(path), self.theirs.digests.of(path)

    def differences(self, path: str, before: tuple[Digest, Digest], settled: bool) -> list[Difference]:
        """What is unreachable on one side and not, or not the same, on the other; empty if the digests are equal now.

        ``before`` are the digests of the first reading; ``settled`` tells that documents which differed were equal
        when they were looked at again, which is reason enough for digests to differ.
        """
        digests = self.digests(path)
        if digests[0] == digests[1]:
            return []
        keys = sorted(key for key in {*self.ours.strays, *self.theirs.strays} if key[0] == path)
        found = [
            _difference(key, mine, other)
            for key in keys
            if (mine := self.ours.strays.get(key)) != (other := self.theirs.strays.get(key))
        ]
        if not found and (not settled or self.ours.more or self.theirs.more):
            moving = digests != before
            found = [Difference(path, "", "unreachable", None, None, False, moving, reason=_NOTHING)]
        return found


def read_again(
    sides: tuple[DatabaseService, DatabaseService],
    patience: tuple[Patience, Patience],
    collection: CollectionInfo,
    tenants: Sequence[str] | None,
    paths: Set[str],
    key: bytes,
) -> SecondReading:
    """Digest these paths of a collection with ``key``, and look every document of them up by its id."""
    return SecondReading(
        *(_read(service, its, collection, tenants, paths, key) for service, its in zip(sides, patience, strict=True))
    )


def _read(
    service: DatabaseService,
    patience: Patience,
    collection: CollectionInfo,
    tenants: Sequence[str] | None,
    paths: Set[str],
    key: bytes,
) -> _Reading:
    if collection.name not in {one.name for one in patience.call(service.collections)}:
        return _Reading(Digests(key))

    def once() -> _Reading:
        reading = _Reading(Digests(key))
        for stretch in stretches(service, collection, tenants, None, _PAGE, patience):
            in_question = sorted((one for one in stretch.documents if one[0] in paths), key=itemgetter(0))
            reading.digests.add((path, entry_of(document)) for path, document in in_question)
            for path, part in groupby(in_question, key=itemgetter(0)):
                for id, stray in _strays(service, patience, collection, path, [document for _, document in part]):
                    if len(reading.strays) < _MOST:
                        reading.strays[path, id] = stray
                    else:
                        reading.more = True
        return reading

    first = once()
    if all(stray.certain for stray in first.strays.values()):
        return first
    # One that was deleted between the reading and the look-up is not there any more.
    second = once()
    second.strays = {known: stray for known, stray in second.strays.items() if stray.certain or known in first.strays}
    return second


def _strays(
    service: DatabaseService, patience: Patience, collection: CollectionInfo, path: str, documents: list[Document]
) -> Iterator[tuple[str, _Stray]]:
    """Those of one path that no look-up by id finds."""
    refused = unfit_path(path, collection)
    for start in range(0, len(documents), _TOGETHER):
        part = documents[start : start + _TOGETHER]
        ids = [document["_id"] for document in part if refused is None and can_be_id(document["_id"])]
        there = patience.call(partial(service.get_many, path, ids)) if ids else {}
        for document in part:
            id = document["_id"]
            if id not in there:
                reason = refused or unfit(document) or _NOT_FOUND
                content = blake2b(entry_of(document), digest_size=16).digest()
                yield id, _Stray(split_rev(document["_rev"])[0], content, str(reason), id not in ids)


def _difference(key: tuple[str, str], mine: _Stray | None, other: _Stray | None) -> Difference:
    tokens = None if mine is None else mine.token, None if other is None else other.token
    reason = next(one.reason for one in (mine, other) if one is not None)
    return Difference(*key, "unreachable", *tokens, False, False, reason=reason)
