"""The contract on a real CouchDB."""

from tests.db.contract.crashes import *  # noqa: F403 -- the suite's classes and fixtures are collected here
from tests.db.contract.fresh import *  # noqa: F403
from tests.db.contract.processes import *  # noqa: F403
from tests.db.contract.suite import *  # noqa: F403
from tests.db.couchdb_fixtures import backend, couchdb_url

__all__ = ["backend", "couchdb_url"]
