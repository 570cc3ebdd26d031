"""Where to go after signing in: only ever to a page of this application."""

from urllib.parse import quote, unquote, urlsplit

from flask import request

FALLBACK = "/"


def here() -> str:
    """The address of the current request as the browser wrote it, path and query: to come back to it later."""
    path = quote(request.path)
    return f"{path}?{request.query_string.decode('latin-1')}" if request.query_string else path


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
