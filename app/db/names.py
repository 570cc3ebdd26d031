"""Names of collections, tenants and documents, checked once and taken apart.

A collection is named by a path: ``"users"`` belongs to the installation, ``"<tenant>/agents"`` to one tenant.
"""

import re
from typing import NamedTuple

from app.db.errors import InvalidDocument, InvalidQuery

MAX_ID_BYTES = 512
MAX_TENANT_BYTES = 128
# Lower case, because CouchDB allows no other database name; short, because prefixes and suffixes are added to it.
_COLLECTION = re.compile(r"[a-z][a-z0-9_]{0,59}", re.ASCII)


class Name(NamedTuple):
    """A collection's path taken apart. ``tenant`` is "" for a collection of the installation, never otherwise."""

    tenant: str
    collection: str

    @property
    def path(self) -> str:
        """The name as callers write it."""
        return f"{self.tenant}/{self.collection}" if self.tenant else self.collection


def parse_name(path: object) -> Name:
    """Take a collection's path apart; InvalidQuery with the path if it is none."""
    if type(path) is not str:
        raise InvalidQuery(f"a collection is named by text, not {type(path).__name__}", name="collection")
    tenant, slash, collection = path.rpartition("/")
    if slash:
        check_tenant(tenant)
    return Name(tenant, check_collection(collection))


def check_collection(collection: object) -> str:
    """Answer the bare collection name, or raise InvalidQuery: lower-case letters, digits and ``_``, at most 60."""
    if type(collection) is not str or not _COLLECTION.fullmatch(collection) or collection.startswith("sqlite_"):
        raise InvalidQuery(
            "a collection name has 1 to 60 lower-case letters, digits and underscores, beginning with a letter"
            " (and not with sqlite_)",
            name=str(collection)[:80],
        )
    return collection


def check_tenant(tenant: object) -> str:
    """Answer the tenant id, or raise InvalidQuery: 1 to 128 bytes of text without "/" and control characters."""
    if type(tenant) is not str or not tenant:
        raise InvalidQuery("a tenant is required", name="tenant")
    if "/" in tenant or not tenant.isprintable() or len(_utf8(tenant, "tenant")) > MAX_TENANT_BYTES:
        raise InvalidQuery("a tenant id has 1 to 128 printable bytes and no slash", name="tenant")
    return tenant


def check_id(id: object) -> str:
    """Answer the document id, or raise InvalidDocument: 1 to 512 bytes of any text without lone surrogates."""
    if type(id) is not str:
        raise InvalidDocument(f"an id is text, not {type(id).__name__}", path="_id")
    if not id:
        raise InvalidDocument("an id is not empty", path="_id")
    # ASCII text has a byte a character and no surrogates: the usual id needs no encoding to be checked.
    if len(id) > MAX_ID_BYTES or (not id.isascii() and len(_utf8(id, "_id")) > MAX_ID_BYTES):
        raise InvalidDocument(f"an id has at most {MAX_ID_BYTES} bytes", path="_id")
    return id


def can_be_id(text: str) -> bool:
    """Whether any document could have this id; one that could not is as absent as one that nobody stored."""
    try:
        check_id(text)
    except InvalidDocument:
        return False
    return True


def _utf8(text: str, path: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidDocument("a lone surrogate is not text", path=path) from error
