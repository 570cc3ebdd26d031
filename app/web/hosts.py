"""Which hosts are ours. A forged Host or X-Forwarded-Host is refused with 400, whatever the page.

Links that people are given come from PUBLIC_URL, never from these headers; the check keeps redirects and caches honest
too.
"""

import re
from collections.abc import Iterable

from flask import Request
from werkzeug.exceptions import SecurityError

_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?)\.?(?::([0-9]{1,5}))?")


class HostCheck:
    """``allowed``: host names without port; one that begins with a dot also allows every name under it."""

    def __init__(self, allowed: Iterable[str]) -> None:
        names = [name.strip().lower() for name in allowed if name.strip()]
        self._exact = frozenset(name.lstrip(".") for name in names)
        self._suffixes = tuple(name for name in names if name.startswith("."))

    def allows(self, host: str) -> bool:
        """Whether ``host`` (with or without a port) is one of ours."""
        if host in self._exact:
            return True
        match = _HOST.fullmatch(host.lower())
        if match is None or (match[2] and not 1 <= int(match[2]) <= 65535):
            return False
        name = match[1]
        return name in self._exact or bool(self._suffixes and name.endswith(self._suffixes))

    def check(self, request: Request) -> None:
        """Raise SecurityError (400) unless the host, and every host that a proxy claims, is one of ours."""
        environ = request.environ
        claimed = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")
        if not self.allows(claimed):
            raise SecurityError("This address is not one that this application answers to.")
        forwarded = environ.get("HTTP_X_FORWARDED_HOST")
        if forwarded and not all(self.allows(part.strip()) for part in forwarded.split(",")):
            raise SecurityError("This address is not one that this application answers to.")
