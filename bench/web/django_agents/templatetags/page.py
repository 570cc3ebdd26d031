"""What the templates call."""

import re
from datetime import datetime

from django import template
from django.utils.safestring import SafeString, mark_safe

from app.web.templating import STATIC, asset, initials

register = template.Library()
register.filter("initials", initials)
# The drawings are ours; how they get onto the page is Django's.
_PATHS = dict(re.findall(r'"(\w+)": "([^"]+)"', (STATIC.parent / "templates/macros/icons.html").read_text()))
_ASSETS = {name: asset(name) for name in ("wherry.css", "wherry.js", "boat.svg")}
_WORDS = {"draft": "Draft", "active": "Active", "archived": "Archived"}


@register.simple_tag(name="asset")
def asset_(file: str) -> str:
    """The address of a static file."""
    return _ASSETS[file]


@register.simple_tag
def icon(drawing: str) -> SafeString:
    """An icon by its path: as long as ours."""
    return mark_safe(f'<svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d="{_PATHS[drawing]}"/></svg>')


@register.filter
def word(status: str) -> str:
    """How a status is shown."""
    return _WORDS[status]


@register.filter
def when(moment: datetime) -> SafeString:
    """A ``<time>`` in UTC."""
    text = moment.isoformat()
    return mark_safe(f'<time datetime="{text[:19]}Z">{text[:10]} {text[11:16]}</time>')
