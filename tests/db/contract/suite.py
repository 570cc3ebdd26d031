"""What every backend keeps: ``from tests.db.contract.suite import *`` in a file with a fixture ``backend``."""

import pytest

for _part in (
    "commits", "documents", "given", "model", "names", "naive", "operating", "paging", "queries", "reading",
    "revisions", "storms", "writing",
):  # fmt: skip
    pytest.register_assert_rewrite(f"tests.db.contract.{_part}")

from tests.db.contract.commits import TestAllOrNothing, TestCommits, TestExpectations  # noqa: E402
from tests.db.contract.documents import (  # noqa: E402
    TestPortableValues,
    TestRefusedValues,
    TestSizes,
    TestValuesInQueries,
)
from tests.db.contract.fixtures import service, strict_service  # noqa: E402
from tests.db.contract.names import TestCollections, TestFieldNames, TestIds, TestTenants, tenants  # noqa: E402
from tests.db.contract.operating import TestPreparing, TestScans, TestServices  # noqa: E402
from tests.db.contract.paging import TestCounts, TestCursors, TestEarlyEnds, TestUnservedQueries  # noqa: E402
from tests.db.contract.queries import (  # noqa: E402
    TestConditions,
    TestProjection,
    TestTheOneOrder,
    TestTwoFieldsAndMerging,
)
from tests.db.contract.reading import TestListing, TestReading, TestReadTogether  # noqa: E402
from tests.db.contract.revisions import TestKeptRevisions, TestRevisions  # noqa: E402
from tests.db.contract.writing import TestUpdating, TestWriting, TestWritingInBulk  # noqa: E402

__all__ = [
    "TestAllOrNothing",
    "TestCollections",
    "TestCommits",
    "TestConditions",
    "TestCounts",
    "TestCursors",
    "TestEarlyEnds",
    "TestExpectations",
    "TestFieldNames",
    "TestIds",
    "TestKeptRevisions",
    "TestListing",
    "TestPortableValues",
    "TestPreparing",
    "TestProjection",
    "TestReadTogether",
    "TestReading",
    "TestRefusedValues",
    "TestRevisions",
    "TestScans",
    "TestServices",
    "TestSizes",
    "TestTenants",
    "TestTheOneOrder",
    "TestTwoFieldsAndMerging",
    "TestUnservedQueries",
    "TestUpdating",
    "TestValuesInQueries",
    "TestWriting",
    "TestWritingInBulk",
    "service",
    "strict_service",
    "tenants",
]
