"""How Hypothesis runs here, and which tests need a database server of their own."""

import pytest
from hypothesis import HealthCheck, settings

from tests.couchdb_installed import stand_in
from tests.db.pouchdb_server import wrong

# The same examples every time, and no time limit for one, as machines may be busy.
settings.register_profile(
    "wherry", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("wherry")

SERVERS = frozenset({"couchdb_url", "dynamodb_url", "firestore_url"})
"""The fixtures that start a server, or use the one that a TEST_..._URL variable names."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a server, before the run's selection by marks is made; and what CouchDB's stand-in gets wrong, if
    the run asks for it."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if SERVERS & set(fixtures):
            item.add_marker(pytest.mark.server)
        if stand_in() and "couchdb_url" in fixtures and (reason := wrong(item.nodeid)):
            item.add_marker(pytest.mark.skip(reason=reason))
