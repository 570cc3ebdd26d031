"""Error pages: words for a person, an envelope for a program, never a stack trace or a driver's text.

A page is tried in three forms, each needing less than the one before: inside the application's layout (only if the
person is already known: an error page reads nothing from the database), on its own, and as a constant. So there is an
answer even when templates or the database fail.
"""

import logging
import math
from dataclasses import dataclass, field
from traceback import format_exception
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, current_app, jsonify, redirect, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from jinja2 import TemplateError
from markupsafe import escape
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.wrappers import Response as AnyResponse

from app.db.errors import Conflict, InvalidDocument, NotFound, TooLarge, Unavailable
from app.errors import Invalid, NotSignedIn, TooManyAttempts, WherryError
from app.web.context import current
from app.web.negotiation import wants_json
from app.web.next_url import here

log = logging.getLogger(__name__)

# status: (title, message)
WORDS: dict[int, tuple[str, str]] = {
    400: (
        "That does not make sense here",
        "Something in the address or in what was sent is not as it should be.",
    ),
    401: ("Please sign in", "This page is for people who are signed in."),
    403: ("You may not do this", "Your account does not have the right to do this."),
    404: ("There is nothing here", "The page may have moved, or it belongs to a tenant that you are not a member of."),
    405: ("That does not work here", "This address exists, but not for this kind of request."),
    409: (
        "Somebody else was faster",
        "What you were changing was changed by somebody else meanwhile. Nothing of yours was saved and nothing of "
        "theirs was overwritten. Go back, reload the page and try again.",
    ),
    413: (
        "That is too much at once",
        "What was sent is larger than this application accepts. Send less and try again.",
    ),
    422: ("Please check what you entered", "Some of what you entered cannot be used as it is."),
    429: ("Too many attempts", "Wait a little and try again."),
    500: (
        "Something went wrong on our side",
        "It is not your fault, and nothing was saved. It has been written down; the reference below finds it again.",
    ),
    503: ("Back in a moment", "The database does not answer right now. Nothing was lost. Try again in a moment."),
}
CSRF_MESSAGE = (
    "This form was opened too long ago, or in another sign-in, so it cannot be accepted any more. Nothing was saved. "
    "Go back, reload the page, and send it again."
)


@dataclass(frozen=True, slots=True)
class Failure:
    """What the person or program is told."""

    status: int
    title: str
    message: str
    fields: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    retry_after: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    trace: str = ""
    """With DEBUG only, which production refuses: where an unforeseen error came from."""


def register_errors(app: Flask) -> None:
    """Install the handlers; everything that can go wrong in a request ends in one of them."""
    app.register_error_handler(WherryError, answer_wherry_error)
    app.register_error_handler(HTTPException, answer_http_error)


def answer_wherry_error(error: WherryError) -> ResponseReturnValue:
    """A page (or envelope) for an error of our own; somebody who is signed out is sent to the sign-in page."""
    if error.status >= 500:
        log.error("answered %s: %s", error.status, type(error).__name__, exc_info=error)
    if isinstance(error, NotSignedIn) and request.method in ("GET", "HEAD") and not wants_json():
        return _to_sign_in()
    return respond(explain(error))


def answer_http_error(error: HTTPException) -> ResponseReturnValue:
    """A page (or envelope) for what Flask or Werkzeug raised. A ready-made answer (abort with a response) is kept."""
    if error.response is not None or error.code is None or error.code < 400:
        return error.get_response()
    if isinstance(error, CSRFError):
        return respond(Failure(400, "This form is no longer valid", CSRF_MESSAGE))
    title, message = WORDS.get(error.code, (error.name, ""))
    keep = {"allow", "retry-after", "www-authenticate"}
    headers = tuple((name, value) for name, value in error.get_headers() if name.lower() in keep)
    retry_after = 5 if error.code == 503 else 60 if error.code == 429 else None
    return respond(Failure(error.code, title, message, retry_after=retry_after, headers=headers, trace=_trace(error)))


def _trace(error: HTTPException) -> str:
    cause = error.original_exception if isinstance(error, InternalServerError) else None
    return "".join(format_exception(cause)) if cause is not None and current_app.debug else ""


def explain(error: WherryError) -> Failure:
    """The words for an error of our own. Names of collections and ids of other people stay inside."""
    title, message = WORDS.get(error.status, WORDS[500])
    if isinstance(error, Invalid):
        fields = {
            name: [{"code": problem.code, "message": problem.message} for problem in problems]
            for name, problems in error.problems.items()
        }
        return Failure(error.status, title, message, fields=fields)
    if isinstance(error, TooManyAttempts):
        return Failure(error.status, title, str(error), retry_after=_seconds(error.retry_after))
    if isinstance(error, Unavailable):
        if error.outcome == "unknown":
            message = (
                "The database stopped answering while your change was being saved, so it may or may not have been "
                "saved. Look before you try again."
            )
        elif error.title != Unavailable.title:
            title, message = error.title, "Reading goes on; changes are refused until there is room again."
        return Failure(error.status, title, message, retry_after=_seconds(error.retry_after))
    if isinstance(error, Conflict) and error.title != Conflict.title:
        return Failure(error.status, error.title, str(error))  # a value that is taken says which
    if isinstance(error, NotFound | Conflict | TooLarge) or error.status >= 500:
        return Failure(error.status, title, message)
    if isinstance(error, InvalidDocument):
        title = error.title
    return Failure(error.status, title, str(error) or message)


def respond(failure: Failure) -> Response:
    """The answer in the form that the client asked for."""
    response = _json(failure) if wants_json() else _page(failure)
    response.status_code = failure.status
    for name, value in failure.headers:
        response.headers[name] = value
    if failure.retry_after is not None:
        response.headers["Retry-After"] = str(failure.retry_after)
    return response


def _seconds(wait: float) -> int:
    return max(1, math.ceil(wait))


def _to_sign_in() -> AnyResponse:
    wanted = here()
    query = "" if wanted == "/" else "?" + urlencode({"next": wanted})
    return redirect(current().registry.sign_in_path + query)


def _json(failure: Failure) -> Response:
    return jsonify(
        ok=False,
        error={
            "status": failure.status,
            "title": failure.title,
            "message": failure.message,
            "fields": failure.fields,
            "correlation_id": current().correlation_id,
        },
    )


def _page(failure: Failure) -> Response:
    context = current()
    values: dict[str, Any] = {"failure": failure, "context": context}
    layouts = ["errors/inside.html"] if context.known_user is not None else []
    for name in [*layouts, "errors/alone.html"]:
        try:
            # Not render_template: the context functions of the packages may be what failed.
            return Response(current_app.jinja_env.get_template(name).render(values), mimetype="text/html")
        except (
            TemplateError,
            WherryError,
            HTTPException,
            LookupError,
            AttributeError,
            TypeError,
            ValueError,
            RuntimeError,
        ):
            log.exception("the error page %s failed itself", name)
    return Response(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(failure.title)}</title>"
        f"<h1>{escape(failure.title)}</h1><p>{escape(failure.message)}</p>"
        f"<p>Reference: {escape(context.correlation_id)}</p><p><a href='/'>Start page</a></p></html>",
        mimetype="text/html",
    )
