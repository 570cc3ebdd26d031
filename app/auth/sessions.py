"""Sessions on the server; usable without HTTP. The browser's cookie only holds a random token."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_urlsafe

from app.auth.entities import LONGEST_AGENT, UserSession
from app.auth.events import SignedIn
from app.db.errors import Conflict, NotFound, Unavailable
from app.db.query import Query, where
from app.db.unit_of_work import UnitOfWork
from app.users.entities import User

MOST_LISTED = 100


@dataclass(frozen=True, slots=True)
class Timeouts:
    """``idle``: without a request; ``absolute``: since sign-in. ``touch``: how seldom the last request is noted.

    A session may end by ``touch`` too early, never too late.
    """

    idle: timedelta
    absolute: timedelta

    @property
    def touch(self) -> timedelta:
        """A tenth of the idle time-out: for the default of two hours, one write in twelve minutes."""
        return self.idle / 10


def session_id(token: str) -> str:
    """The id of a token's session: somebody who reads the database cannot make a cookie from it."""
    return hashlib.sha256(token.encode()).hexdigest()


class Sessions:
    """Sessions within one unit of work; nothing here commits."""

    def __init__(self, uow: UnitOfWork, timeouts: Timeouts) -> None:
        self.uow = uow
        self.timeouts = timeouts
        self.store = uow.store(UserSession)

    def open(self, user: User, address: str, agent: str) -> str:
        """A new session. Answers its token, which is stored nowhere."""
        token = token_urlsafe(32)
        now = self.uow.clock()
        self.store.add(
            UserSession(
                id=session_id(token),
                user_id=user.id,
                stamp=user.stamp,
                address=address[:64],
                agent=agent[:LONGEST_AGENT],
                last_seen_at=now,
                expires_at=now + self.timeouts.absolute,
            )
        )
        self.uow.emit(SignedIn(user.id))
        return token

    def whose(self, token: str) -> tuple[UserSession, User] | None:
        """The session of a token and its account, if both are good. Reads two documents by key."""
        found = self.store.get_or_none(session_id(token))
        if found is None or not self._in_time(found, self.uow.clock()):
            return None
        user = self.uow.store(User).get_or_none(found.user_id)
        if user is None or user.disabled or user.stamp != found.stamp:
            return None
        return found, user

    def note_seen(self, found: UserSession) -> bool:
        """Write down now and then, in a unit of its own, that the session is in use; whether it did.

        If that fails, the request goes on: reading does not depend on being able to write.
        """
        now = self.uow.clock()
        if abs(now - found.last_seen_at) < self.timeouts.touch:
            return False
        with suppress(Conflict, NotFound, Unavailable), self.uow.independent() as own:
            store = own.store(UserSession)
            latest = store.get(found.id)
            latest.last_seen_at = now
            store.save(latest)
        return True

    def of_user(self, user: User) -> list[UserSession]:
        """Those that are good, the last used first; at most 100."""
        page = self.store.find(
            Query(
                where=(where("user_id").eq(user.id),),
                order_by=("last_seen_at",),
                descending=True,
                limit=MOST_LISTED,
            )
        )
        now = self.uow.clock()
        return [found for found in page.items if found.stamp == user.stamp and self._in_time(found, now)]

    def end(self, id: str, user_id: str) -> None:
        """End one of this person's sessions; NotFound for anybody else's."""
        found = self.store.get(id)
        if found.user_id != user_id:
            raise NotFound(UserSession.collection, id)
        self.store.remove(found)

    def forget(self, id: str) -> None:
        """End a session whoever it belongs to, if it is still there."""
        found = self.store.get_or_none(id)
        if found is not None:
            self.store.remove(found)

    def _in_time(self, found: UserSession, now: datetime) -> bool:
        return now < found.expires_at and now - found.last_seen_at < self.timeouts.idle


def browser_of(agent: str) -> str:
    """ "Firefox on Linux": enough for a person to recognise a session of theirs."""
    browsers = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrom", "Chrome"), ("Safari", "Safari"))
    systems = (
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    )
    browser = next((name for mark, name in browsers if mark in agent), "")
    system = next((name for mark, name in systems if mark in agent), "")
    return " on ".join(part for part in (browser, system) if part) or agent.partition("/")[0][:40] or "Unknown browser"
