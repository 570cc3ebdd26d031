import socket
from collections.abc import Iterator
from contextlib import closing
from time import monotonic

import pytest

from app.db import Conflict, Unavailable, open_database
from app.db.retries import retry_conflicts
from app.db.time_limit import Limit, bounded, limited, unhurried


def test_a_deadline_is_its_own_without_a_limit_and_the_earlier_of_the_two_with_one() -> None:
    assert bounded(100.0) == 100.0
    with limited(Limit(50.0)):
        assert bounded(100.0) == 50.0
        assert bounded(20.0) == 20.0
    assert bounded(100.0) == 100.0


def test_the_limit_stands_still_for_what_must_not_be_left_half_done() -> None:
    limit = Limit(monotonic() - 1.0)
    with limited(limit):
        with unhurried():
            assert bounded(1e9) == 1e9
        assert -1.1 < limit.end - monotonic() <= -1.0
    with unhurried():
        assert bounded(1e9) == 1e9


def test_conflicts_are_not_tried_again_beyond_the_limit() -> None:
    tries = []

    def lose() -> None:
        tries.append(1)
        raise Conflict([("notes", "a")])

    with limited(Limit(monotonic())), pytest.raises(Conflict):
        retry_conflicts(lose)
    assert len(tries) == 1


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of somebody who takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    "url",
    [
        "couchdb://{}/wherry?timeout=20",
        "dynamodb://key:secret@eu-central-1/wherry?endpoint=http://{}&timeout=20",
        "firestore://wherry/wherry?emulator={}",
    ],
    ids=["couchdb", "dynamodb", "firestore"],
)
@pytest.mark.parametrize("left", [0.3, -1.0])
def test_every_backend_gives_up_at_the_limit(silent: str, url: str, left: float) -> None:
    pytest.importorskip({"c": "couchdb", "d": "botocore", "f": "google.cloud.firestore"}[url[0]])
    with closing(open_database(url.format(silent))) as service, limited(Limit(monotonic() + left)):
        began = monotonic()
        with pytest.raises(Unavailable):
            service.get("notes", "a")
        assert monotonic() - began < 2.0
