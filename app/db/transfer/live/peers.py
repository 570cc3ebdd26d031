"""How every process of an application finds the other database of a migration: by a reference without a password.

The reference stands in both databases, for years perhaps. So it is a URL without a password, the name of a settings
environment, or ``env:VARIABLE``. A CouchDB URL that names a user gets that user's password from COUCHDB_PASSWORD.
"""

from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from app.db.backend import Backend
from app.db.factory import SettingsOf
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
    password = getattr(settings, "couchdb_password", "")
    found = open_reference(reference, "The other database", settings_of, schema, couchdb_password=password, **options)
    if not isinstance(found.service, Backend):
        raise TransferRefused(f"{found.name} is no database that can be reached directly.")
    return found.service, found.name


def reference_of(settings: Any) -> str:
    """The URL of an application's own database, without a password; "" for one in memory, which nobody else reaches."""
    match settings.database_provider:
        case "sqlite":
            options = {"durability": settings.sqlite_durability, "busy_timeout": f"{settings.sqlite_busy_timeout:g}"}
            return f"sqlite:///{quote(str(settings.sqlite_path))}?{urlencode(options)}"
        case "couchdb":
            url = urlsplit(settings.couchdb_url)
            user = f"{quote(settings.couchdb_user, safe='')}@" if settings.couchdb_user else ""
            query = "&".join(part for part in (url.query, "tls=1" if url.scheme == "https" else "") if part)
            base = url.path.rstrip("/")
            return f"couchdb://{user}{url.netloc}{base}/{settings.couchdb_prefix}" + (f"?{query}" if query else "")
        case "firestore":
            options = {"emulator": settings.firestore_emulator, "credentials": settings.firestore_credentials}
            query = urlencode({key: value for key, value in options.items() if value})
            return f"firestore://{settings.firestore_project}/{settings.firestore_prefix}" + (
                f"?{query}" if query else ""
            )
        case "dynamodb":
            query = urlencode({"endpoint": settings.dynamodb_endpoint} if settings.dynamodb_endpoint else {})
            return f"dynamodb://{settings.dynamodb_region}/{settings.dynamodb_prefix}" + (f"?{query}" if query else "")
    return ""
