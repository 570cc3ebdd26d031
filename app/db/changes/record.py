"""Which changes were made to a database: ``document_changes``, which travels with the documents.

One process makes changes at a time: it holds the record of the change it is at, for as long as it gives signs of life.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Final

from app.db.changes.files import Change, ChangeError
from app.db.documents import Document
from app.db.errors import Conflict, NotFound
from app.db.schema import Collection, Schema
from app.db.service import DatabaseService

RECORD: Final = "document_changes"
LONGEST_SILENCE: Final = 60.0
"""Seconds after which a process that gave no sign of life is taken for dead, and another may go on."""
RECORD_SCHEMA: Final = Schema([Collection(RECORD, "installation")])


@dataclass(frozen=True, slots=True)
class Made:
    """What the record says of a change."""

    name: str
    state: str
    """``done``, or ``begun``."""
    at: float
    """Seconds since 1970 of the last sign of life, or of the end."""
    digest: str
    told: str
    """What the change said of itself when it was done."""


def read_record(database: DatabaseService) -> dict[str, Made]:
    """What was made, by name; nothing is written."""
    if RECORD not in {one.name for one in database.collections()}:
        return {}
    return {document["_id"]: _made(document) for document in database.list_all(RECORD)}


class Holder:
    """The record of the change that this process is at."""

    def __init__(self, database: DatabaseService, change: Change, now: Callable[[], float]) -> None:
        self._database, self._change, self._now = database, change, now
        self._owner = token_hex(8)
        self._renewed = 0.0

    def begin(self) -> None:
        """Take the change; ChangeError while another process is at it."""
        entry = self._entry("begun")
        try:
            found = self._database.get(RECORD, self._change.name)
        except NotFound:
            found = None
        try:
            if found is None:
                self._database.create(RECORD, self._change.name, entry)
            elif found["state"] == "done" or self._now() - found["at"] < LONGEST_SILENCE:
                raise self._busy()
            else:
                self._database.save(RECORD, self._change.name, {**entry, "_rev": found["_rev"]})
        except Conflict as error:
            raise self._busy() from error
        self._renewed = time.monotonic()

    def watched(self) -> DatabaseService:
        """The database, whose every use by the change is a sign of life."""
        database: Any = _Watched(self._database, self._renew)
        return database  # type: ignore[no-any-return]

    def end(self, told: str) -> None:
        """Record that it is done; ChangeError if another process has taken it meanwhile."""
        self._write({**self._entry("done"), "told": told})

    def _renew(self) -> None:
        if time.monotonic() - self._renewed >= LONGEST_SILENCE / 10:
            self._write(self._entry("begun"))
            self._renewed = time.monotonic()

    def _write(self, entry: Document) -> None:
        found = self._database.get(RECORD, self._change.name)
        if found["owner"] != self._owner:
            raise self._busy()
        try:
            self._database.save(RECORD, self._change.name, {**entry, "_rev": found["_rev"]})
        except Conflict as error:
            raise self._busy() from error

    def _entry(self, state: str) -> Document:
        return {
            "state": state,
            "owner": self._owner,
            "at": self._now(),
            "digest": self._change.digest,
            "told": "",
        }

    def _busy(self) -> ChangeError:
        return ChangeError(
            f"Another process is making the change {self._change.name}, or has made it: if it has died, try again in"
            f" {LONGEST_SILENCE:.0f} seconds."
        )


class _Watched:
    """Hands everything on, and tells ``renew`` each time."""

    def __init__(self, database: DatabaseService, renew: Callable[[], None]) -> None:
        self._database, self._renew = database, renew

    def __getattr__(self, name: str) -> Any:
        self._renew()
        return getattr(self._database, name)


def _made(document: Document) -> Made:
    return Made(document["_id"], document["state"], document["at"], document["digest"], document["told"])
