"""The signed cookie: it holds the id of the server-side session, the CSRF secret and messages for the next page.

Over TLS it is ``__Host-wherry`` with Secure, which no other host and no plain connection can set. On plain http, where
browsers refuse such a cookie, it is ``wherry``: meant for loopback and tests. It is written only when it changes.
"""

import hashlib
from functools import lru_cache
from typing import Any

from flask import Flask, Request, request
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer

PLAIN_NAME = "wherry"
SECURE_NAME = "__Host-wherry"


@lru_cache(maxsize=8)
def _serializer(keys: tuple[str, ...]) -> URLSafeTimedSerializer:
    """One per set of keys, not one per request: building it costs as much as a small page."""
    return URLSafeTimedSerializer(
        list(keys),
        salt="wherry-session",
        serializer=TaggedJSONSerializer(),
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )


class CookieSessions(SecureCookieSessionInterface):
    """Flask's signed-cookie session, with SHA-256 and with a name and flags that follow the connection."""

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """The newest key signs; fallback keys still verify, so that SECRET_KEY can be rotated."""
        if not app.secret_key:
            return None
        fallbacks: list[Any] = app.config["SECRET_KEY_FALLBACKS"] or []
        return _serializer((*map(str, fallbacks), str(app.secret_key)))

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Static files have no session: they are cached by everybody and must never carry a cookie."""
        if request.path.startswith("/static/"):
            return None
        return super().open_session(app, request)

    def get_cookie_name(self, app: Flask) -> str:
        """Follows the connection of the current request."""
        return SECURE_NAME if self.get_cookie_secure(app) else PLAIN_NAME

    def get_cookie_secure(self, app: Flask) -> bool:
        """True over TLS, and always where COOKIE_SECURE says so."""
        return bool(app.config.get("COOKIE_SECURE")) or request.is_secure

    def get_cookie_domain(self, app: Flask) -> str | None:
        """Never a domain: ``__Host-`` forbids it, and a sibling host has no business with it."""
        return None

    def get_cookie_path(self, app: Flask) -> str:
        """``__Host-`` demands the root."""
        return "/"

    def get_cookie_httponly(self, app: Flask) -> bool:
        """Scripts never see it."""
        return True

    def get_cookie_samesite(self, app: Flask) -> str:
        """Lax: a link from a mail or chat still finds the person signed in."""
        return "Lax"
