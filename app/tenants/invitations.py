"""Invitations: a link for one person, made by an admin and handed over by whatever means they like.

The answer to making one is the same whether or not there is an account with that address: whoever may invite learns
nothing about who else uses this installation.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_urlsafe

from app.db.entities import stored_time
from app.db.query import Query, where
from app.db.unit_of_work import UnitOfWork
from app.errors import Invalid, Problem
from app.tenants.entities import Invitation
from app.tenants.members import Members
from app.tenants.services import tenant_of
from app.users.addresses import normalise_email

CLAIM = "invitation"
"""An address has one invitation of a tenant at a time; who is invited twice shall not have two links."""
LIFETIME = timedelta(days=7)
MOST_SWEPT = 20
MOST_OPEN = 200
"""Open invitations of one tenant; further ones are refused until some are used, withdrawn or too old."""


@dataclass(frozen=True, slots=True)
class Link:
    """What an invitation's link carries: the tenant, and the secret whose digest is the invitation's id."""

    tenant_id: str
    secret: str

    @classmethod
    def parse(cls, token: str) -> "Link | None":
        """Read a link's last part; None if it cannot be one."""
        tenant_id, dot, secret = token.partition(".")
        plausible = dot and 8 <= len(tenant_id) <= 64 and 32 <= len(secret) <= 64 and token.isascii()
        return cls(tenant_id, secret) if plausible and token.isprintable() and "/" not in token else None

    def __str__(self) -> str:
        return f"{self.tenant_id}.{self.secret}"

    @property
    def invitation_id(self) -> str:
        """The digest."""
        return hashlib.sha256(self.secret.encode()).hexdigest()


class Invitations:
    """The invitations of the unit of work's tenant."""

    def __init__(self, uow: UnitOfWork, members: Members) -> None:
        self.uow = uow
        self.members = members
        self.store = uow.store(Invitation)

    def open(self) -> list[Invitation]:
        """Those that can still be used, newest first."""
        found = self.store.find(Query(order_by=("created_at",), descending=True, limit=MOST_OPEN))
        now = self.uow.clock()
        return [invitation for invitation in found.items if invitation.expires_at > now]

    def invite(self, email: str, role: str, invited_by: str) -> tuple[Invitation, Link]:
        """Make an invitation; an earlier one to the same address is withdrawn. The link is for who made it."""
        problems: dict[str, list[Problem]] = {}
        address = ""
        try:
            address = normalise_email(email)
        except ValueError as error:
            missing = not email.strip()
            problems["email"] = [
                Problem("required", "An e-mail address is missing.") if missing else Problem("invalid", str(error))
            ]
        given = next((known for known in self.members.may_give() if known == role), None)
        if given is None:
            problems["role"] = [Problem("invalid", "This is not a role that you can give.")]
        if self.store.count((where("expires_at").gt(stored_time(self.uow.clock())),), MOST_OPEN)[0] >= MOST_OPEN:
            problems[""] = [Problem("too_many", "There are too many invitations; withdraw some first.")]
        if problems or given is None:
            raise Invalid(problems)
        self._take_back_earlier(address)
        self._sweep()
        link = Link(tenant_of(self.uow), token_urlsafe(32))
        invitation = Invitation(
            id=link.invitation_id,
            email=address,
            role=given,
            invited_by=invited_by,
            expires_at=self.uow.clock() + LIFETIME,
        )
        self.store.add(invitation)
        self.uow.claim(CLAIM, address, invitation, scope="tenant")
        return invitation, link

    def withdraw(self, invitation_id: str) -> None:
        """Make the link useless; NotFound if there is no such invitation here."""
        self._remove(self.store.get(invitation_id))

    def find(self, link: Link) -> Invitation | None:
        """The invitation of a link if it can still be used."""
        found = self.store.get_or_none(link.invitation_id)
        return found if found is not None and found.expires_at > self.uow.clock() else None

    def accept(self, invitation: Invitation, user_id: str) -> bool:
        """Use it up; the account becomes a member. False if it was one already, with the role it had."""
        self._remove(invitation)
        return self.members.join(user_id, invitation.role)

    def _sweep(self) -> None:
        """Take some of those away that are too old: whoever makes new ones clears up."""
        over = where("expires_at").lt(stored_time(self.uow.clock()))
        query = Query(where=(over,), order_by=("expires_at",), limit=MOST_SWEPT, fields=("expires_at",))
        # Read by key: an index may still list what somebody else has taken away.
        for old in self.store.get_many([row.id for row in self.store.rows(query).items]).values():
            self._remove(old)

    def _take_back_earlier(self, address: str) -> None:
        """The address's former invitation, found by key: an index may not know yet what was made a moment ago."""
        earlier = self.uow.claimed_by(CLAIM, address, scope="tenant")
        if earlier is not None:
            self._remove(self.store.get(earlier))

    def _remove(self, invitation: Invitation) -> None:
        self.store.remove(invitation)
        self.uow.release(CLAIM, invitation.email, invitation, scope="tenant")
