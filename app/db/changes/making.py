"""Making the changes that a database lacks."""

import time
from collections.abc import Callable, Iterator, Sequence

from app.db.changes.files import Change
from app.db.changes.record import RECORD_SCHEMA, Holder, read_record
from app.db.service import DatabaseService


def make_changes(
    database: DatabaseService, changes: Sequence[Change], dry_run: bool = False, *, now: Callable[[], float] = time.time
) -> Iterator[tuple[Change, str]]:
    """Make what is not recorded as done, in order; answers each change with what it said of itself, as it is done.

    ChangeError if another process is at one of them. With ``dry_run`` nothing is written: each says what it would do.
    """
    record = read_record(database)
    if not dry_run:
        database.prepare(RECORD_SCHEMA)
    for change in changes:
        made = record.get(change.name)
        if made is not None and made.state == "done":
            continue
        step = change.load()
        if dry_run:
            yield change, _told(step(database, True))
            continue
        holder = Holder(database, change, now)
        holder.begin()
        told = _told(step(holder.watched(), False))
        holder.end(told)
        yield change, told


def _told(answer: object) -> str:
    return "" if answer is None else str(answer)
