"""What a group needs beside Python: a group whose server or program is missing is skipped, and the others go on."""

import os
from typing import NoReturn

from tests import dynamodb_installed
from tests.servers import available


class Missing(Exception):
    """A group's ``server``, or a program to measure it, is not here; the text says what, and how to get it."""

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(f"{server}: {reason}")
        self.server = server


def need(server: str) -> None:
    """Goes on if a group can have this server, by its name in ``tests/servers.py``; else Missing."""
    found = available(server)
    if not found.here:
        miss(server, found.detail, found.remedy)
    if server == "dynamodb" and not os.environ.get("TEST_DYNAMODB_URL") and (failure := dynamodb_installed.fetch()):
        miss(server, failure, dynamodb_installed.REMEDY)


def miss(server: str, detail: str, remedy: str) -> NoReturn:
    """Raises Missing."""
    raise Missing(server, f"{detail}; {remedy}")
