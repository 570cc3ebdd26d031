"""Give stored agents the name key that this release computes.

Agents are searched and sorted by it. It is made of the name by rules and by Python's Unicode tables; agents stored
under other ones would stand in the wrong place of a list until they are saved. Run it by itself, or with the others
by `wherry db changes`:

    python migrations_scripts/0001_agent_name_keys.py --dry-run
"""

import sys

from app.db import DatabaseService
from app.db.changes import Counts, change_documents
from app.db.documents import Document
from app.modules.agents.entities import Agent, name_key


def run(database: DatabaseService, dry_run: bool) -> Counts:
    """May be run again at any time without harm."""
    return change_documents(database, Agent.collection, _with_name_key, dry_run=dry_run, place=__file__)


def _with_name_key(document: Document) -> Document | None:
    name = document.get("name")
    if type(name) is not str or document.get("name_key") == name_key(name):
        return None
    return {**document, "name_key": name_key(name)}


if __name__ == "__main__":
    from app.cli import main

    sys.argv[1:1] = ["db", "changes", "--only", "0001"]
    main()
