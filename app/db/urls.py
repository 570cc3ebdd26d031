"""A database's URL as an operator writes it: what would be read as something else is refused, and never shown."""

from urllib.parse import SplitResult, urlsplit

from app.errors import WherryError

_ENCODE = (
    "in the user's name and in the password / ? # and @ have to be percent-encoded, as %2F %3F %23 and %40, and an @"
    " anywhere else, too"
)


def read_url(url: str, named: str) -> SplitResult:
    """The parts of a URL, whose port is a number or none. WherryError that begins with ``named`` and shows nothing of a
    URL that is taken apart in the wrong place."""
    problem = problem_of(url)
    if problem:
        raise WherryError(f"{named} {problem}")
    return urlsplit(url)


def problem_of(url: str) -> str:
    """Why a URL cannot be taken apart rightly, to stand behind what it is; "" if it can."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "is a URL that cannot be read."
    # A password's / ? or # ends the host, so that the rest of the password stands behind it, and an @ behind that.
    of_a_file = parts.scheme == "sqlite" and not parts.netloc
    if "@" in f"{parts.path}{parts.query}{parts.fragment}" and not of_a_file:
        return f"is a URL with an @ behind its host: {_ENCODE}."
    if of_a_file and parts.path and not url.strip().lower().startswith("sqlite:///"):
        return "is a SQLite URL with too few slashes: sqlite:///file, or sqlite:////file for an absolute path."
    try:
        parts.port  # noqa: B018 - reading it checks it
    except ValueError:
        return f"is a URL whose port is no number up to 65535: {_ENCODE}."
    return ""
