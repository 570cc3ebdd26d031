"""The tenant-bound view of a DatabaseService: application code never writes a tenant into a path.

On a TenantDatabase ``"agents"`` means that tenant's agents. A name with a slash is refused, so no value that comes from
outside can lead to another tenant.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from app.db.documents import Document
from app.db.names import check_collection, check_tenant
from app.db.query import Condition, Page, Query
from app.db.service import DatabaseService
from app.db.writes import Outcome, Saved, Write

TENANTS = "tenants"


def open_tenant(service: DatabaseService, tenant_id: str) -> "TenantDatabase":
    """The view of a tenant that exists; NotFound for an unknown one, InvalidQuery for an empty one."""
    check_tenant(tenant_id)
    service.get(TENANTS, tenant_id)
    return TenantDatabase(service, tenant_id)


class TenantDatabase:
    """One tenant's documents; every method is DatabaseService's, with the bare collection name."""

    def __init__(self, service: DatabaseService, tenant_id: str) -> None:
        self._service = service
        self.tenant_id = check_tenant(tenant_id)
        self._paths: dict[str, str] = {}

    def path(self, collection: str) -> str:
        """The full path of one of the tenant's collections; InvalidQuery for anything but a bare name."""
        try:
            return self._paths[collection]
        except (KeyError, TypeError):
            path = self._paths[collection] = f"{self.tenant_id}/{check_collection(collection)}"
            return path

    def get(self, collection: str, id: str) -> Document:
        """See DatabaseService.get."""
        return self._service.get(self._paths.get(collection) or self.path(collection), id)

    def get_many(self, collection: str, ids: Iterable[str]) -> dict[str, Document]:
        """See DatabaseService.get_many."""
        return self._service.get_many(self.path(collection), ids)

    def read_together(self, keys: Sequence[tuple[str, str]]) -> list[Document | None]:
        """See DatabaseService.read_together."""
        return self._service.read_together([(self.path(collection), id) for collection, id in keys])

    def list_all(self, collection: str) -> Iterator[Document]:
        """See DatabaseService.list_all."""
        return self._service.list_all(self.path(collection))

    def query(self, collection: str, query: Query) -> Page:
        """See DatabaseService.query."""
        return self._service.query(self._paths.get(collection) or self.path(collection), query)

    def count(self, collection: str, where: tuple[Condition, ...] = (), up_to: int = 1_000) -> tuple[int, bool]:
        """See DatabaseService.count."""
        return self._service.count(self.path(collection), where, up_to)

    def save(self, collection: str, id: str, document: Document) -> Saved:
        """See DatabaseService.save."""
        return self._service.save(self._paths.get(collection) or self.path(collection), id, document)

    def create(self, collection: str, id: str, document: Document) -> Saved:
        """See DatabaseService.create."""
        return self._service.create(self.path(collection), id, document)

    def delete(self, collection: str, id: str, rev: str | None = None) -> None:
        """See DatabaseService.delete."""
        self._service.delete(self.path(collection), id, rev)

    def update(self, collection: str, id: str, change: Callable[[Document], Document]) -> Document:
        """See DatabaseService.update."""
        return self._service.update(self.path(collection), id, change)

    def commit(self, writes: Sequence[Write]) -> list[Saved | None]:
        """See DatabaseService.commit; every entry is in this tenant."""
        return self._service.commit([replace(write, collection=self.path(write.collection)) for write in writes])

    def write_batch(
        self,
        collection: str,
        documents: Iterable[Document],
        keep_revisions: bool = False,
        only_newer: bool = False,
    ) -> list[Outcome]:
        """See DatabaseService.write_batch."""
        return self._service.write_batch(self.path(collection), documents, keep_revisions, only_newer)
