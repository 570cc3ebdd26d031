"""The Flask application class: one unit of work per request, committed at one place.

The order of one request::

    host check -> correlation id -> access -> CSRF -> view -> response made -> commit -> session cookie -> headers

The commit sits between the view's answer and everything that is written for the browser, so that a Conflict becomes the
409 page like any other error, and neither a session nor a flash message claims something that was not saved.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, Request, Response, request, session
from flask.typing import ResponseReturnValue

from app.db.errors import Conflict
from app.db.flask_ext import TURNS
from app.web import feedback
from app.web.context import RequestContext, current
from app.web.cookies import CookieSessions
from app.web.form_body import BoundedForms
from app.web.hosts import HostCheck
from app.web.json_body import StrictJSON
from app.web.recent_cookie import write_recent
from app.web.security import secure

if TYPE_CHECKING:
    from werkzeug.routing import MapAdapter

    from app.db.turns import Turns

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class WherryRequest(Request):
    """A request that carries its own context, so that a streamed body still finds it."""

    wherry: RequestContext | None = None
    form_data_parser_class = BoundedForms


class WherryFlask(Flask):
    """See the module. ``extensions["wherry"]`` is the Registry, ``extensions["database"]`` the DatabaseService."""

    request_class = WherryRequest
    json_provider_class = StrictJSON
    session_interface = CookieSessions()

    hosts: HostCheck | None = None

    def __init__(self, import_name: str = "app", **options: Any) -> None:
        options.setdefault("static_folder", str(Path(__file__).parent / "static"))
        options.setdefault("template_folder", str(Path(__file__).parent / "templates"))
        super().__init__(import_name, **options)
        self.url_map.merge_slashes = False  # "//" and an encoded "%2f" are no page, instead of a redirect to another

    def create_url_adapter(self, request: Request | None) -> "MapAdapter | None":
        """Refuse a request for a host that is not ours (400) before anything looks at it."""
        if request is not None and self.hosts is not None:
            self.hosts.check(request)
        return super().create_url_adapter(request)

    def full_dispatch_request(self, *args: Any, **kwargs: Any) -> Response:
        """Answer within the request's turn at the database, where there are turns: see app/db/turns.py."""
        turns: Turns | None = self.extensions.get(TURNS)
        if turns is None:
            return super().full_dispatch_request(*args, **kwargs)
        with turns.one():
            return super().full_dispatch_request(*args, **kwargs)

    def dispatch_request(self) -> ResponseReturnValue:
        """Run the view and commit what it registered if it answered below 400; write nothing otherwise.

        A view under GET or HEAD must not register a change: that is a mistake of the program and raises RuntimeError.
        """
        if request.routing_exception is not None or request.method == "OPTIONS":
            return super().dispatch_request()
        context = current()
        before = dict(session) if request.method not in SAFE_METHODS else None
        try:
            response: Response = self.make_response(super().dispatch_request())
            _finish(context, commit=response.status_code < 400)
        except Conflict as conflict:
            _undo(context, before)
            if context.conflict_page is None:
                raise
            response = self.make_response(context.conflict_page(conflict))
            if response.status_code < 400:
                response.status_code = conflict.status
        except BaseException:
            _undo(context, before)
            raise
        feedback.keep_for_next_page(context)
        return response

    def process_response(self, response: Response) -> Response:
        """Put the security headers on every response: pages, files, errors, and what an after_request hook replaced."""
        secure(response)
        context = request.wherry  # type: ignore[attr-defined]
        if context is not None and context.committed is not None:
            write_recent(self, context.committed, response)
        final = super().process_response(response)
        return final if final is response else secure(final)

    def do_teardown_request(self, *args: Any, **kwargs: Any) -> None:
        """Close the unit of work of a request that ended in an error."""
        context = request.wherry  # type: ignore[attr-defined]
        if context is not None and context.open_unit is not None:
            context.open_unit.rollback()
        super().do_teardown_request(*args, **kwargs)


def _finish(context: RequestContext, *, commit: bool) -> None:
    unit = context.open_unit
    if commit and unit is not None and request.method in SAFE_METHODS and unit.has_changes:
        raise RuntimeError(f"{request.endpoint} registered a change under {request.method}; only a POST may.")
    context.close_unit(commit=commit)


def _undo(context: RequestContext, session_before: dict[str, Any] | None) -> None:
    """Nothing was written: neither the documents, nor what the view said about them, nor its changes to the session.

    The CSRF secret stays, or the forms on the error page would not work.
    """
    context.close_unit(commit=False)
    context.notices.clear()
    if session_before is not None and dict(session) != session_before:
        secret = session.get("csrf_token")
        session.clear()
        session.update(session_before)
        if secret is not None:
            session.setdefault("csrf_token", secret)
