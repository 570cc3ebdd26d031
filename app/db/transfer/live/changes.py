"""Change records: documents in ``migration_changes`` that say which documents a commit has written.

They are written in the commit that they tell of. They hold keys and no contents: whoever reads them reads the documents
as they are by then, so that records may be read late, twice and in any order.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from secrets import token_hex
from typing import Final

from app.db.backend import Backend
from app.db.errors import Key
from app.db.names import parse_name
from app.db.transfer.collections import CHANGES, is_machinery
from app.db.transfer.live.fences import Fences
from app.db.writes import ABSENT, Check, Delete, Put, Write

_DELETED_AT_ONCE: Final = 100


def keys_of(writes: Iterable[Write]) -> list[Key]:
    """What these writes change of the application's documents."""
    changed = (write for write in writes if not isinstance(write, Check))
    return [
        (write.collection, write.id) for write in changed if not is_machinery(parse_name(write.collection).collection)
    ]


def record_of(keys: Sequence[Key]) -> Put:
    """The change record of these keys."""
    return Put(CHANGES, token_hex(12), {"keys": [list(key) for key in keys]}, ABSENT)


def mark_dirty(service: Backend, fences: Fences, keys: Sequence[Key]) -> None:
    """Let these documents be looked at again. Conflict if the fences are not the present ones."""
    service.commit([record_of(keys), fences.check()])


def read_changes(service: Backend, limit: int, most_keys: int | None = None) -> tuple[list[str], list[Key]]:
    """The ids of up to ``limit`` change records, and the keys that they name, each once.

    No further record is read behind the one with which there are ``most_keys``: that of a bulk write names many.
    """
    ids: list[str] = []
    keys: dict[Key, None] = {}
    for record in islice(service.list_all(CHANGES), limit):
        ids.append(record["_id"])
        keys.update(((path, id), None) for path, id in record["keys"])
        if most_keys is not None and len(keys) >= most_keys:
            break
    return ids, list(keys)


def forget_changes(service: Backend, ids: Sequence[str]) -> None:
    """Delete change records; those that are gone already are fine."""
    for start in range(0, len(ids), _DELETED_AT_ONCE):
        part = ids[start : start + _DELETED_AT_ONCE]
        service.commit([Delete(CHANGES, id) for id in part])


def count_changes(service: Backend, up_to: int) -> tuple[int, bool]:
    """How many change records wait, and whether that is exact."""
    return service.count(CHANGES, (), up_to)
