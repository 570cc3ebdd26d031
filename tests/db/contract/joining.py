"""That a backend runs every part of the suite that its capabilities promise, and no other."""

import pytest

from app.db import DatabaseService

PARTS = {
    "fresh_queries": {"TestFreshQueries"},
    "shared": {"TestTwoServices", "TestProcesses"},
    "durable": {"TestDurability", "TestCrashes"},
}


class TestJoining:
    def test_the_file_has_the_parts_that_the_capabilities_promise(
        self, request: pytest.FixtureRequest, service: DatabaseService
    ) -> None:
        here = vars(request.module).keys()
        for capability, classes in PARTS.items():
            expected = classes if getattr(service.capabilities, capability) else set()
            assert classes & here == expected, capability
