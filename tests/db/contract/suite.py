"""What every backend keeps: ``from tests.db.contract.suite import *`` in a file with a fixture ``backend``."""

from tests.db.contract.commits import TestAllOrNothing, TestCommits, TestExpectations
from tests.db.contract.documents import (
    TestPortableValues,
    TestRefusedValues,
    TestSizes,
    TestValuesInQueries,
)
from tests.db.contract.fixtures import service, strict_service
from tests.db.contract.joining import TestJoining
from tests.db.contract.model import TestModel, TestQueriesOfEveryKind
from tests.db.contract.names import TestCollections, TestFieldNames, TestIds, TestTenants, tenants
from tests.db.contract.operating import TestPreparing, TestScans, TestServices
from tests.db.contract.paging import TestCounts, TestCursors, TestEarlyEnds, TestUnservedQueries
from tests.db.contract.queries import (
    TestConditions,
    TestProjection,
    TestTheOneOrder,
    TestTwoFieldsAndMerging,
)
from tests.db.contract.reading import TestListing, TestReading, TestReadTogether
from tests.db.contract.revisions import TestKeptRevisions, TestRevisions
from tests.db.contract.storms import TestReadingYourWrites, TestStorms
from tests.db.contract.writing import TestUpdating, TestWriting, TestWritingInBulk

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
    "TestJoining",
    "TestKeptRevisions",
    "TestListing",
    "TestModel",
    "TestPortableValues",
    "TestPreparing",
    "TestProjection",
    "TestQueriesOfEveryKind",
    "TestReadTogether",
    "TestReading",
    "TestReadingYourWrites",
    "TestRefusedValues",
    "TestRevisions",
    "TestScans",
    "TestServices",
    "TestSizes",
    "TestStorms",
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
