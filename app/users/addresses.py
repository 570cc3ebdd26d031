"""E-mail addresses: one spelling for each, so that a claim on it means something."""

from email_validator import EmailNotValidError, validate_email

from app.users.entities import LONGEST_EMAIL

INNER = ("@localhost", ".localhost", ".local", ".test")
STAND_IN = ".example"


def normalise_email(text: str) -> str:
    """The address in lower case and NFC, its domain in Unicode; ValueError with a sentence if it is none.

    Lower case also before the @: RFC 5321 would let a host tell them apart, but people do not, and two accounts that
    differ in case only would be one person's two accounts. Reserved domains are fine: many inner networks use one.
    """
    text = text.strip()
    if len(text) > LONGEST_EMAIL:
        raise ValueError(f"An e-mail address has at most {LONGEST_EMAIL} characters.")
    inner = text.lower().endswith(INNER)
    try:
        # The library refuses these domains whatever it is asked: it gets to see one that it does not know.
        found = validate_email(
            text + STAND_IN if inner else text, check_deliverability=False, globally_deliverable=False
        )
    except (EmailNotValidError, UnicodeError) as error:
        raise ValueError("This is not an e-mail address.") from error
    address = found.normalized.lower()
    if "." not in found.domain:
        raise ValueError("This e-mail address has no full domain after the @.")
    return address.removesuffix(STAND_IN) if inner else address


def email_for_counting(text: str) -> str:
    """What attempts on an address are counted under: its one spelling, or whatever was typed, cut."""
    try:
        return normalise_email(text)
    except ValueError:
        return text.strip().lower()[:LONGEST_EMAIL]
