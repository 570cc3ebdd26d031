"""What templates can call. Globals instead of context functions: they cost nothing until a template uses them."""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, request, url_for
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup, escape

from app.web import feedback
from app.web.access import can
from app.web.context import current

STATIC = Path(__file__).parent / "static"


@lru_cache(maxsize=64)
def asset(name: str) -> str:
    """The address of one of our static files, with the digest of its content: browsers may keep it for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def navigation() -> list[dict[str, Any]]:
    """The side bar's links for this person in this tenant, with the one that is lit."""
    context = current()
    if context.tenant is None:
        return []
    here = request.blueprint or ""
    return [
        {"label": item.label, "href": url_for(item.endpoint), "icon": item.icon, "here": item.section == here}
        for item in context.registry.navigation(context.permissions)
    ]


def theme() -> str:
    """``light``, ``dark`` or "" (as the system says), from the cookie that the toggle sets."""
    chosen = request.cookies.get("theme", "")
    return chosen if chosen in ("light", "dark") else ""


def when(moment: datetime | None) -> Markup:
    """A ``<time>`` in UTC that a script turns into the reader's own zone."""
    if moment is None:
        return Markup("–")
    utc = moment.astimezone(UTC)
    return Markup(f'<time datetime="{utc:%Y-%m-%dT%H:%M:%SZ}">{utc:%Y-%m-%d %H:%M}</time>')


def initials(name: str) -> str:
    """Up to two letters for the round mark of a person or tenant."""
    words = [word for word in name.split() if word[:1].isalnum()]
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper() or "·"


def csrf_field() -> Markup:
    """The hidden CSRF field of a form that has no Form object behind it."""
    return Markup(f'<input type="hidden" name="csrf_token" value="{escape(generate_csrf())}">')


def register_templating(app: Flask) -> None:
    """Make the functions above, ``can``, ``current`` and ``messages`` available to every template."""
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        asset=asset,
        navigation=navigation,
        theme=theme,
        can=can,
        current=current,
        messages=feedback.messages,
        csrf_field=csrf_field,
        initials=initials,
    )
    app.jinja_env.filters["when"] = when
