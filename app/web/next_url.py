"""Where to go after signing in: only ever to a page of this application."""

from urllib.parse import unquote, urlsplit

FALLBACK = "/"


def safe_next(target: str | None, fallback: str = FALLBACK) -> str:
    """``target`` if every browser would read it as a path on this host, else ``fallback``.

    Browsers drop tabs and line breaks and read ``\\`` as ``/``, and some servers decode twice, so anything that any of
    these steps could turn into another host is refused, not repaired.
    """
    if not target or len(target) > 2000:
        return fallback
    decoded = unquote(unquote(target))
    for text in (target, decoded):
        if not text.startswith("/") or text.startswith(("//", "/\\", "/.")):
            return fallback
        if "\\" in text or not text.isprintable():
            return fallback
    parts = urlsplit(target)
    path = unquote(unquote(parts.path))
    if parts.scheme or parts.netloc or "//" in path or ".." in path.split("/"):
        return fallback
    return target
