"""The collections that every unit of work writes by itself, beside the entities of the application."""

from typing import Final

from app.db.schema import Collection, Index

AUDIT_INDEXES: Final = (Index("at"), Index("actor_id", "at"), Index("correlation_id", "at"))
AUDIT: Final = "audit"
INSTALLATION_AUDIT: Final = "installation_audit"
CLAIMS: Final = "claims"
INSTALLATION_CLAIMS: Final = "installation_claims"
INSTALLATION_KEYS: Final = "installation_keys"

OWN_COLLECTIONS: Final = (
    Collection(AUDIT, "tenant", AUDIT_INDEXES),
    Collection(INSTALLATION_AUDIT, "installation", AUDIT_INDEXES),
    Collection(CLAIMS, "tenant"),
    Collection(INSTALLATION_CLAIMS, "installation"),
    Collection(INSTALLATION_KEYS, "installation"),
)
