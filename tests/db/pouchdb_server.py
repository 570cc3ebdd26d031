"""pouchdb-server as CouchDB's stand-in: what it gets wrong, and how it is started.

It is for a look at the CouchDB backend on a machine without CouchDB (``make smoke-couchdb``). What it passes proves
nothing: only Apache CouchDB counts, and where WHERRY_REQUIRE names couchdb, the stand-in is refused.
"""

import shutil

from tests.db.server_process import ServerProcess
from tests.pouchdb_installed import program

_QUERIES = "it cannot answer several queries to a view in one request, as every query and count of ours needs"
_ORDER = "it orders ids by UTF-16 and loses some beyond the basic plane, CouchDB orders by bytes"
_NUMBERS = "it reads numbers as JavaScript does: 1e16 becomes an integer, -0.0 and large integers change"
_INSIDE = "it looks behind the backend, at what only CouchDB has"

# The one table of what the stand-in gets wrong: tests by a part of their name, and the reason. They are skipped there.
WRONG: tuple[tuple[str, str], ...] = (
    ("::TestFreshQueries::", _QUERIES),
    ("::TestTwoServices::", _QUERIES),
    ("::TestConditions::", _QUERIES),
    ("::TestCounts::", _QUERIES),
    ("::TestCursors::", _QUERIES),
    ("::TestEarlyEnds::", _QUERIES),
    ("::TestProjection::", _QUERIES),
    ("::TestQueriesOfEveryKind::", _QUERIES),
    ("::TestTheOneOrder::", _QUERIES),
    ("::TestTwoFieldsAndMerging::", _QUERIES),
    ("::TestUnservedQueries::", _QUERIES),
    ("::TestValuesInQueries::", _QUERIES),
    ("::TestModel::", _QUERIES),
    ("::test_several_processes_may_use_an_empty_database_for_the_first_time", _QUERIES),
    ("::test_a_service_may_be_used_before_and_after_a_fork", _QUERIES),
    ("::test_one_conflict_anywhere_leaves_everything_as_it_was", _QUERIES),
    ("::test_a_hundred_entries_are_taken_and_one_more_is_too_large", _QUERIES),
    ("::test_four_megabytes_are_taken_and_more_is_too_large", _QUERIES),
    ("::test_an_installation_collection_works_as_a_tenants_does", _QUERIES),
    ("::test_indexes_follow_a_commit", _QUERIES),
    ("::test_indexes_follow_a_bulk_write", _QUERIES),
    ("::test_a_generator_of_many_documents_is_written", _QUERIES),
    ("::test_every_key_can_be_indexed", _QUERIES),
    ("::test_a_large_copy_is_kept_or_written_document_by_document", _QUERIES),
    ("::test_an_index_is_added_to_a_collection_that_has_documents", _QUERIES),
    ("::test_an_index_on_field_names_that_differ_in_case_is_another_index", _QUERIES),
    ("::test_declared_collections_are_created_on_first_use", _QUERIES),
    ("::test_threads_share_a_service", _QUERIES),
    ("::test_a_thread_may_end_and_others_may_close_meanwhile", _QUERIES),
    ("::test_pages_are_whole_while_threads_write", _QUERIES),
    ("::test_every_way_of_reading_sees_its_own_tenant_only", _QUERIES),
    ("::test_lists_and_queries_and_counts_see_their_own_tenant_only", _QUERIES),
    ("::test_a_cursor_of_one_tenant_is_refused_by_another", _QUERIES),
    ("::test_every_id_is_itself_in_every_method", _ORDER),
    ("::test_every_document_comes_once_in_id_order_by_code_point", _ORDER),
    ("::test_a_scan_names_every_document_by_its_own_tenant", _ORDER),
    ("::test_every_scalar_is_read_back_equal_and_of_its_type", _NUMBERS),
    ("::test_integral_floats_become_integers", _NUMBERS),
    ("::test_ping_answers", "it has no /_up"),
    ("::test_the_doctor_finds_a_healthy_database_well", "it does not tell the size of a database"),
    ("/test_couchdb_", _INSIDE),
)


def wrong(test: str) -> str | None:
    """Why a test, by pytest's name for it, cannot pass on the stand-in."""
    return next((f"pouchdb-server: {reason}" for part, reason in WRONG if part in test), None)


class PouchServer(ServerProcess):
    """One that keeps everything in memory."""

    def __init__(self) -> None:
        super().__init__("pouchdb-server")
        self.url = f"couchdb://{self.address}"
        (self.folder / "config.json").write_text("{}")

    def command(self) -> list[str]:
        """See ServerProcess."""
        node = shutil.which("node")
        assert node
        options = ["--in-memory", "-n", "-o", "127.0.0.1", "-p", str(self.port), "-c", "config.json"]
        return [node, str(program()), *options]

    def environment(self) -> dict[str, str]:
        """See ServerProcess. Some requests would end it."""
        return {"NODE_OPTIONS": "--unhandled-rejections=warn"}
