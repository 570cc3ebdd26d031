"""The collections of the machinery: ``migration_...``, of the installation, in source and target.

They are never copied, verified, dumped or captured. Transfer commands prepare those that they use; an application that
carries nothing over has none of them.
"""

from typing import Final

from app.db.names import check_collection
from app.db.schema import Collection, Schema

PREFIX: Final = "migration_"

STATE: Final = "migration_state"
"""``identity`` (see identity.py); of a live migration ``current``, ``run``, ``command`` and ``backfill``."""
CHECKPOINTS: Final = "migration_checkpoints"
"""In a target: how far each copy has come (see checkpoints.py)."""
SCRATCH: Final = "migration_scratch"
"""Documents that a plan's sample writes to see how long it takes; removed at once."""
CHANGES: Final = "migration_changes"
"""Which documents were written while a live migration runs."""
FENCES: Final = "migration_fences"
"""What a live migration's writers check, so that a late one is refused."""
WORKERS: Final = "migration_workers"
"""The processes that a live migration has seen."""
STEPS: Final = "migration_steps"
"""Which numbered changes to stored documents were made."""

MIGRATION_SCHEMA: Final = Schema(
    Collection(name, "installation") for name in (STATE, CHECKPOINTS, SCRATCH, CHANGES, FENCES, WORKERS, STEPS)
)


def is_machinery(collection: str) -> bool:
    """Whether a bare collection name belongs to the machinery."""
    return collection.startswith(PREFIX)


def machinery(*names: str) -> Schema:
    """The declarations of some of the machinery's collections, to prepare no more than is used."""
    return Schema(declared for name in names if (declared := MIGRATION_SCHEMA.get(check_collection(name))) is not None)
