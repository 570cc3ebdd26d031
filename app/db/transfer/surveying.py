"""One collection of a source, read once: how much there is, whose, and what of it is outside the contract."""

import time
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.db.capabilities import CollectionInfo
from app.db.documents import Document
from app.db.names import parse_name
from app.db.schema import CollectionScope
from app.db.service import DatabaseService
from app.db.transfer.comparing import unfit
from app.db.transfer.pacing import Patience
from app.db.transfer.paged_reading import stretches
from app.db.transfer.progress import Progress
from app.db.transfer.rejections import SHOWN, Rejected
from app.db.transfer.sampling import Sample
from app.db.transfer.writing import unfit_path

_CHUNK = 1_000


@dataclass(slots=True)
class Survey:
    """What a collection holds. ``bytes`` of JSON; ``largest`` is the document with the most of them. ``unfit``
    documents cannot be carried over, the first 20 are in ``examples``. ``seconds`` reading took."""

    name: str
    scope: CollectionScope
    documents: int = 0
    bytes: int = 0
    tenants: int = 0
    largest: tuple[str, str, int] | None = None
    unfit: int = 0
    examples: list[Rejected] = field(default_factory=list)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        largest = None
        if self.largest is not None:
            largest = dict(zip(("collection", "id", "bytes"), self.largest, strict=True))
        return {
            "name": self.name,
            "scope": self.scope,
            "documents": self.documents,
            "bytes": self.bytes,
            "tenants": self.tenants,
            "largest": largest,
            "unfit": self.unfit,
            "examples": [one._asdict() for one in self.examples],
        }


def survey(
    source: DatabaseService,
    collection: CollectionInfo,
    tenants: tuple[str, ...] | None,
    patience: Patience,
    sample: Sample,
    progress: Progress,
) -> Survey:
    """Read a collection, or some tenants' part of it, in constant memory but for the tenants' names."""
    found = Survey(collection.name, collection.scope)
    seen: set[str] = set()
    began = time.monotonic()
    for stretch in stretches(source, collection, tenants, None, _CHUNK, patience):
        found.seconds += time.monotonic() - began
        for path, document in stretch.documents:
            _look(found, path, document, collection, sample)
            seen.add(path)
        progress.advance(len(stretch.documents), stretch.bytes)
        began = time.monotonic()
    found.tenants = len({parse_name(path).tenant for path in seen if unfit_path(path, collection) is None} - {""})
    return found


def _look(found: Survey, path: str, document: Document, collection: CollectionInfo, sample: Sample) -> None:
    size = _size(document)
    found.documents += 1
    found.bytes += size
    id = str(document.get("_id", ""))
    if found.largest is None or size > found.largest[2]:
        found.largest = (path, id, size)
    refusal = unfit_path(path, collection) or unfit(document)
    if refusal is None:
        sample.offer(document, size)
        return
    found.unfit += 1
    if len(found.examples) < SHOWN:
        found.examples.append(Rejected(path, id, str(refusal)))


def _size(document: Document) -> int:
    try:
        return len(orjson.dumps(document))
    except orjson.JSONEncodeError:
        return len(repr(document))
