"""What templates can call. Globals instead of context functions: they cost nothing until a template uses them."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from flask import Flask, current_app, request, url_for
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup

from app.web import feedback
from app.web.access import can
from app.web.context import current
from app.web.next_url import here

_CSRF_FIELD = Markup('<input type="hidden" name="csrf_token" value="{}">')
STATIC = Path(__file__).parent / "static"


@lru_cache(maxsize=64)
def asset(name: str) -> str:
    """The address of one of our static files, with the digest of its content: browsers may keep it for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


@dataclass(slots=True)
class Link:
    """One entry of the side bar."""

    label: str
    href: str
    icon: str
    here: bool = False


def navigation() -> list[Link]:
    """The side bar's links for this person in this tenant; the one whose address the page's begins with is lit."""
    context = current()
    if context.tenant is None:
        return []
    root = f"/t/{context.tenant.slug}/"
    links = [
        Link(item.label, root + _tail(item.endpoint), item.icon)
        for item in context.registry.navigation(context.permissions)
    ]
    path = request.path
    lit = [link for link in links if link.href == path or (link.href != root and path.startswith(link.href))]
    if lit:
        max(lit, key=lambda link: len(link.href)).here = True
    return links


def _tail(endpoint: str) -> str:
    """The address of a tenant page after /t/<slug>/, asked of the router once: these links are on every page."""
    tails: dict[str, str] = current_app.extensions.setdefault("wherry_navigation_tails", {})
    if endpoint not in tails:
        tails[endpoint] = url_for(endpoint, slug="x").removeprefix("/t/x/")
    return tails[endpoint]


def theme() -> str:
    """``light``, ``dark`` or "" (as the system says), from the cookie that the toggle sets."""
    chosen = request.cookies.get("theme", "")
    return chosen if chosen in ("light", "dark") else ""


def when(moment: datetime | None) -> Markup:
    """A ``<time>`` in UTC that a script turns into the reader's own zone."""
    if moment is None:
        return Markup("never")
    text = moment.astimezone(UTC).isoformat()
    return Markup(f'<time datetime="{text[:19]}Z">{text[:10]} {text[11:16]}</time>')  # noqa: S704 - digits only


def initials(name: str) -> str:
    """Up to two letters for the round mark of a person or tenant."""
    words = [word for word in name.split() if word[:1].isalnum()]
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper() or "·"


def csrf_field() -> Markup:
    """The hidden CSRF field of a form that has no Form object behind it."""
    return _CSRF_FIELD.format(generate_csrf())


def register_templating(app: Flask) -> None:
    """Make the functions above, ``can``, ``current``, ``messages`` and the macros available to every template.

    The macro files are read once, here: an import in each template costs a tenth of a page.
    """
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
        here=here,
    )
    app.jinja_env.filters["when"] = when
    for file in ("forms", "tables", "pagination", "feedback", "parts", "compare"):
        app.jinja_env.globals[file] = app.jinja_env.get_template(f"macros/{file}.html").module
    icons = app.jinja_env.get_template("macros/icons.html").module
    app.jinja_env.globals.update(icon=icons.icon, boat=icons.boat)  # type: ignore[attr-defined]
