"""From a name or a URL to a backend: its class is imported when it is chosen, and not before.

Adding a backend is one line in BACKENDS, one file in backends/, and one test file that joins the contract's suite.
"""

from importlib import import_module
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

from app.db.backend import Backend
from app.db.metrics import Meter
from app.db.schema import Schema
from app.db.service import DatabaseService
from app.errors import WherryError


class Driver(NamedTuple):
    """Where a backend's class is, and what to install when its driver is missing."""

    module: str
    name: str
    install: str


BACKENDS: Final = {
    "memory": Driver("app.db.backends.memory", "MemoryDatabase", ""),
    "sqlite": Driver("app.db.backends.sqlite", "SqliteDatabase", ""),
    "couchdb": Driver("app.db.backends.couchdb", "CouchDatabase", "pip install wherry[couchdb]"),
    "firestore": Driver("app.db.backends.firestore", "FirestoreDatabase", "pip install wherry[firestore]"),
    "dynamodb": Driver("app.db.backends.dynamodb", "DynamoDatabase", "pip install wherry[dynamodb]"),
}


class DatabaseChoiceError(WherryError):
    """The chosen database cannot be used as it is configured: the sentence names the setting or the URL's part."""


class DatabaseSettings(Protocol):
    """What every backend needs of the settings; each reads its own beside these."""

    @property
    def database_provider(self) -> str: ...
    @property
    def database_create_missing(self) -> bool: ...
    @property
    def database_metrics(self) -> bool: ...
    @property
    def secret_key(self) -> str: ...


def get_database_service(
    settings: DatabaseSettings, schema: Schema | None = None, *, strict: bool = False
) -> DatabaseService:
    """The service that ``DATABASE_PROVIDER`` chooses, in any case; it has not connected yet.

    DatabaseChoiceError, in one sentence that names the setting, for an unknown provider, a missing driver or setting.
    """
    provider = settings.database_provider.strip().lower()
    backend = _backend_class(provider, f"DATABASE_PROVIDER is {settings.database_provider!r}")
    return backend.from_settings(
        settings,
        schema,
        create_missing=settings.database_create_missing,
        strict=strict,
        cursor_secret=b"cursor:" + settings.secret_key.encode()[:57],
        meter=Meter(provider) if settings.database_metrics else None,
    )


def open_database(url: str, schema: Schema | None = None, **options: Any) -> DatabaseService:
    """The service that a URL names, for scripts: ``memory:``, ``sqlite:///relative.db``, ``sqlite:////absolute.db``.

    ``options`` are DatabaseService's. DatabaseChoiceError for a URL that names no backend; the URL's password is never
    in a message.
    """
    parts = urlsplit(url)
    backend = _backend_class(parts.scheme.lower(), f"the URL begins with {parts.scheme!r}")
    return backend.from_url(parts, schema, **options)


def _backend_class(provider: str, chosen: str) -> type[Backend]:
    backend = BACKENDS.get(provider)
    if backend is None:
        raise DatabaseChoiceError(f"{chosen}, but must be one of: {', '.join(BACKENDS)}.")
    try:
        found: type[Backend] = getattr(import_module(backend.module), backend.name)
    except ModuleNotFoundError as error:
        raise DatabaseChoiceError(f"{chosen}, but its driver is missing: {backend.install}.") from error
    return found
