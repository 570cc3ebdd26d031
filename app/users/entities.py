"""Accounts and the counters that slow down guessing at their passwords. Both belong to the installation."""

from typing import ClassVar, Literal

from pydantic import Field

from app.db.entities import Entity, Timestamp
from app.db.schema import Index

LONGEST_NAME = 100
LONGEST_EMAIL = 254
"""Characters: RFC 5321 allows no longer path (see its erratum 1690)."""


class User(Entity):
    """One person's account. The e-mail address is held by a claim, so that no two accounts share it.

    ``stamp`` is new whenever sessions must end: those that were opened under another one are dead at once, in every
    worker, without anybody looking for them.
    """

    collection: ClassVar[str] = "users"
    scope: ClassVar[Literal["tenant", "installation"]] = "installation"
    indexes: ClassVar[tuple[Index, ...]] = (Index("created_at"),)
    secret: ClassVar[frozenset[str]] = frozenset({"password_hash", "stamp"})

    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    email: str = Field(min_length=3, max_length=LONGEST_EMAIL)
    password_hash: str
    stamp: str
    superuser: bool = False
    disabled: bool = False


class Attempts(Entity):
    """How often something was tried within a window, counted across workers; see throttle.py. The id is a digest."""

    collection: ClassVar[str] = "attempts"
    scope: ClassVar[Literal["tenant", "installation"]] = "installation"
    indexes: ClassVar[tuple[Index, ...]] = (Index("expires_at"),)
    audited: ClassVar[bool] = False

    count: int = 0
    expires_at: Timestamp
