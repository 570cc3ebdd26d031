"""Triggers that let a file refuse writes once its data has moved to another database.

They look at a flag in a table of their own. Whoever may write raises it within a transaction and lowers it before the
end, so that no other connection ever sees it raised: a file has one writer at a time.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from app.db.backends.sqlite_tables import quoted

GUARDED: Final = "wherry: moved"
_TABLE: Final = "_wherry_guard"
OPEN_GUARD: Final = f"UPDATE {_TABLE} SET raised = 1"
CLOSE_GUARD: Final = f"UPDATE {_TABLE} SET raised = 0"


def guard_statements(collections: Sequence[str], *, on: bool) -> Iterator[str]:
    """What makes the triggers of these collections, or takes them away. Doing it again does no harm."""
    if on:
        yield f"CREATE TABLE IF NOT EXISTS {_TABLE} (n INTEGER PRIMARY KEY, raised INTEGER NOT NULL)"
        yield f"INSERT INTO {_TABLE} (n, raised) VALUES (1, 0) ON CONFLICT (n) DO NOTHING"
    for name in collections:
        for event in ("INSERT", "UPDATE", "DELETE"):
            trigger = quoted(f"_wherry_guard_{event.lower()}_{name}")
            if on:
                yield (
                    f"CREATE TRIGGER IF NOT EXISTS {trigger} BEFORE {event} ON {quoted(name)}"
                    f" WHEN (SELECT raised FROM {_TABLE}) = 0 BEGIN SELECT RAISE(ABORT, '{GUARDED}'); END"
                )
            else:
                yield f"DROP TRIGGER IF EXISTS {trigger}"
