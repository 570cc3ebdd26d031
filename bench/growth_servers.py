"""What a page costs one tenant when the others grow, on each of the three servers: see growing.py."""

from collections.abc import Iterator
from pathlib import Path

from bench import growth_couchdb, growth_dynamodb, growth_firestore
from bench.figures import Figure
from bench.harness import Effort


def run(folder: Path, number: int, effort: Effort) -> Iterator[Figure]:
    """Every figure of this group; ``number`` is what the others grow to."""
    for server in (growth_couchdb, growth_firestore, growth_dynamodb):
        yield from server.run(folder, number, effort)
