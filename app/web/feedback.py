"""Messages to the person: said once, on this page or on the next one.

A message is put into the session only after the commit, so nobody reads "Saved" over something that was not.
"""

from typing import Literal

from flask import get_flashed_messages, session

from app.web.context import RequestContext, current

Kind = Literal["success", "info", "warning", "danger"]


def notify(kind: Kind, text: str) -> None:
    """Show ``text`` on the page that this request answers, or after a redirect on the next one."""
    current().notices.append((kind, text))


def messages() -> list[tuple[str, str]]:
    """For the layout: what is left from the last request, then this one's own. Each is shown once."""
    context = current()
    kept: list[tuple[str, str]] = get_flashed_messages(with_categories=True) if "_flashes" in session else []  # type: ignore[assignment]
    shown = [*kept, *context.notices]
    context.notices.clear()
    return shown


def keep_for_next_page(context: RequestContext) -> None:
    """Called by the application after a commit: what no page has shown yet waits in the session."""
    if context.notices:
        session["_flashes"] = [*session.get("_flashes", []), *context.notices]
        context.notices.clear()
