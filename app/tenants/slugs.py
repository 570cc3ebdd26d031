"""Slugs: the part of an address that names a tenant."""

import re
import unicodedata
from secrets import choice

SHORTEST = 2
LONGEST = 40
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def slug_problem(slug: str) -> str | None:
    """The sentence that says why this cannot be a slug, or None."""
    if not SHORTEST <= len(slug) <= LONGEST:
        return f"An address has {SHORTEST} to {LONGEST} characters."
    if not _SLUG.fullmatch(slug) or "--" in slug:
        return "An address has small letters a to z, digits and single hyphens between them."
    return None


def suggest_slug(name: str) -> str:
    """A slug that looks like the name, e.g. "cafe-zoe" for "Café Zoë"; a random one without Latin letters."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[: LONGEST - 8].strip("-")
    return slug if len(slug) >= SHORTEST else "team-" + random_part()


def random_part() -> str:
    """Six letters and digits that are not easily confused."""
    return "".join(choice(_LETTERS) for _ in range(6))
