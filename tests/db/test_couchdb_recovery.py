"""What recovery makes of commits that were cut off, and how it finds them, on a real CouchDB."""

from collections.abc import Iterator
from contextlib import closing
from typing import cast

import pytest

from app.db import Put
from app.db.backends.couchdb import CouchDatabase
from tests.db.contract.given import NOTES, PEOPLE, make_schema
from tests.db.couchdb_commits import stop_a_commit
from tests.db.couchdb_fixtures import backend, couchdb_url
from tests.db.couchdb_server import CouchBackend

__all__ = ["backend", "couchdb_url"]


@pytest.fixture
def service(backend: CouchBackend) -> Iterator[CouchDatabase]:
    with closing(cast(CouchDatabase, backend.open(make_schema()))) as opened:
        opened.prepare()
        opened.save(PEOPLE, "a", {"name": "a"})
        yield opened


@pytest.mark.parametrize("committed", [False, True])
def test_recovery_writes_large_floats_back_as_floats(
    backend: CouchBackend, service: CouchDatabase, committed: bool
) -> None:
    service.save(NOTES, "a", {"big": 1e17, "all": [{"n": -(2.0**60)}]})
    put = Put(NOTES, "a", {"big": 2e17, "all": [{"n": 2.0**61}]})
    stop_a_commit(backend, [put, Put(PEOPLE, "a", {"name": "b"})], committed=committed)
    assert service.recover(older=0.0).folded == 2
    found = service.get(NOTES, "a")
    new = ("2e+17", "[{'n': 2.305843009213694e+18}]")
    old = ("1e+17", "[{'n': -1.152921504606847e+18}]")
    assert (repr(found["big"]), repr(found["all"])) == (new if committed else old)
