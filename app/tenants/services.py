"""What can be done with tenants; usable without HTTP. Members have a file of their own."""

from collections.abc import Iterable

from app.db.query import Query, where
from app.db.unit_of_work import UnitOfWork
from app.errors import Invalid, Problem
from app.tenants.entities import LONGEST_NAME, MOST_FORMER_SLUGS, Member, Membership, Owners, Tenant
from app.tenants.events import TenantCreated
from app.tenants.slugs import random_part, slug_problem, suggest_slug
from app.users.names import name_problems

SLUG_CLAIM = "slug"
MOST_LISTED = 200
"""How many of one person's tenants are listed; more have their own addresses all the same."""
Problems = dict[str, list[Problem]]


class Tenants:
    """Tenants within one unit of work. Every refusal is an Invalid with all problems, by field: name, slug."""

    def __init__(self, uow: UnitOfWork) -> None:
        self.uow = uow
        self.store = uow.store(Tenant)

    def get(self, tenant_id: str, rev: str | None = None) -> Tenant:
        """The tenant, or NotFound; with ``rev``, Conflict unless that is still its revision."""
        return self.store.get(tenant_id, rev)

    def of_user(self, user_id: str) -> list[Tenant]:
        """The tenants of a person, by name; at most 200."""
        found = self.uow.store(Membership).find(
            Query(where=(where("user_id").eq(user_id),), order_by=("created_at",), limit=MOST_LISTED)
        )
        tenants = self.store.get_many([membership.tenant_id for membership in found.items])
        return sorted(tenants.values(), key=lambda tenant: (tenant.name.casefold(), tenant.id))

    def problems(self, name: str, slug: str) -> Problems:
        """Everything that keeps these from becoming a tenant, by field. An empty slug is made from the name."""
        return name_problems(name, LONGEST_NAME) | (self._slug_problems(slug) if slug else {})

    def create(self, name: str, slug: str, owner_id: str) -> Tenant:
        """Register a new tenant with its first owner; ``uow.tenant_id`` is its id.

        The unit of work was opened for an id that no tenant has yet, so that all the new tenant's own documents,
        sample data among them, are in the same commit.
        """
        if problems := self.problems(name, slug):
            raise Invalid(problems)
        tenant = Tenant(id=tenant_of(self.uow), name=name.strip(), slug=slug or self.free_slug(name))
        self.store.add(tenant)
        self.uow.claim(SLUG_CLAIM, tenant.slug, tenant)
        self.uow.store(Owners).add(Owners(id=Owners.ONLY_ID, user_ids=[owner_id]))
        self.uow.store(Member).add(Member(id=owner_id, role="owner"))
        self.uow.store(Membership).add(membership_of(owner_id, tenant.id))
        self.uow.emit(TenantCreated(tenant.id, owner_id))
        return tenant

    def change(self, tenant: Tenant, name: str, slug: str) -> Tenant:
        """A new name, a new slug. The former slug goes on to lead here."""
        problems = name_problems(name, LONGEST_NAME)
        moved = slug != tenant.slug
        returning = slug in tenant.former_slugs
        if moved:
            problems |= self._slug_problems(slug, tenant)
        if moved and not returning and len(tenant.former_slugs) >= MOST_FORMER_SLUGS:
            problems["slug"] = [
                Problem("too_many", f"This tenant has had {MOST_FORMER_SLUGS} other addresses; it can return to those.")
            ]
        if problems:
            raise Invalid(problems)
        tenant.name = name.strip()
        if moved:
            if not returning:
                self.uow.claim(SLUG_CLAIM, slug, tenant)
            former = [old for old in tenant.former_slugs if old != slug]
            tenant.former_slugs, tenant.slug = [*former, tenant.slug], slug
        return self.store.save(tenant)

    def free_slug(self, name: str) -> str:
        """A slug made from the name that nobody has."""
        wanted = suggest_slug(name)
        for candidate in _candidates(wanted):
            if self.uow.claimed_by(SLUG_CLAIM, candidate) is None:
                return candidate
        return f"{wanted}-{random_part()}"

    def _slug_problems(self, slug: str, owner: Tenant | None = None) -> Problems:
        if problem := slug_problem(slug):
            return {"slug": [Problem("invalid", problem)]}
        claimed_by = self.uow.claimed_by(SLUG_CLAIM, slug)
        if claimed_by is not None and (owner is None or claimed_by != owner.id):
            return {"slug": [Problem("taken", "Another tenant has this address, or had it once.")]}
        return {}


def tenant_of(uow: UnitOfWork) -> str:
    """The id of the tenant that a unit of work is bound to; RuntimeError without one, a mistake of the program."""
    if uow.tenant_id is None:
        raise RuntimeError("This unit of work is bound to no tenant.")
    return uow.tenant_id


def membership_of(user_id: str, tenant_id: str) -> Membership:
    """The entry under "my tenants"; its id says which, so that nothing has to look for it."""
    return Membership(id=f"{user_id}.{tenant_id}", user_id=user_id, tenant_id=tenant_id)


def _candidates(wanted: str) -> Iterable[str]:
    yield wanted
    yield from (f"{wanted}-{number}" for number in range(2, 6))
