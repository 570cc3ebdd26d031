"""Other libraries doing the same work, each as its own documentation teaches, with the settings that suit it best."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

Document = dict[str, Any]


class Peer(Protocol):
    """One library on one database. Documents go in and come out as plain dictionaries, with their id."""

    title: str
    at_most: int
    """Documents it is given at most, so that its measurement ends."""
    note: str
    """How it differs from what ours does, if it does."""

    def load(self, folder: Path, documents: Iterable[tuple[str, Document]]) -> None: ...
    def get(self, id: str) -> Document: ...
    def put(self, id: str, document: Document) -> None: ...
    def page(self, status: str) -> list[Document]: ...
    def close(self) -> None: ...
