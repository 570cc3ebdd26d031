"""The collections of one prefix and their indexes: the registry's entries, and the keys of the documents.

Firestore orders documents by any field itself, so an index is there when every document has its key (see
index_registry.py for how one is added while others write).
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from app.db.backends.firestore_client import FirestoreClient
from app.db.backends.firestore_codec import KEYS, decode_document, field_path, key_of, put_keys
from app.db.backends.firestore_indexes import REGISTRY
from app.db.backends.firestore_messages import CommitRequest
from app.db.backends.firestore_paths import Paths
from app.db.backends.firestore_reading import Reader
from app.db.backends.firestore_writing import compare_and_swap
from app.db.backends.scan_place import sealed
from app.db.index_registry import Entry, IndexRegistry
from app.db.schema import Index

_FILLED_AT_ONCE: Final = 200
_OLDEST_READ: Final = 30.0
"""Seconds that a look into the past is used for. Firestore allows an hour, in its older documentation a minute."""


class Collections:
    """The registry of one prefix, and this process's view of it. ``end`` is as for Reader."""

    def __init__(
        self,
        client: FirestoreClient,
        paths: Paths,
        reader: Reader,
        end: Callable[[], float],
        *,
        lease: float,
        longest_write: float,
    ) -> None:
        self._client, self._paths, self._reader, self._end = client, paths, reader, end
        self.registry = IndexRegistry(self, lease=lease, longest_write=longest_write)

    def entries(self) -> Iterator[Entry]:
        """Every registered collection."""
        for stored in self._reader.small(REGISTRY):
            yield Entry.decode(stored.name.rpartition("/")[2], stored.fields["entry"].string_value)

    def ping(self) -> None:
        """Ask for an entry that nobody has. Raises the driver's error if nothing answers."""
        self.read_entry("_")

    def read_entry(self, name: str) -> str | None:
        """See RegistryStore."""
        stored = self._reader.one(self._paths.entry(name))
        return None if stored is None else str(stored.fields["entry"].string_value)

    def swap_entry(self, name: str, old: str | None, new: str) -> bool:
        """See RegistryStore."""
        path = self._paths.entry(name)
        request = CommitRequest(database=self._client.root)
        write = request.writes.add()
        write.update.name = path
        write.update.fields["entry"].string_value = new
        if old is None:
            write.current_document.exists = False
        else:
            stored = self._reader.one(path)
            if stored is None or stored.fields["entry"].string_value != old:
                return False
            write.current_document.update_time.CopyFrom(stored.update_time)
        return compare_and_swap(self._client, request, self._end())

    def backfill(self, entry: Entry, added: tuple[Index, ...]) -> None:
        """See RegistryStore. What is written meanwhile has its keys, and is not looked at: whoever always adds
        documents at the end would be followed for ever."""
        after: str | None = None
        read_time, began = None, time.monotonic()
        while True:
            if time.monotonic() - began > _OLDEST_READ:
                read_time, began = None, time.monotonic()
            page, more, read_time = self._reader.scan(entry.name, after, _FILLED_AT_ONCE, read_time)
            for stored in page:
                self.add_keys(stored.name, added, stored)
            if not more:
                return
            after = sealed(*self._paths.place(page[-1].name))

    def add_keys(self, path: str, added: tuple[Index, ...], stored: Any | None = None) -> None:
        """Set a document's keys of these indexes, where they are not right, as long as it is there."""
        while stored is not None or (stored := self._reader.one(path)) is not None:
            request = CommitRequest(database=self._client.root)
            write = request.writes.add()
            write.update.name = path
            put_keys(write.update.fields[KEYS].map_value.fields, decode_document("", stored), added)
            if all(key_of(stored, index.name) == key_of(write.update, index.name) for index in added):
                return
            write.update_mask.field_paths.extend([field_path(KEYS, index.name) for index in added])
            write.current_document.update_time.CopyFrom(stored.update_time)
            if compare_and_swap(self._client, request, self._end()):
                return
            stored = None
