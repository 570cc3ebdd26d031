"""From a name or a URL to a backend: its class is imported when it is chosen, and not before.

Adding a backend is one line in BACKENDS, one file in backends/, and one test file that joins the contract's suite.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import SplitResult

from app.db.backend import Backend
from app.db.metrics import Meter
from app.db.schema import Schema
from app.db.service import DatabaseService
from app.db.transfer.live.routing import RoutedDatabase
from app.db.urls import read_url
from app.errors import WherryError


class Driver(NamedTuple):
    """Where a backend's class is, and what to install when its driver is missing."""

    module: str
    name: str
    install: str


_INSTALL: Final = "in Wherry's folder run 'make run LOCK=all', or pip install '.[{}]'"
BACKENDS: Final = {
    "memory": Driver("app.db.backends.memory", "MemoryDatabase", ""),
    "sqlite": Driver("app.db.backends.sqlite", "SqliteDatabase", ""),
    "couchdb": Driver("app.db.backends.couchdb", "CouchDatabase", _INSTALL.format("couchdb")),
    "firestore": Driver("app.db.backends.firestore", "FirestoreDatabase", _INSTALL.format("firestore")),
    "dynamodb": Driver("app.db.backends.dynamodb", "DynamoDatabase", _INSTALL.format("dynamodb")),
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


SettingsOf = Callable[[str], DatabaseSettings]
"""The settings of an environment by its name; a WherryError in one sentence if there are none."""


def get_database_service(
    settings: DatabaseSettings,
    schema: Schema | None = None,
    *,
    strict: bool = False,
    settings_of: SettingsOf | None = None,
) -> DatabaseService:
    """The service of an application on the database that ``DATABASE_PROVIDER`` chooses; it has not connected yet.

    With ``LIVE_MIGRATION`` it follows the data when that moves to another database, which ``settings_of`` may help to
    find; the data of one process's memory cannot move. DatabaseChoiceError, in one sentence that names the setting, for
    an unknown provider, a missing driver or setting.
    """
    meter = Meter(settings.database_provider.strip().lower()) if settings.database_metrics else None
    if not getattr(settings, "live_migration", True):
        return open_configured(settings, schema, strict=strict, meter=meter)
    from app.db.transfer.live.peers import open_peer, reference_of  # here, as references need this file

    home = open_configured(settings, schema, strict=strict)
    if not home.capabilities.shared:
        return open_configured(settings, schema, strict=strict, meter=meter)

    def open_other(reference: str) -> Backend:
        options = {"strict": strict, "create_missing": home.create_missing, "cursor_secret": home.cursor_secret}
        return open_peer(reference, settings, settings_of, schema, **options)[0]

    # While writes are paused, half of the threads go on reading.
    seats = max(1, getattr(settings, "threads", 8) // 2)
    return RoutedDatabase(home, open_other, reference=reference_of(settings), meter=meter, seats=seats)


def open_configured(
    settings: DatabaseSettings,
    schema: Schema | None = None,
    *,
    strict: bool = False,
    create_missing: bool | None = None,
    cursor_secret: bytes | None = None,
    meter: Meter | None = None,
) -> Backend:
    """The database of the settings itself, wherever the data may have moved. Errors as above."""
    return backend_of(settings).from_settings(
        settings,
        schema,
        create_missing=settings.database_create_missing if create_missing is None else create_missing,
        strict=strict,
        cursor_secret=b"cursor:" + settings.secret_key.encode()[:57] if cursor_secret is None else cursor_secret,
        meter=meter,
    )


def open_database(url: str, schema: Schema | None = None, **options: Any) -> Backend:
    """The service that a URL names, for scripts: ``memory:``, ``sqlite:///relative.db``, ``sqlite:////absolute.db``.

    ``options`` are Backend's. DatabaseChoiceError for a URL that names no backend, another WherryError for one
    that cannot be read; the URL's password is never in a message.
    """
    parts = read_url(url, "The database")
    return backend_named(parts).from_url(parts, schema, **options)


def backend_of(settings: DatabaseSettings) -> type[Backend]:
    """The class that ``DATABASE_PROVIDER`` chooses. DatabaseChoiceError as above."""
    provider = settings.database_provider.strip().lower()
    return _backend_class(provider, f"DATABASE_PROVIDER is {settings.database_provider!r}")


def backend_named(url: SplitResult) -> type[Backend]:
    """The class that a URL's scheme chooses. DatabaseChoiceError as above."""
    return _backend_class(url.scheme.lower(), f"the URL begins with {url.scheme!r}")


def _backend_class(provider: str, chosen: str) -> type[Backend]:
    backend = BACKENDS.get(provider)
    if backend is None:
        raise DatabaseChoiceError(f"{chosen}, but must be one of: {', '.join(BACKENDS)}.")
    try:
        found: type[Backend] = getattr(import_module(backend.module), backend.name)
    except ModuleNotFoundError as error:
        raise DatabaseChoiceError(f"{chosen}, but its driver is missing: {backend.install}.") from error
    return found
