"""A tenant, its members, its owners, and the invitations to it.

Whether somebody may enter is decided by one document that is read by key: ``members/<user id>`` in the tenant itself.
``memberships`` of the installation only answers "which tenants are mine?" and is never asked for a decision.
"""

from typing import ClassVar, Literal

from pydantic import Field

from app.db.entities import Entity, Timestamp
from app.db.schema import Index

Role = Literal["owner", "admin", "member", "viewer"]
ROLES: tuple[Role, ...] = ("owner", "admin", "member", "viewer")
LONGEST_NAME = 100
MOST_FORMER_SLUGS = 20
MOST_OWNERS = 50
Scope = Literal["tenant", "installation"]


class Tenant(Entity):
    """A tenant. Its id is random and never changes; its slug stands in addresses and may.

    Former slugs stay claimed by it for ever: they redirect, and nobody else can ever get one.
    """

    collection: ClassVar[str] = "tenants"
    scope: ClassVar[Scope] = "installation"
    audit_in_tenant: ClassVar[bool] = True

    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    slug: str
    former_slugs: list[str] = Field(default_factory=list, max_length=MOST_FORMER_SLUGS)


class Member(Entity):
    """What one person may do in the tenant. The id is the person's; this alone decides about access."""

    collection: ClassVar[str] = "members"
    indexes: ClassVar[tuple[Index, ...]] = (Index("created_at"), Index("role", "created_at"))

    role: Role


class Owners(Entity):
    """Who owns the tenant, in one document that every change of owners rewrites.

    Two requests that each take one of the last two owners away meet here, and one of them is a Conflict.
    """

    ONLY_ID: ClassVar[str] = "owners"

    collection: ClassVar[str] = "owners"
    audited: ClassVar[bool] = False

    user_ids: list[str] = Field(default_factory=list, max_length=MOST_OWNERS)


class Membership(Entity):
    """For "my tenants" only: one document for each person and tenant, with the id ``<user id>.<tenant id>``."""

    collection: ClassVar[str] = "memberships"
    scope: ClassVar[Scope] = "installation"
    indexes: ClassVar[tuple[Index, ...]] = (Index("user_id", "created_at"),)
    audited: ClassVar[bool] = False

    user_id: str
    tenant_id: str


class Invitation(Entity):
    """A link that lets one person in. The id is the digest of the link's secret, which nobody can read here."""

    collection: ClassVar[str] = "invitations"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index("created_at"),
        Index("expires_at"),
    )

    email: str
    role: Role
    invited_by: str
    expires_at: Timestamp
