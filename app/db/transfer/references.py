"""SOURCE and TARGET of a transfer: a URL, the name of a settings environment, or ``env:VARIABLE``, which holds a URL.

A message names a reference as ``masked`` shows it: never with a password. Environments are resolved by a function that
is handed in, as settings are the application's and not the database layer's.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from app.db.factory import (
    BACKENDS,
    DatabaseChoiceError,
    SettingsOf,
    backend_named,
    backend_of,
    open_configured,
)
from app.db.schema import Schema
from app.db.service import DatabaseService
from app.db.transfer.errors import TransferRefused
from app.db.urls import problem_of, read_url
from app.errors import WherryError

ENVIRONMENTS: Final = ("development", "testing", "production")
VARIABLE: Final = "env:"
_SECRET_OPTIONS: Final = frozenset({"password", "secret", "token", "key"})


@dataclass(frozen=True, slots=True)
class Opened:
    """A database of a transfer: the service, and its name as messages may show it."""

    service: DatabaseService
    name: str


def open_reference(
    reference: str,
    role: str,
    settings_of: SettingsOf | None = None,
    schema: Schema | None = None,
    *,
    create_missing: bool = False,
    environ: Mapping[str, str] | None = None,
    settings: Any = None,
    **options: Any,
) -> Opened:
    """The database that a reference names; it has not connected yet.

    ``role`` (SOURCE, TARGET) begins every message. ``settings`` are the application's own, for the password that a
    URL leaves out. ``options`` are those of open_database. TransferRefused, or the sentence of the settings or the
    factory, for a reference that names none.
    """

    def reached(url: str) -> DatabaseService:
        return _opened(url, role, settings, schema, create_missing, options)

    if reference.startswith(VARIABLE):
        variable = reference.removeprefix(VARIABLE)
        url = (os.environ if environ is None else environ).get(variable, "")
        if not url:
            raise TransferRefused(f"{role} is {reference}, but the variable {variable!r} is not set.")
        return Opened(reached(url), f"{reference} ({masked(url)})")
    if ":" in reference:
        return Opened(reached(reference), masked(reference))
    if reference not in ENVIRONMENTS or settings_of is None:
        raise TransferRefused(
            f"{role} is {reference!r}, which is neither a URL ({', '.join(f'{name}:' for name in BACKENDS)}...)"
            f" nor an environment of the settings ({', '.join(ENVIRONMENTS)})."
        )
    chosen = settings_of(reference)
    if not backend_of(chosen).capabilities.shared:
        raise TransferRefused(f"{role} is {reference!r}, whose database is in the memory of another process.")
    service = open_configured(chosen, schema, create_missing=create_missing, **options)
    return Opened(service, f"{reference} ({chosen.database_provider})")


def masked(reference: str) -> str:
    """A reference as messages may show it: without a password, and without what an option may hide."""
    if ":" not in reference or reference.startswith(VARIABLE):
        return reference
    try:
        parts = urlsplit(reference)
    except ValueError:
        return "a URL that cannot be read"
    if problem_of(reference):
        return f"{parts.scheme}://***"  # which part is the password is not known
    place = parts.netloc
    if "@" in place:
        user, _, host = place.rpartition("@")
        place = f"{user.partition(':')[0]}:***@{host}" if ":" in user else place
    query = urlencode(
        [(key, "***" if key.lower() in _SECRET_OPTIONS else value) for key, value in parse_qsl(parts.query)]
    )
    slashes = "//" if place or parts.path else ""
    return f"{parts.scheme}:{slashes}{place}{parts.path}" + (f"?{query}" if query else "")


def _opened(
    url: str, role: str, settings: Any, schema: Schema | None, create_missing: bool, options: dict[str, Any]
) -> DatabaseService:
    parts = read_url(url, role)
    scheme = parts.scheme.lower()
    if scheme not in BACKENDS:
        raise TransferRefused(
            f"{role} begins with {scheme + ':' if scheme else masked(url)!r}, but must begin with one of:"
            f" {', '.join(f'{name}:' for name in BACKENDS)}"
        )
    backend = backend_named(parts)
    try:
        whole = backend.with_password(parts, settings)
    except WherryError as error:
        raise TransferRefused(f"{role} is {masked(url)}, but {error}") from error
    return backend.from_url(whole, schema, create_missing=create_missing, **options)


def clearly_same(source: str, target: str, environ: Mapping[str, str] | None = None) -> bool:
    """Whether two references obviously name one database, before it is opened: the same text, one file by two paths,
    one place of one host. False says nothing: identity.py finds out."""
    first, second = (_url_of(reference, environ) for reference in (source, target))
    if ":" not in first + second:
        return first == second
    if problem_of(first) or problem_of(second):
        return False
    one, other = urlsplit(first), urlsplit(second)
    if one.scheme.lower() != other.scheme.lower():
        return False
    try:
        backend = backend_named(one)
    except DatabaseChoiceError:
        return False
    return backend.place_of(one) == backend.place_of(other)


def _url_of(reference: str, environ: Mapping[str, str] | None) -> str:
    if not reference.startswith(VARIABLE):
        return reference
    return (os.environ if environ is None else environ).get(reference.removeprefix(VARIABLE), reference)
