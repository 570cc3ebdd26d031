"""SOURCE and TARGET of a transfer: a URL, the name of a settings environment, or ``env:VARIABLE``, which holds a URL.

A message names a reference as ``masked`` shows it: never with a password. Environments are resolved by a function that
is handed in, as settings are the application's and not the database layer's.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from app.db.factory import BACKENDS, SettingsOf, open_configured, open_database
from app.db.schema import Schema
from app.db.service import DatabaseService
from app.db.transfer.errors import TransferRefused
from app.db.urls import problem_of, read_url

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
    couchdb_password: str = "",
    **options: Any,
) -> Opened:
    """The database that a reference names; it has not connected yet.

    ``role`` (SOURCE, TARGET) begins every message. ``couchdb_password`` is for a CouchDB URL that names a user and no
    password. ``options`` are those of open_database. TransferRefused, or the sentence of the settings or the factory,
    for a reference that names none.
    """

    def reached(url: str) -> DatabaseService:
        return _opened(_with_password(url, role, couchdb_password), role, schema, create_missing, options)

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
    settings = settings_of(reference)
    if settings.database_provider == "memory":
        raise TransferRefused(f"{role} is {reference!r}, whose database is in the memory of another process.")
    service = open_configured(settings, schema, create_missing=create_missing, **options)
    return Opened(service, f"{reference} ({settings.database_provider})")


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
    url: str, role: str, schema: Schema | None, create_missing: bool, options: dict[str, Any]
) -> DatabaseService:
    scheme = read_url(url, role).scheme.lower()
    if scheme not in BACKENDS:
        raise TransferRefused(
            f"{role} begins with {scheme + ':' if scheme else masked(url)!r}, but must begin with one of:"
            f" {', '.join(f'{name}:' for name in BACKENDS)}"
        )
    return open_database(url, schema, create_missing=create_missing, **options)


def _with_password(url: str, role: str, password: str) -> str:
    """The URL, with the password if it is a CouchDB's that names a user and none. To ask with a wrong one is worse than
    not to ask: after a few times CouchDB locks the user out, here and wherever else."""
    if not url.lower().startswith("couchdb:"):
        return url
    parts = read_url(url, role)
    if not parts.username or parts.password is not None:
        return url
    if not password:
        raise TransferRefused(
            f"{role} is {masked(url)}, but COUCHDB_PASSWORD is not set, and no password stands there."
        )
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username}:{quote(password, safe='')}@{host}").geturl()


def clearly_same(source: str, target: str, environ: Mapping[str, str] | None = None) -> bool:
    """Whether two references obviously name one database, before it is opened: the same text, one file by two paths,
    one place of one host. False says nothing: identity.py finds out."""
    first, second = (_url_of(reference, environ) for reference in (source, target))
    if first == second:
        return not first.startswith("memory:")
    if problem_of(first) or problem_of(second):
        return False
    one, other = urlsplit(first), urlsplit(second)
    if one.scheme.lower() != other.scheme.lower() or not one.scheme:
        return False
    if one.scheme.lower() == "sqlite":
        return _file_of(one) == _file_of(other)
    places = [(parts.hostname, parts.port, parts.path.rstrip("/"), _options(parts)) for parts in (one, other)]
    return one.scheme.lower() in BACKENDS and one.scheme.lower() != "memory" and places[0] == places[1]


def _url_of(reference: str, environ: Mapping[str, str] | None) -> str:
    if not reference.startswith(VARIABLE):
        return reference
    return (os.environ if environ is None else environ).get(reference.removeprefix(VARIABLE), reference)


def _file_of(parts: SplitResult) -> Path:
    return Path(unquote(parts.path).removeprefix("/")).resolve()


def _options(parts: SplitResult) -> dict[str, str]:
    """What tells apart two databases at one address: Firestore's database, an emulator, an endpoint."""
    asked = dict(parse_qsl(parts.query))
    return {key: asked[key] for key in ("database", "emulator", "endpoint") if key in asked}
