"""What a browser's session has committed in the last seconds, kept by the browser itself, in a signed cookie.

Only where the database's indexes lag (``capabilities.fresh_queries`` is false), and only for who is signed in: the page
that follows a change, from whichever worker, lists it as it is; see app/db/recent.py. In the database it would cost a
write beside every commit and a read before every list. The cookie opens nothing: with a copy of it, or somebody else's,
a list is only closer to the truth. It ends by itself, and holds so many keys as fit.
"""

from contextlib import suppress

from flask import Flask, Request, Response
from itsdangerous import BadSignature, URLSafeSerializer

from app.db.recent import WINDOW, RecentCommits
from app.db.service import DatabaseService

MOST_CHARACTERS = 3_500
"""Browsers keep cookies of up to 4,096, the name and its attributes included."""


def read_recent(app: Flask, service: DatabaseService, request: Request) -> RecentCommits | None:
    """What this browser committed lately; None where queries see every commit anyway."""
    if service.capabilities.fresh_queries:
        return None
    recent = RecentCommits(service.schema)
    with suppress(BadSignature):  # there is none, or none of ours: then lists are as the index has them
        recent.load(_serializer(app).loads(request.cookies.get(_name(app), "")))
    return recent


def write_recent(app: Flask, recent: RecentCommits, response: Response) -> None:
    """Let the browser keep it for the next requests."""
    dumped = recent.dump()
    value = str(_serializer(app).dumps(dumped))
    while len(value) > MOST_CHARACTERS:
        dumped = recent.dump(most=sum(len(group) - 2 for group in dumped) * 3 // 4)
        value = str(_serializer(app).dumps(dumped))
    response.set_cookie(
        _name(app),
        value,
        max_age=round(WINDOW),
        path="/",
        secure=_secure(app),
        httponly=True,
        samesite="Lax",
    )


def _secure(app: Flask) -> bool:
    return bool(app.session_interface.get_cookie_secure(app))


def _name(app: Flask) -> str:
    return "__Host-wherry-recent" if _secure(app) else "wherry-recent"


def _serializer(app: Flask) -> URLSafeSerializer:
    keys = [*(app.config["SECRET_KEY_FALLBACKS"] or []), app.secret_key]
    return URLSafeSerializer(keys, salt="wherry-recent")
