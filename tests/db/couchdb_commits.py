"""Commits on CouchDB whose process ends on the way."""

from contextlib import closing
from typing import Any, cast

import pytest

from app.db.backends.couchdb import CouchDatabase
from tests.db.contract.given import make_schema
from tests.db.couchdb_server import CouchBackend

__all__ = ["stop_a_commit"]


class Stopped(BaseException):
    """The process of a commit ends here."""


def stop_a_commit(backend: CouchBackend, writes: list[Any], *, committed: bool) -> None:
    """A commit whose process ends just before, or just after, it is decided: its intents stay."""
    with closing(cast(CouchDatabase, backend.open(make_schema()))) as dying:
        records: Any = dying._records
        decide = records._decide

        def stop(record: Any) -> bool:
            if committed:
                decide(record)
            raise Stopped

        records._decide = stop
        with pytest.raises(Stopped):
            dying.commit(writes)
