"""Changing every document of a collection, and bringing stored entities up to their present version."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.db.documents import Document, canonical_json, check_document
from app.db.entities import VERSION, Entity
from app.db.errors import Conflict, NotFound
from app.db.parts import parts_of
from app.db.service import DatabaseService
from app.db.transfer.collections import STEPS, machinery
from app.db.writes import Put

_PAGE: Final = 500
_TOGETHER: Final = 50
_TOGETHER_BYTES: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Counts:
    """What ``change_documents`` saw and changed, and what a run before it that was cut off did."""

    seen: int
    changed: int

    def __str__(self) -> str:
        return f"{self.changed:,} of {self.seen:,} documents changed"


def change_documents(
    database: DatabaseService,
    collection: str,
    change: Callable[[Document], Document | None],
    *,
    dry_run: bool,
    place: str,
) -> Counts:
    """Give every document of a collection, of all tenants, what ``change`` answers for it; None leaves it as it is.

    ``change`` gets a copy with ``_id`` and ``_rev`` and must answer the same for the same document. ``place`` names
    this pass (a path stands for its file's name): one that was cut off goes on where it was. A document that somebody
    edits meanwhile is changed in its new form.
    """
    places = _Places(database, f"{Path(place).stem}:{collection}", dry_run)
    after, counts = places.read()
    while True:
        page = database.scan(collection, after, _PAGE)
        pending: list[Put] = []
        for path, document in page.documents:
            changed = _difference(change, document)
            if changed is not None:
                pending.append(Put(path, document["_id"], changed))
        if not dry_run:
            for part in parts_of(pending, _length, number=_TOGETHER, size=_TOGETHER_BYTES):
                _write(database, part, change)
        counts = Counts(counts.seen + len(page.documents), counts.changed + len(pending))
        if page.after is None:
            places.forget()
            return counts
        after = page.after
        places.save(after, counts)


def upgrade_documents(database: DatabaseService, entity: type[Entity], *, dry_run: bool, place: str) -> Counts:
    """Bring every stored document of an entity up to its ``document_version``, as reading one would."""

    def change(document: Document) -> Document | None:
        if document.get(VERSION, 1) == entity.document_version:
            return None
        id, rev = document.pop("_id"), document.pop("_rev")
        return {**entity.upgraded(id, document), VERSION: entity.document_version, "_id": id, "_rev": rev}

    return change_documents(database, entity.collection, change, dry_run=dry_run, place=place)


class _Places:
    """How far a pass has come; never carried along with the documents, as a scan's places are a database's own."""

    def __init__(self, database: DatabaseService, place: str, dry_run: bool) -> None:
        self._database, self._place, self._dry_run = database, place, dry_run

    def read(self) -> tuple[str | None, Counts]:
        """Where to begin, and what was done before."""
        if self._dry_run:
            return None, Counts(0, 0)
        self._database.prepare(machinery(STEPS))
        try:
            found = self._database.get(STEPS, self._place)
        except NotFound:
            return None, Counts(0, 0)
        return found["after"], Counts(found["seen"], found["changed"])

    def save(self, after: str, counts: Counts) -> None:
        """Note it, and so give a sign of life."""
        if not self._dry_run:
            place = {"after": after, "seen": counts.seen, "changed": counts.changed}
            self._database.save(STEPS, self._place, place)

    def forget(self) -> None:
        """The pass is over."""
        if not self._dry_run:
            try:
                self._database.delete(STEPS, self._place)
            except NotFound:
                return


def _difference(change: Callable[[Document], Document | None], document: Document) -> Document | None:
    """The changed document, still with the revision it was read with; None if nothing differs."""
    changed = change({**document})
    if changed is None:
        return None
    body = check_document({**changed, "_id": document["_id"], "_rev": document["_rev"]}, document["_id"]).body
    stored = {name: value for name, value in document.items() if name not in ("_id", "_rev")}
    if canonical_json(body) == canonical_json(stored):
        return None
    return {**body, "_rev": document["_rev"]}


def _length(put: Put) -> int:
    return len(canonical_json(put.document))


def _write(database: DatabaseService, part: list[Put], change: Callable[[Document], Document | None]) -> None:
    """Together; where one of them was edited meanwhile, one by one from what it is now."""
    try:
        database.commit(part)
    except Conflict:
        for put in part:
            _write_alone(database, put, change)


def _write_alone(database: DatabaseService, put: Put, change: Callable[[Document], Document | None]) -> None:
    while True:
        try:
            changed = _difference(change, database.get(put.collection, put.id))
            if changed is not None:
                database.save(put.collection, put.id, changed)
        except NotFound:
            return
        except Conflict:
            continue
        return
