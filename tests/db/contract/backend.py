"""What a backend brings to join the suite."""

from typing import Any, Protocol

from app.db import DatabaseService, Schema


class ContractBackend(Protocol):
    """One test's own database. A fixture named ``backend`` answers a new object for every test.

    It must be possible to pickle the object where ``capabilities.shared`` is true: other processes open it too.
    """

    def open(self, schema: Schema | None = None, **options: Any) -> DatabaseService:
        """A new service on this test's database, which is empty when it is opened for the first time.

        ``options`` are DatabaseService's own (``strict``, ``create_missing``, ``cursor_secret``, ``meter``). Every
        service that is opened leads to the same data where ``capabilities.shared`` is true.
        """
        ...
