"""The light and dark toggle for browsers without scripts; with scripts the cookie is set on the spot."""

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from app.web.access import access_control
from app.web.next_url import safe_next

blueprint = Blueprint("theme", __name__)
COOKIE_SECONDS = 365 * 24 * 3600


@blueprint.post("/theme")
@access_control(open=True)
def choose() -> AnyResponse:
    """Remember the choice in a cookie that says nothing about the person, and go back to where they were."""
    chosen = request.form.get("theme", "")
    response: Response = redirect(safe_next(request.form.get("next")), 303)  # type: ignore[assignment]
    if chosen in ("light", "dark"):
        # Not HttpOnly: the toggle's script writes the same cookie.
        response.set_cookie("theme", chosen, COOKIE_SECONDS, secure=request.is_secure, samesite="Lax")
    else:
        response.delete_cookie("theme", secure=request.is_secure, samesite="Lax")
    return response
