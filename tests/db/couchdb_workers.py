"""What the crash tests' processes do. Loaded by every process: it imports no test tools."""

import os
import signal
from contextlib import closing
from typing import Any, cast

from app.db import ABSENT, Check, Delete, Put
from app.db.backends.couchdb import CouchDatabase
from app.db.service import DatabaseService
from tests.db.contract.given import NOTES, OTHERS, PEOPLE, make_schema
from tests.db.couchdb_server import CouchBackend

KEYS = [(NOTES, "kept"), (PEOPLE, "kept"), (OTHERS, "made"), (NOTES, "gone"), (NOTES, "checked")]
REQUESTS = 9
"""What the commit below takes: read and fold in two databases, record, intents in two, check, commit."""


def before(service: DatabaseService) -> None:
    """The state before the commit."""
    service.commit(
        [
            Put(NOTES, "kept", {"status": "old", "name": "kept"}),
            Put(PEOPLE, "kept", {"status": "old", "name": "kept"}),
            Delete(OTHERS, "made"),
            Put(NOTES, "gone", {"status": "old", "name": "gone"}),
            Put(NOTES, "checked", {"status": "checked"}),
        ]
    )


def commit(service: DatabaseService) -> None:
    """Replace two documents of two collections, make one, delete one, check one."""
    revs = {key: service.get(*key)["_rev"] for key in KEYS if key[1] != "made"}
    service.commit(
        [
            Put(NOTES, "kept", {"status": "new", "name": "kept"}, revs[NOTES, "kept"]),
            Put(PEOPLE, "kept", {"status": "new", "name": "kept"}, revs[PEOPLE, "kept"]),
            Put(OTHERS, "made", {"status": "new", "name": "made"}, ABSENT),
            Delete(NOTES, "gone", revs[NOTES, "gone"]),
            Check(NOTES, "checked", revs[NOTES, "checked"]),
        ]
    )


def state(found: list[dict[str, Any] | None]) -> str:
    """ "old" or "new" for what the keys hold; raises if they hold half of each."""
    shown = [document and document["status"] for document in found]
    if shown == ["old", "old", None, "old", "checked"]:
        return "old"
    assert shown == ["new", "new", "new", None, "checked"], shown
    return "new"


def commit_and_be_killed(backend: CouchBackend, at: int, when: str) -> None:
    """Kill this process just before or just after the commit's request of that number."""
    with closing(cast(CouchDatabase, backend.open(make_schema()))) as service:
        for key in KEYS:
            service.read_together([key, (NOTES, "warm")])
        send = service.session.request
        made = [-(len(KEYS) - 1)]  # the reads of the revisions come first

        def request(method: str, path: str, *args: Any, **kwargs: Any) -> Any:
            made[0] += 1
            if made[0] == at and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            reply = send(method, path, *args, **kwargs)
            if made[0] == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return reply

        service.session.request = request  # type: ignore[method-assign]
        commit(service)
