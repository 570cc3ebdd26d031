"""Signing in and out, and the list of one's sessions."""

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.auth.context import begin_session, end_session, known_here, sessions
from app.auth.devices import known_devices
from app.auth.forms import SignInForm
from app.auth.services import Attempt, sign_in
from app.auth.sessions import browser_of
from app.auth.set_up import SetUps
from app.users.context import accounts, me
from app.users.context import state as users_state
from app.web.access import access_control
from app.web.context import current
from app.web.feedback import notify
from app.web.next_url import safe_next

blueprint = Blueprint("auth", __name__, template_folder="templates")


@blueprint.route("/sign-in", methods=["GET", "POST"])
@access_control(open=True)
def enter() -> ResponseReturnValue:
    """Sign in. The page is the same whatever was wrong."""
    if request.method == "GET" and current().user is not None:
        return redirect(safe_next(request.args.get("next")), 303)
    form = SignInForm()
    if not form.is_submitted():
        form.next.data = safe_next(request.args.get("next"), fallback="")
        return form.page("auth/sign_in.html", new=SetUps(current().uow).needed())
    user = form.submit(
        lambda typed: sign_in(
            current().uow,
            accounts(),
            users_state().limits,
            Attempt(typed["email"] or "", typed["password"] or "", request.remote_addr or "", known_devices()),
        )
    )
    if user is None:
        return form.page("auth/sign_in.html", new=False)
    begin_session(user)
    return known_here(_to(safe_next(form.next.data)), user.id)


@blueprint.post("/sign-out")
@access_control(open=True)
def leave() -> ResponseReturnValue:
    """Sign out; for somebody who is signed out already, nothing happens."""
    end_session()
    notify("info", "You are signed out.")
    return _to(url_for("auth.enter"))


@blueprint.get("/account/sessions")
@access_control()
def list_sessions() -> ResponseReturnValue:
    """Where one is signed in."""
    rows = [
        {"session": found, "browser": browser_of(found.agent), "here": found.id == current().session_id}
        for found in sessions().of_user(me())
    ]
    return render_template("auth/sessions.html", rows=rows)


@blueprint.post("/account/sessions/<id>/end")
@access_control()
def end_one(id: str) -> ResponseReturnValue:
    """Sign out another browser, or this one."""
    user = me()
    if id == current().session_id:
        end_session()
        return _to(url_for("auth.enter"))
    sessions().end(id, user.id)
    notify("success", "That session was ended.")
    return _to(url_for("auth.list_sessions"))


@blueprint.post("/account/sessions/end-others")
@access_control()
def end_others() -> ResponseReturnValue:
    """Sign out everywhere but here."""
    accounts().end_sessions(me())
    notify("success", "You are signed out everywhere but here.")
    return _to(url_for("auth.list_sessions"))


def _to(where: str) -> Response:
    return make_response(redirect(where, 303))
