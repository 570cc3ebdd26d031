"""Copying: every document of a source that is missing in a target, or older there, in bulk and resumable."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

from app.db.schema import Schema
from app.db.service import DatabaseService
from app.db.transfer.progress import Progress

Policy = Literal["newer", "source"]
SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """How a copy is made.

    ``collections`` and ``tenants`` narrow it (None: all; documents of the installation go with None only). ``workers``
    write at the same time. ``rate`` is at most so many documents a second. ``policy``: "newer" never undoes a newer
    write of the target, "source" lets the source win. ``chunk`` is the most documents in one bulk write. ``patience``
    are the seconds for which a database that does not answer is tried again. ``rejects`` is the file for documents that
    do not fit.
    """

    collections: tuple[str, ...] | None = None
    tenants: tuple[str, ...] | None = None
    workers: int = 2
    rate: float | None = None
    dry_run: bool = False
    policy: Policy = "newer"
    chunk: int = 2_000
    into_existing: bool = False
    patience: float = 60.0
    rejects: Path | None = None
    resume: bool = True


class Rejected(NamedTuple):
    """A document that was left out, and why."""

    collection: str
    """The path."""
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What became of it. ``kept``: the target had the same revision or a newer one. ``rejections``: the first 20 of
    ``rejected``. ``bytes`` are those of the documents' JSON, copied and kept. ``resumed``: it went on with an earlier
    one, whose numbers are not counted again."""

    copied: int
    kept: int
    rejected: int
    rejections: tuple[Rejected, ...]
    bytes: int
    seconds: float
    resumed: bool


def copy(
    source: DatabaseService,
    target: DatabaseService,
    options: CopyOptions,
    progress: Progress,
    schema: Schema | None = None,
) -> CopyReport:
    """Carry the documents of ``source`` over into ``target``; ``schema`` is what the application declares (default:
    the target service's own).

    TransferRefused before anything moves: the same database twice, a target with other data, another version.
    Unavailable when a database did not answer for ``patience`` seconds: a later call goes on where this one was. A
    document that the target refuses is reported, and the rest goes on.
    """
    raise NotImplementedError
