"""Where things lie in a Firestore database.

``<prefix>/db/<collection>/<id>`` for the installation, ``<prefix>/db/tenants/<tenant>/<collection>/<id>`` for a tenant,
``<prefix>/db/_collections/<collection>`` for what app/db/index_registry.py knows.
"""

from dataclasses import dataclass

from app.db.backends.firestore_codec import decode_id, encode_id
from app.db.backends.firestore_indexes import REGISTRY
from app.db.backends.scan_place import no_place, opened
from app.db.names import MAX_ID_BYTES, MAX_TENANT_BYTES, Name


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths below ``root``, the document that everything of one prefix lies under."""

    root: str

    def parent(self, name: Name) -> str:
        """What a collection lies in."""
        return f"{self.root}/tenants/{encode_id(name.tenant)}" if name.tenant else self.root

    def document(self, name: Name, id: str) -> str:
        """Where a document is."""
        return f"{self.parent(name)}/{name.collection}/{encode_id(id)}"

    def entry(self, collection: str) -> str:
        """Where the registry's entry of a collection is."""
        return f"{self.root}/{REGISTRY}/{collection}"

    def place(self, path: str) -> tuple[str, str]:
        """The tenant ("" for the installation) and the id of a document's path."""
        steps = path.removeprefix(self.root + "/").split("/")
        return (decode_id(steps[1]) if len(steps) == 4 else "", decode_id(steps[-1]))


def document_behind(paths: Paths, collection: str, after: str) -> str:
    """The path of the document that a scan goes on behind. InvalidQuery for a text that no scan has given."""
    tenant, id = opened(after)
    if not (0 < len(id.encode()) <= MAX_ID_BYTES and len(tenant.encode()) <= MAX_TENANT_BYTES):
        raise no_place()  # Firestore would refuse the path
    return paths.document(Name(tenant, collection), id)
