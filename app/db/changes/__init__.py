"""Numbered changes to stored documents: found in a folder, made in order, once, and resumed where one was cut off.

A change is a file ``0003_tags_in_lower_case.py`` with a function ``run(database, dry_run)``, which changes documents of
every tenant and may be run again at any time without harm; ``change_documents`` does that for most of them::

    def run(database: DatabaseService, dry_run: bool) -> Counts:
        return change_documents(database, "agents", lower_case, dry_run=dry_run, place=__file__)

The application may run meanwhile. Every document is changed under its revision, so that nobody's edit is lost.
"""

from app.db.changes.documents import Counts, change_documents, upgrade_documents
from app.db.changes.files import Change, ChangeError, find_changes
from app.db.changes.making import make_changes
from app.db.changes.record import Made, read_record

__all__ = [
    "Change",
    "ChangeError",
    "Counts",
    "Made",
    "change_documents",
    "find_changes",
    "make_changes",
    "read_record",
    "upgrade_documents",
]
