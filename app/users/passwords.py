"""Passwords: which are accepted, and how they are kept.

Sources: OWASP ASVS 5.0 chapter 6.2 (no composition rules, no truncation, common ones refused), NIST SP 800-63B section
3.1.1, OWASP Password Storage Cheat Sheet (argon2id with at least 19 MiB, two passes, one lane).
"""

import re
from base64 import b64encode
from secrets import token_bytes

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.errors import Problem
from app.users.common_passwords import is_common

SHORTEST = 8
LONGEST = 1_000
"""Characters. Only a bound on what is hashed: a password is never cut."""
_WORD = re.compile(r"[^\W_]{4,}")
PRODUCT = "wherry"


class Passwords:
    """Hashes and checks passwords. ``memory`` in KiB; constructing one is cheap, hashing takes tens of milliseconds."""

    def __init__(self, memory: int, passes: int) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory, parallelism=1)
        # Checking against it takes as long as against a real one; nobody knows a password that it is the hash of.
        salt, digest = (b64encode(token_bytes(size)).rstrip(b"=").decode() for size in (16, 32))
        self._nobody = f"$argon2id$v=19$m={memory},t={passes},p=1${salt}${digest}"

    def hash(self, password: str) -> str:
        """The argon2id hash with its parameters and a new salt."""
        return self._hasher.hash(_bytes(password))

    def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the hashed one. With None (no such account) it works as long and answers False."""
        try:
            self._hasher.verify(password_hash or self._nobody, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False
        return password_hash is not None

    def outdated(self, password_hash: str) -> bool:
        """Whether it was hashed with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)


def _bytes(password: str) -> bytes:
    # A browser never sends a lone surrogate, but a program may put one in.
    return password.encode("utf-8", "surrogatepass")


def password_problems(password: str, *, name: str = "", email: str = "") -> list[Problem]:
    """What is wrong with a new password; empty if it may be used. No rules about what it is composed of."""
    if not password:
        return [Problem("required", "A password is missing.")]
    if len(password) < SHORTEST:
        return [Problem("too_short", f"A password has at least {SHORTEST} characters.")]
    if len(password) > LONGEST:
        return [Problem("too_long", f"A password has at most {LONGEST} characters.")]
    if _says(password, name, email):
        return [Problem("common", "A password is not the name, the address or the product: those are tried first.")]
    if is_common(password):
        return [
            Problem("common", "This password is one of the first that anybody would try. Several words are better.")
        ]
    return []


def _says(password: str, name: str, email: str) -> bool:
    """Whether nothing is left of the password once the person's own words, digits and signs are taken out."""
    text = password.casefold()
    words = {PRODUCT, email.casefold(), email.casefold().partition("@")[0], "".join(name.casefold().split())}
    words.add(email.casefold().rpartition("@")[2])
    words |= {word.casefold() for word in _WORD.findall(f"{name} {email}")}
    for word in sorted((word for word in words if len(word) >= 4), key=len, reverse=True):
        text = text.replace(word, "")
    return sum(letter.isalpha() for letter in text) < 3 and text != password.casefold()
