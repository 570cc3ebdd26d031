"""What a verification found, and how it is told as JSON."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from app.db.transfer.digests import Digest
from app.db.transfer.repairing import Repaired
from app.db.transfer.seeking import Difference

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Compared:
    """One collection, of one tenant or of the installation: both digests, and how many documents differ how."""

    path: str
    source: Digest
    target: Digest
    differing: dict[str, int] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether nothing differs: the digests, or else what was found when looking again."""
        return not self.differing


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was found. After a repair it is what was found then, and ``repaired`` what was done before.

    ``settled`` documents differed at first and were equal when they were read again; ``moving`` ones differ, but were
    being written while they were looked at. ``key`` is the digests' (see digests.py).
    """

    created: str
    key: str
    compared: tuple[Compared, ...]
    differences: tuple[Difference, ...]
    settled: int
    moving: int
    seconds: float
    repaired: Repaired | None = None
    repairs: tuple[Difference, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether every document of both sides is equal."""
        return all(one.equal for one in self.compared)

    @property
    def differing(self) -> dict[str, int]:
        """How many documents are missing, extra, different, of another revision only, or unreachable by their id."""
        total: Counter[str] = Counter()
        for one in self.compared:
            total.update(one.differing)
        return dict(total)

    @property
    def documents(self) -> tuple[int, int]:
        """How many the source has, and the target."""
        return sum(one.source.documents for one in self.compared), sum(one.target.documents for one in self.compared)


def to_json(report: VerifyReport) -> dict[str, Any]:
    """The report as it is printed and signed."""
    ours, theirs = report.documents
    return {
        "format": FORMAT,
        "created": report.created,
        "equal": report.equal,
        "documents": {"source": ours, "target": theirs},
        "differing": report.differing,
        "settled": report.settled,
        "moving": report.moving,
        "seconds": round(report.seconds, 3),
        "digest_key": report.key,
        "collections": [
            {
                "path": one.path,
                "equal": one.equal,
                "source": _digest_json(one.source),
                "target": _digest_json(one.target),
                "differing": one.differing,
            }
            for one in report.compared
        ],
        "differences": [one.to_json() for one in report.differences],
        "repaired": None if report.repaired is None else _repaired_json(report.repaired, report.repairs),
    }


def _digest_json(digest: Digest) -> dict[str, Any]:
    return {"documents": digest.documents, "bytes": digest.bytes, "digest": digest.hex}


def _repaired_json(repaired: Repaired, repairs: Sequence[Difference]) -> dict[str, Any]:
    return {
        "written": repaired.written,
        "removed": repaired.removed,
        "newer": repaired.newer,
        "refused": repaired.refused,
        "refusals": [{"path": one.collection, "id": one.id, "reason": one.reason} for one in repaired.refusals],
        "of": [one.to_json() for one in repairs],
    }
