"""Claims: values that are unique (e-mail addresses, slugs, names of deployments) as documents named after them.

A claim's id is a keyed hash of the kind and the value, so it can be any text and does not show in the database; whoever
creates that document first has the value, because a commit expects it to be absent. The claim names its owner. A claim
whose owner is gone is an orphan and may be taken over, under a check that the owner is still absent.

The key is a random document of the installation, made at the first claim. It is not derived from SECRET_KEY: that may
be rotated, and then every claim would be forgotten. It is copied with the data when the database is migrated.

Values are compared exactly: whoever claims says what is the same (``email.lower()``).
"""

import hmac
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Final

import orjson

from app.db.commit_plan import CommitPlan
from app.db.entities import Entity, stored_time
from app.db.errors import Conflict, Key, NotFound
from app.db.own_collections import CLAIMS, INSTALLATION_CLAIMS, INSTALLATION_KEYS
from app.db.schema import CollectionScope
from app.db.writes import ABSENT

if TYPE_CHECKING:
    from app.db.unit_of_work import UnitOfWork

_NAMES: Final[dict[CollectionScope, str]] = {"tenant": CLAIMS, "installation": INSTALLATION_CLAIMS}
KEY: Final = (INSTALLATION_KEYS, CLAIMS)


class Taken(Conflict):
    """A claimed value belongs to somebody else; ``kind`` is the claim's."""

    title = "Already taken"

    def __init__(self, kind: str, key: Key) -> None:
        super().__init__([key])
        self.kind = kind
        self.args = (f"This {kind} is already taken.",)


@dataclass(slots=True)
class _Owner:
    id: str
    path: str


@dataclass(slots=True)
class _Claim:
    """A claim as it is stored (``rev`` None: it is not), and its owner as this unit of work wants it."""

    kind: str
    key: Key
    rev: str | None
    stored: _Owner | None
    owner: _Owner | None
    registered: bool = False
    orphan: _Owner | None = None
    """The former owner, who must still be gone when the claim is taken over."""


class Claims:
    """The claims that one unit of work has looked at or registered."""

    def __init__(self) -> None:
        self._known: dict[Key, _Claim] = {}
        self._secret: bytes | None = None

    @property
    def pending(self) -> bool:
        """Whether a claim or release is registered."""
        return any(claim.registered for claim in self._known.values())

    def claimed_by(self, uow: "UnitOfWork", kind: str, value: str, scope: CollectionScope) -> str | None:
        """The owner's id; None if nobody has the value, or its owner is gone."""
        secret = self._key(uow)
        if secret is None:
            return None  # without a key nothing was ever claimed
        owner = self._look_up(uow, secret, kind, value, scope).owner
        return owner.id if owner is not None and not self._gone(uow, owner) else None

    def claim(self, uow: "UnitOfWork", kind: str, value: str, owner: Entity | str, scope: CollectionScope) -> None:
        """Register that the value is ``owner``'s; Taken now, or at the commit, if it is somebody else's.

        ``owner`` is an entity, or the id of one that this unit has loaded or added. To claim what one has already is
        fine, and to claim what this unit released too.
        """
        wanted = self._owner(uow, owner)
        claim = self._look_up(uow, self._key(uow) or self._new_key(uow), kind, value, scope)
        if claim.owner is not None and claim.owner != wanted:
            if not self._gone(uow, claim.owner):
                raise Taken(kind, claim.key)
            if not self._removed_here(uow, claim.owner):
                claim.orphan = claim.owner
        claim.owner, claim.registered = wanted, True

    def release(self, uow: "UnitOfWork", kind: str, value: str, owner: Entity | str, scope: CollectionScope) -> None:
        """Register that the value is free again, if it is ``owner``'s."""
        secret = self._key(uow)
        if secret is None:
            return
        claim = self._look_up(uow, secret, kind, value, scope)
        id = owner if isinstance(owner, str) else owner.id
        if claim.owner is not None and claim.owner.id == id:
            claim.owner, claim.registered = None, True

    def add_to(self, plan: CommitPlan, at: datetime) -> None:
        """The entries that make it so."""
        for claim in self._known.values():
            path, id = claim.key
            expect = ABSENT if claim.rev is None else claim.rev
            if not claim.registered or (claim.owner is None and claim.rev is None):
                continue
            if claim.owner is None:
                plan.delete(path, id, expect)
            elif claim.owner == claim.stored:
                plan.check(path, id, expect)
            else:
                document = {
                    "kind": claim.kind,
                    "owner": claim.owner.id,
                    "owner_path": claim.owner.path,
                    "claimed_at": stored_time(at),
                }
                plan.put(path, id, document, expect)
            if claim.orphan is not None:
                plan.check(claim.orphan.path, claim.orphan.id, ABSENT)

    def taken_by(self, conflict: Conflict) -> Taken | None:
        """Taken, if the conflict is about nothing but claims."""
        claims = [self._known.get(key) for key in conflict.keys]
        first = claims[0] if claims and all(claims) else None
        return None if first is None else Taken(first.kind, first.key)

    def _look_up(self, uow: "UnitOfWork", secret: bytes, kind: str, value: str, scope: CollectionScope) -> _Claim:
        if not kind or not value:
            raise ValueError("a claim has a kind and a value")
        id = hmac.digest(secret, orjson.dumps([kind, value]), "sha256").hex()
        key = (uow.path(_NAMES[scope], scope), id)
        if key not in self._known:
            try:
                found = uow.service.get(*key)
            except NotFound:
                self._known[key] = _Claim(kind, key, None, None, None)
            else:
                stored = _Owner(found["owner"], found["owner_path"])
                self._known[key] = _Claim(kind, key, found["_rev"], stored, stored)
        return self._known[key]

    def _owner(self, uow: "UnitOfWork", owner: Entity | str) -> _Owner:
        entity = uow.held(owner) if isinstance(owner, str) else owner
        if entity is None:
            raise RuntimeError(f"The owner {owner!r} of a claim is not in this unit of work: load or add it first.")
        return _Owner(entity.id, uow.path(entity.collection, entity.scope))

    def _removed_here(self, uow: "UnitOfWork", owner: _Owner) -> bool:
        return uow.action_on(owner.path, owner.id) == "deleted"

    def _gone(self, uow: "UnitOfWork", owner: _Owner) -> bool:
        action = uow.action_on(owner.path, owner.id)
        if action is not None:
            return action == "deleted"
        try:
            uow.service.get(owner.path, owner.id)
        except NotFound:
            return True
        return False

    def _key(self, uow: "UnitOfWork") -> bytes | None:
        if self._secret is None:
            try:
                self._secret = bytes.fromhex(uow.service.get(*KEY)["key"])
            except NotFound:
                return None
        return self._secret

    def _new_key(self, uow: "UnitOfWork") -> bytes:
        """Not part of the unit's commit: two units that claim their first values at the same time must use one key."""
        key = token_hex(32)
        try:
            uow.service.create(*KEY, {"key": key})
        except Conflict:
            key = uow.service.get(*KEY)["key"]
        self._secret = bytes.fromhex(key)
        return self._secret
