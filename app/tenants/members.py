"""Who belongs to a tenant, and as what; usable without HTTP.

Admins look after admins, members and viewers. Only an owner makes or unmakes an owner, and the last one stays.
"""

from dataclasses import dataclass

from app.db.errors import NotFound
from app.db.query import Query
from app.db.unit_of_work import UnitOfWork
from app.errors import Invalid, NotAllowed, Problem
from app.tenants.entities import MOST_OWNERS, ROLES, Member, Membership, Owners, Role
from app.tenants.events import MemberJoined, MemberLeft
from app.tenants.services import membership_of, tenant_of
from app.users.entities import User


@dataclass(frozen=True, slots=True)
class Person:
    """A member with the name and address of the account; both empty if the account is gone."""

    id: str
    name: str
    email: str
    disabled: bool
    role: Role
    member: Member


@dataclass(frozen=True, slots=True)
class People:
    """A page of members and the cursor of the next."""

    items: list[Person]
    cursor: str | None


class Members:
    """The members of the unit of work's tenant. ``by`` is the role of who acts; None for an operator, who may all."""

    def __init__(self, uow: UnitOfWork, by: str | None = None) -> None:
        self.uow = uow
        self.by = by
        self.store = uow.store(Member)

    def page(self, query: Query) -> People:
        """A page of members with their accounts."""
        found = self.store.find(query)
        users = self.uow.store(User).get_many([member.id for member in found.items])
        return People([_person(member, users.get(member.id)) for member in found.items], found.cursor)

    def get(self, user_id: str) -> Person:
        """One member; NotFound for whoever is none, whether or not there is such an account."""
        member = self.store.get(user_id)
        return _person(member, self.uow.store(User).get_or_none(user_id))

    def find(self, user_id: str) -> Person | None:
        """One member, or None for whoever is none."""
        if self.store.get_or_none(user_id) is None:
            return None
        return self.get(user_id)

    def may_give(self) -> tuple[Role, ...]:
        """The roles that who acts may give and take."""
        return ROLES if self.by in (None, "owner") else ROLES[1:]

    def join(self, user_id: str, role: Role) -> bool:
        """Make an account a member; False, and no change, if it is one already: its role stays."""
        if self.store.get_or_none(user_id) is not None:
            return False
        tenant_id = tenant_of(self.uow)
        self.store.add(Member(id=user_id, role=role))
        self.uow.store(Membership).add(membership_of(user_id, tenant_id))
        if role == "owner":
            self._own(user_id)
        self.uow.emit(MemberJoined(tenant_id, user_id, role))
        return True

    def change_role(self, user_id: str, role: str, rev: str | None = None) -> Person:
        """Give a member another role. ``rev`` is the revision that who acts has seen; Conflict if it is another now.

        NotAllowed comes first: who may not change this member learns nothing from the revision.
        """
        self._may_touch(self.store.get(user_id))
        member = self.store.get(user_id, rev)
        wanted = self._role(role)
        if wanted != member.role:
            if member.role == "owner":
                self._disown(user_id)
            elif wanted == "owner":
                self._own(user_id)
            member.role = wanted
            self.store.save(member)
        return self.get(user_id)

    def remove(self, user_id: str) -> None:
        """Take a member out."""
        member = self.store.get(user_id)
        self._may_touch(member)
        self._take_out(member)

    def leave(self, user_id: str) -> None:
        """Somebody goes of their own will; everybody may, but for the last owner."""
        self._take_out(self.store.get(user_id))

    def _take_out(self, member: Member) -> None:
        if member.role == "owner":
            self._disown(member.id)
        tenant_id = tenant_of(self.uow)
        self.store.remove(member)
        memberships = self.uow.store(Membership)
        entry = memberships.get_or_none(membership_of(member.id, tenant_id).id)
        if entry is not None:
            memberships.remove(entry)
        self.uow.emit(MemberLeft(tenant_id, member.id))

    def _role(self, role: str) -> Role:
        for known in self.may_give():
            if known == role:
                return known
        raise Invalid({"role": [Problem("invalid", "This is not a role that you can give.")]})

    def _may_touch(self, member: Member) -> None:
        if member.role not in self.may_give():
            raise NotAllowed("Only an owner can change or remove an owner.")

    def _owners(self) -> Owners:
        owners = self.uow.store(Owners).get_or_none(Owners.ONLY_ID)
        if owners is None:
            raise NotFound(Owners.collection, Owners.ONLY_ID)
        return owners

    def _own(self, user_id: str) -> None:
        owners = self._owners()
        if len(owners.user_ids) >= MOST_OWNERS:
            raise Invalid({"role": [Problem("too_many", f"A tenant has at most {MOST_OWNERS} owners.")]})
        owners.user_ids = [*(known for known in owners.user_ids if known != user_id), user_id]
        self.uow.store(Owners).save(owners)

    def _disown(self, user_id: str) -> None:
        owners = self._owners()
        left = [known for known in owners.user_ids if known != user_id]
        if not left:
            raise Invalid({"": [Problem("last_owner", "A tenant always has an owner. Make somebody else one first.")]})
        owners.user_ids = left
        self.uow.store(Owners).save(owners)


def _person(member: Member, user: User | None) -> Person:
    name, email, disabled = (user.name, user.email, user.disabled) if user else ("", "", False)
    return Person(member.id, name, email, disabled, member.role, member)
