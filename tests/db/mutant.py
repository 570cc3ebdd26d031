"""What a mutant is: one known way to break the database layer, and the tests that have to notice."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """What is broken (`name`), where, how, and the tests (pytest's names for them) that have to notice.

    `server` names the database server that the tests need, as tests/servers.py does.
    """

    name: str
    file: str
    right: str
    wrong: str
    tests: Sequence[str]
    server: str = ""
