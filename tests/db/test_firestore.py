"""The contract on a real Firestore, or Google's emulator of it."""

from tests.db.contract.crashes import *  # noqa: F403 -- the suite's classes and fixtures are collected here
from tests.db.contract.fresh import *  # noqa: F403
from tests.db.contract.processes import *  # noqa: F403
from tests.db.contract.suite import *  # noqa: F403
from tests.db.firestore_fixtures import backend, firestore_url

__all__ = ["backend", "firestore_url"]
