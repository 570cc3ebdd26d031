"""What ``wherry db changes`` does and prints."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from app.db.changes.files import Change, ChangeError, find_changes
from app.db.changes.making import make_changes
from app.db.changes.record import Made, read_record
from app.db.service import DatabaseService

DEFAULT_FOLDER: Final = Path(__file__).resolve().parents[3] / "migrations_scripts"


def chosen_changes(folder: Path, only: str | None) -> list[Change]:
    """The folder's changes, or the one whose name or number is asked for; ChangeError if there is none such."""
    found = find_changes(folder)
    if only is None:
        return found
    named = [change for change in found if only in (change.name, change.name[:4], change.path.name)]
    if not named:
        there = ", ".join(change.name for change in found) or "none"
        raise ChangeError(f"There is no change {only!r} in {folder.name}. There are: {there}.")
    return named


def told_changes(database: DatabaseService, changes: list[Change]) -> Iterator[dict[str, object]]:
    """For each change, and each that was made and is no file here, its name and how it stands."""
    record = read_record(database)
    for change in changes:
        yield {"name": change.name, **_standing(record.get(change.name), change)}
    known = {change.name for change in changes}
    for name, made in record.items():
        if name not in known:
            yield {"name": name, **_standing(made, None)}


def list_changes(
    database: DatabaseService, changes: list[Change], say: Callable[[str], None]
) -> list[dict[str, object]]:
    """Say how each change stands, and answer the same."""
    told = list(told_changes(database, changes))
    for one in told:
        say(f"{one['state']:<8} {one['name']}" + (f"  {one['note']}" if one["note"] else ""))
    if not told:
        say("There are no changes.")
    return told


def run_changes(
    database: DatabaseService, changes: list[Change], dry_run: bool, say: Callable[[str], None]
) -> list[dict[str, object]]:
    """Make, or with ``dry_run`` only try, what is not made yet; say each as it is done, and answer the same."""
    done: list[dict[str, object]] = []
    for change, told in make_changes(database, changes, dry_run):
        done.append({"name": change.name, "told": told})
        say(f"{'would make' if dry_run else 'made':<10} {change.name}" + (f": {told}" if told else ""))
    if not done:
        say("Every change is made already.")
    return done


def _standing(made: Made | None, change: Change | None) -> dict[str, object]:
    if made is None:
        return {"state": "pending", "note": ""}
    at = f"{datetime.fromtimestamp(made.at, UTC):%Y-%m-%d %H:%M} UTC"
    if made.state != "done":
        return {"state": "begun", "note": f"last seen at work {at}; run the changes again to go on"}
    notes = [at, made.told]
    if change is None:
        notes.append("its file is not here")
    elif made.digest != change.digest:
        notes.append("its file is not the one that was run")
    return {"state": "done", "note": "; ".join(note for note in notes if note)}
