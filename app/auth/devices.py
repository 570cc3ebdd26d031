"""Browsers that somebody was signed in with before, by a signed cookie: they have a count of failed tries of their own.

So whoever guesses at an account's password from elsewhere uses up the account's tries, but does not keep out its owner,
who comes with a known browser (OWASP: device cookies). The cookie is no key to anything: the password is still needed.
"""

from collections.abc import Mapping
from secrets import token_urlsafe

from flask import Flask, Response, current_app, request
from itsdangerous import BadSignature, URLSafeSerializer

SECONDS = 180 * 24 * 3600
MOST_ACCOUNTS = 5
"""Accounts that one browser is known to; the oldest is forgotten."""


def known_devices() -> dict[str, str]:
    """The id of this browser for each account that it was signed in with, by the account's id."""
    try:
        found = _serializer(current_app).loads(request.cookies.get(_name(), ""))
    except BadSignature:
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, Mapping) else {}


def remember_device(response: Response, user_id: str) -> None:
    """Let this browser be known to the account; an id of its own, new at every sign-in."""
    others = [(key, value) for key, value in known_devices().items() if key != user_id]
    devices = dict([*others[-(MOST_ACCOUNTS - 1) :], (user_id, token_urlsafe(12))])
    response.set_cookie(
        _name(),
        str(_serializer(current_app).dumps(devices)),
        SECONDS,
        path="/" if _secure() else "/sign-in",
        secure=_secure(),
        httponly=True,
        samesite="Lax",
    )


def _secure() -> bool:
    return bool(current_app.config.get("SESSION_COOKIE_SECURE")) or request.is_secure


def _name() -> str:
    return "__Host-wherry-device" if _secure() else "wherry-device"


def _serializer(app: Flask) -> URLSafeSerializer:
    keys = [*(app.config["SECRET_KEY_FALLBACKS"] or []), app.secret_key]
    return URLSafeSerializer(keys, salt="wherry-device")
