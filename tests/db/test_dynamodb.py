"""The contract on a real DynamoDB."""

from tests.db.contract.crashes import *  # noqa: F403 -- the suite's classes and fixtures are collected here
from tests.db.contract.processes import *  # noqa: F403
from tests.db.contract.suite import *  # noqa: F403
from tests.db.dynamodb_fixtures import backend, dynamodb_url

__all__ = ["backend", "dynamodb_url"]
