"""The content of ``firestore.indexes.json``: which of Firestore's automatic indexes the layout needs.

Firestore indexes every field of every document by itself. Wherry reads two things in order only: the keys in ``~keys``
and the documents' names. All other fields are exempted, for they would multiply the cost of every write and forbid
large arrays (40,000 index entries a document).
"""

from typing import Any, Final

from app.db.schema import Schema

REGISTRY: Final = "_collections"
KEYS_FIELD: Final = "`~keys`"
_BOTH_WAYS: Final = [{"order": order, "queryScope": "COLLECTION"} for order in ("ASCENDING", "DESCENDING")]


def index_configuration(schema: Schema) -> dict[str, Any]:
    """For ``firebase deploy --only firestore:indexes``. A map's setting holds for the keys within it."""
    overrides: list[dict[str, Any]] = []
    for name in (*sorted(collection.name for collection in schema), REGISTRY):
        overrides.append({"collectionGroup": name, "fieldPath": "*", "indexes": []})
        if name != REGISTRY:
            overrides.append({"collectionGroup": name, "fieldPath": KEYS_FIELD, "indexes": _BOTH_WAYS})
    return {"indexes": [], "fieldOverrides": overrides}
