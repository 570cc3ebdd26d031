"""Counts tries across all workers, in the database, so that guessing is slow everywhere at once.

A try is counted before it is answered, in a unit of work of its own: fifty requests at the same moment are fifty tries,
and a request that fails or is rolled back was still one. The window begins with the first try and ends by itself; tries
that are refused do not make it longer, so nobody is locked out for good.
"""

import hashlib
import ipaddress
import random
import time
from dataclasses import dataclass
from datetime import timedelta

from app.db.errors import Conflict
from app.db.unit_of_work import UnitOfWork
from app.errors import TooManyAttempts
from app.users.entities import Attempts

ROUNDS = 40
"""How often a try is counted anew when others count at the same moment; after that it is refused as one too many."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``most`` tries of ``kind`` on one subject in ``window`` seconds."""

    kind: str
    most: int
    window: int


def count_tries(uow: UnitOfWork, *tries: tuple[Limit, str]) -> None:
    """Count one more try for each (limit, subject); TooManyAttempts with the longest wait if one had enough already.

    A try that is refused is not counted anywhere.
    """
    for round in range(ROUNDS):
        try:
            wait = _count(uow, tries)
        except Conflict:
            # Another worker counted at this moment: step aside for a random moment, then count on top of it.
            time.sleep(random.uniform(0.001, 0.004 * (round + 1)))  # noqa: S311 - no secret
        else:
            if wait is not None:
                raise TooManyAttempts("Too many tries. Wait, then try again.", retry_after=wait)
            return
    raise TooManyAttempts("There are too many tries at this moment.", retry_after=1.0)


def settle_tries(
    uow: UnitOfWork, *, forget: tuple[Limit, str] | None = None, give_back: tuple[Limit, str] | None = None
) -> None:
    """After success: forget all tries on one subject, take the last one of another back.

    If others keep counting at the same moment the tries stay counted, which is the safe side.
    """
    for _ in range(ROUNDS):
        try:
            with uow.independent() as own:
                store = own.store(Attempts)
                if forget is not None and (found := store.get_or_none(_key(*forget))) is not None:
                    store.remove(found)
                if give_back is not None and (found := store.get_or_none(_key(*give_back))) is not None:
                    found.count = max(0, found.count - 1)
                    store.save(found)
        except Conflict:
            continue
        return


def _count(uow: UnitOfWork, tries: tuple[tuple[Limit, str], ...]) -> float | None:
    """None if all were counted, else the wait in seconds; nothing is counted then."""
    waits = []
    with uow.independent() as own:
        store = own.store(Attempts)
        now = own.clock()
        counted = []
        for limit, subject in tries:
            end = now + timedelta(seconds=limit.window)
            found = store.get_or_none(_key(limit, subject))
            # Clocks of several machines differ a little; but an end that is two windows away was written by a clock
            # that has been set back since.
            running = found is not None and now < found.expires_at <= end + timedelta(seconds=limit.window)
            if found is not None and running and found.count >= limit.most:
                waits.append((found.expires_at - now).total_seconds())
            counted.append((found, Attempts(id=_key(limit, subject), count=1, expires_at=end), running))
        for found, first, running in () if waits else counted:
            if found is None:
                store.add(first)
            else:
                found.count, found.expires_at = (
                    (found.count + 1, found.expires_at) if running else (1, first.expires_at)
                )
                store.save(found)
    return max(waits, default=None)


def network_of(address: str) -> str:
    """What an address is counted under: itself, or for IPv6 its /64, which is what one customer has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _key(limit: Limit, subject: str) -> str:
    """Nobody who reads the counters learns an address from them at a glance."""
    return f"{limit.kind}-{hashlib.sha256(f'{limit.kind}:{subject}'.encode('utf-8', 'replace')).hexdigest()}"
