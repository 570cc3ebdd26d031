"""How every process of an application finds the other database of a migration: by a reference without a password.

The reference stands in both databases, for years perhaps. So it is a URL without a password, the name of a settings
environment, or ``env:VARIABLE``. A CouchDB URL that names a user gets that user's password from COUCHDB_PASSWORD.
"""

from typing import Any

from app.db.backend import Backend
from app.db.factory import DatabaseSettings, SettingsOf, backend_of
from app.db.transfer.errors import TransferRefused
from app.db.transfer.references import VARIABLE, masked, open_reference
from app.db.urls import read_url


def check_reference(reference: str, role: str) -> str:
    """The reference, if it may stand in a database; TransferRefused if it holds a password, another WherryError if
    that cannot be told."""
    if ":" in reference and not reference.startswith(VARIABLE) and read_url(reference, role).password:
        raise TransferRefused(
            f"{role} is {masked(reference)}, whose password would stand in both databases: leave it out and set"
            " COUCHDB_PASSWORD, name a settings environment, or put the URL in a variable and say env:VARIABLE."
        )
    return reference


def open_peer(
    reference: str, settings: Any, settings_of: SettingsOf | None, schema: Any = None, **options: Any
) -> tuple[Backend, str]:
    """The database that a reference names, and its name for people. It has not connected yet."""
    found = open_reference(reference, "The other database", settings_of, schema, settings=settings, **options)
    if not isinstance(found.service, Backend):
        raise TransferRefused(f"{found.name} is no database that can be reached directly.")
    return found.service, found.name


def reference_of(settings: DatabaseSettings) -> str:
    """The URL of an application's own database, without a password; "" for one in memory, which nobody else reaches."""
    return backend_of(settings).url_of(settings)
