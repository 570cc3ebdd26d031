"""The conformance suite of the database contract. docs/contract-suite.md says how a backend runs it."""

import pytest

# The tests stand in files that pytest does not collect by itself: their assertions show values all the same.
for _part in (
    "commits", "crashes", "documents", "fresh", "model", "names", "operating", "paging", "processes", "queries",
    "reading", "revisions", "storms", "workers", "writing", "given",
):  # fmt: skip
    pytest.register_assert_rewrite(f"{__name__}.{_part}")
