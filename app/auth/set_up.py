"""The first start: one link, printed on the terminal, makes the first account and tenant; usable without HTTP."""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_urlsafe

from app.auth.entities import SetUp, SetUpLink
from app.db.entities import new_id
from app.db.unit_of_work import UnitOfWork
from app.errors import Invalid
from app.tenants.entities import Tenant
from app.tenants.services import Tenants
from app.users.entities import User
from app.users.events import UserCreated
from app.users.services import Accounts, act_as

MOST_LINKS = 5
"""Links that are good at the same time: each start of a server prints one, and must not make the last one useless."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the set-up page asks for. An empty slug is made from the tenant's name."""

    name: str
    email: str
    password: str
    tenant_name: str
    slug: str
    sample: bool


class SetUps:
    """The first start within one unit of work; nothing here commits."""

    def __init__(self, uow: UnitOfWork) -> None:
        self.uow = uow
        self.store = uow.store(SetUp)

    def new_link(self, lifetime: timedelta) -> str | None:
        """A new token; only its digest is stored. None once an account exists."""
        if not self.needed():
            return None
        now = self.uow.clock()
        token = token_urlsafe(32)
        link = SetUpLink(digest=_digest(token), expires_at=now + lifetime)
        found = self.store.get_or_none(SetUp.ONLY_ID)
        if found is None:
            self.store.add(SetUp(id=SetUp.ONLY_ID, links=[link]))
        else:
            good = [old for old in found.links if old.expires_at > now]
            found.links = [*good[-(MOST_LINKS - 1) :], link]
            self.store.save(found)
        return token

    def needed(self) -> bool:
        """Whether there is no account yet."""
        found = self.store.get_or_none(SetUp.ONLY_ID)
        if found is not None and found.completed_at is not None:
            return False
        # The document may be missing where data was restored from a copy: then the accounts themselves say it.
        return self.uow.store(User).none_at_all()

    def accepts(self, token: str) -> bool:
        """Whether a link can be used now. Reading this uses nothing up."""
        found = self.store.get_or_none(SetUp.ONLY_ID)
        if found is None or found.completed_at is not None:
            return False
        digest, now = _digest(token), self.uow.clock()
        return any(hmac.compare_digest(link.digest, digest) and link.expires_at > now for link in found.links)

    def carry_out(
        self, accounts: Accounts, wanted: Wanted, sample_data: Sequence[Callable[[UnitOfWork], None]]
    ) -> tuple[User, Tenant]:
        """Register the account (superuser, owner), its tenant and sample data; Invalid with all problems at once.

        The unit of work must not belong to a tenant yet, and is the new person's afterwards. Of two at the same time
        one is a Conflict: both rewrite the one SetUp document.
        """
        self.uow.bind_tenant(new_id())
        tenants = Tenants(self.uow)
        problems = accounts.problems(wanted.name, wanted.email, wanted.password)
        for field, found in tenants.problems(wanted.tenant_name, wanted.slug).items():
            problems[{"name": "tenant_name"}.get(field, field)] = found
        if problems:
            raise Invalid(problems)
        user = accounts.create(wanted.name, wanted.email, wanted.password, superuser=True)
        act_as(self.uow, user)  # what the modules add as sample data belongs to whoever sets up
        tenant = tenants.create(wanted.tenant_name, wanted.slug, user.id)
        if wanted.sample:
            for provide in sample_data:
                provide(self.uow)
        return user, tenant


def complete_set_up(event: UserCreated, uow: UnitOfWork) -> None:
    """During the commit of any new account: from now on no set-up link works."""
    store = uow.store(SetUp)
    found = store.get_or_none(SetUp.ONLY_ID)
    if found is None:
        store.add(SetUp(id=SetUp.ONLY_ID, completed_at=uow.clock()))
    elif found.completed_at is None:
        found.links, found.completed_at = [], uow.clock()
        store.save(found)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
