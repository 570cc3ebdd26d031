"""Verify, dump and restore on the databases that have a server."""

from contextlib import closing
from pathlib import Path

import pytest

from app.db import Put, open_database
from app.db.transfer.dumping import DumpOptions, dump
from app.db.transfer.progress import Silent
from app.db.transfer.restoring import RestoreOptions, restore
from app.db.transfer.verifying import VerifyOptions, verify
from tests.db.couchdb_fixtures import couchdb_url
from tests.db.couchdb_server import CouchBackend, fresh_prefix
from tests.db.dynamodb_fixtures import dynamodb_url
from tests.db.firestore_fixtures import firestore_url
from tests.db.transfer.backends import Fresh, fresh
from tests.db.transfer.kit import SCHEMA, carry, edges, fill, harbour, held

__all__ = ["couchdb_url", "dynamodb_url", "firestore_url", "fresh"]
NAMES = ("é", "z", "\U0001f600", "\ue000", "a:b", "~", "A")
SERVERS = ("couchdb", "firestore", "dynamodb")


@pytest.mark.parametrize("name", SERVERS)
class TestOnServers:
    def test_a_dump_is_restored_into_a_file_and_back(self, fresh: Fresh, name: str, tmp_path: Path) -> None:
        source, target, again = fresh(name), fresh("sqlite"), fresh(name)
        harbour(source)
        fill(source, "t1/notes", edges())
        source.commit([Put("t1/boats", "b00001", {"n": 1}), Put("harbours", "new", {"n": 2})])
        report = dump(source, tmp_path / "a.dump", DumpOptions(), Silent())
        assert report.left_out == 0
        restore(tmp_path / "a.dump", target, RestoreOptions(), Silent(), SCHEMA)
        assert verify(source, target, VerifyOptions(), Silent()).equal
        dump(target, tmp_path / "b.dump", DumpOptions(), Silent())
        restore(tmp_path / "b.dump", again, RestoreOptions(), Silent(), SCHEMA)
        assert held(again) == held(source)

    def test_what_differs_is_found_and_repaired(self, fresh: Fresh, name: str) -> None:
        source, target = fresh("memory"), fresh(name)
        harbour(source, 8)
        fill(
            source, "t1/notes", [{"_id": id, "name": "n"} for id in ("é", "z", "\U0001f600", "\ue000", "a:b", "~", "A")]
        )
        carry(source, target)
        assert verify(source, target, VerifyOptions(), Silent()).equal
        target.save("t1/boats", "b00003", {"name": "changed"})
        target.delete("t1/notes", "\U0001f600")
        target.create("harbours", "extra", {"name": "extra"})
        report = verify(source, target, VerifyOptions(pause=0.0), Silent())
        assert {(one.path, one.id, one.kind) for one in report.differences} == {
            ("t1/boats", "b00003", "different"),
            ("t1/notes", "\U0001f600", "missing"),
            ("harbours", "extra", "extra"),
        }
        options = VerifyOptions(repair=True, remove_extra=True, pause=0.0)
        assert verify(source, target, options, Silent()).equal
        assert held(target) == held(source)

    def test_other_contents_under_the_same_revision_are_repaired_beside_newer_ones(
        self, fresh: Fresh, name: str
    ) -> None:
        source, target = fresh("memory"), fresh(name)
        harbour(source, 8)
        carry(source, target)
        target.write_batch("t1/boats", [target.get("t1/boats", "b00005") | {"n": 99}], keep_revisions=True)
        options = VerifyOptions(repair=True, keep_newer=True, pause=0.0)
        assert verify(source, target, options, Silent()).equal
        assert held(target) == held(source)

    def test_one_tenant_is_dumped_alone(self, fresh: Fresh, name: str, tmp_path: Path) -> None:
        source, target = fresh(name), fresh("memory")
        harbour(source, 8)
        dump(source, tmp_path / "a.dump", DumpOptions(tenants=("t2",)), Silent())
        restore(tmp_path / "a.dump", target, RestoreOptions(), Silent(), SCHEMA)
        assert {path for path, _ in held(target)} == {"t2/boats"}
        assert verify(source, target, VerifyOptions(tenants=("t2",)), Silent()).equal


def test_a_document_that_was_made_by_hand_in_couchdb_is_told_of(couchdb_url: str) -> None:
    """Its id names no tenant: reading everything meets it, and no walk of a tenant's documents does."""
    source, backend = open_database("memory:", SCHEMA), CouchBackend(couchdb_url, fresh_prefix(), "?timeout=30")
    harbour(source, 8)
    try:
        with closing(backend.open(SCHEMA)) as target, closing(backend.session()) as session:
            carry(source, target)
            session.request("PUT", f"/{backend.prefix}-boats/foo", b'{"name": "by hand"}')
            report = verify(source, target, VerifyOptions(pause=0.0), Silent())
    finally:
        backend.remove()
    assert [(one.path, one.id, one.kind) for one in report.differences] == [("foo/boats", "", "unreachable")]
