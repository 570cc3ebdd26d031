"""The documents that everything is measured on: about 450 bytes of JSON each, the same ones for every side."""

import random
from collections.abc import Iterator
from typing import Any, Final

from app.db import Collection, Index, Schema

COLLECTION: Final = "agents"
TENANT: Final = "measured"
PATH: Final = f"{TENANT}/{COLLECTION}"
SCHEMA: Final = Schema([Collection(COLLECTION, "tenant", (Index("status", "name"),))])
MATCHING: Final = 1_000
PAGE: Final = 50
_WORDS: Final = ("harbour", "mast", "keel", "tide", "anchor", "rope", "gull", "pier", "buoy", "sail", "oar", "cargo")


def statuses(number: int) -> list[str]:
    """The values of ``status`` among ``number`` documents: about 1,000 documents have each."""
    return [f"status-{place:03}" for place in range(max(1, number // MATCHING))]


def documents(number: int, seed: int = 7) -> Iterator[tuple[str, dict[str, Any]]]:
    """Ids and documents, in no order of name, always the same."""
    chance = random.Random(seed)
    values = statuses(number)
    for place in range(number):
        yield f"{chance.getrandbits(64):016x}", _document(chance, values[place % len(values)], place)


def _document(chance: random.Random, status: str, place: int) -> dict[str, Any]:
    words = chance.choices(_WORDS, k=24)
    return {
        "name": f"{words[0]} {words[1]} {chance.randrange(10**8):08}",
        "status": status,
        "owner": {"id": f"{chance.getrandbits(64):016x}", "name": f"{words[2]} {words[3]}", "active": place % 3 > 0},
        "tags": words[4:8],
        "description": " ".join(words[8:]),
        "temperature": chance.randrange(1, 1000) / 997,
        "runs": chance.randrange(100_000),
        "limit": None,
        "created_at": "2026-01-02T03:04:05.000006Z",
        "updated_at": f"2026-01-02T03:04:{place % 60:02}.{chance.randrange(10**6):06}Z",
    }
