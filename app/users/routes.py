"""/account: one's own name, address and password."""

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from app.users.context import accounts, me, state
from app.users.entities import User
from app.users.forms import PasswordForm, ProfileForm
from app.users.throttle import count_tries, settle_tries
from app.web.access import access_control
from app.web.context import current
from app.web.feedback import notify

blueprint = Blueprint("users", __name__, template_folder="templates")


@blueprint.route("/account", methods=["GET", "POST"])
@access_control()
def profile() -> ResponseReturnValue:
    """Name and address. A new address asks for the password."""
    user = me()
    form = ProfileForm(obj=user if request.method == "GET" else None)
    if form.is_submitted():
        accounts().get(user.id, form.revision)
        if form.current.data:
            count_tries(current().uow, (state().limits.confirm, user.id))
        done = form.submit(lambda values: accounts().change_profile(user, **_texts(values)))
        if done is not None:
            _password_was_right(user, form.current.data)
            notify("success", "Your account was saved.")
            return redirect(url_for("users.profile"), 303)
    return form.page("users/profile.html")


@blueprint.route("/account/password", methods=["GET", "POST"])
@access_control()
def password() -> ResponseReturnValue:
    """A new password; every other session ends."""
    user = me()
    form = PasswordForm()
    if form.is_submitted():
        count_tries(current().uow, (state().limits.confirm, user.id))
        done = form.submit(lambda values: accounts().change_password(user, **_texts(values)))
        if done is not None:
            _password_was_right(user, form.current.data)
            notify("success", "Your password was changed. You are signed out everywhere else.")
            return redirect(url_for("users.password"), 303)
    return form.page("users/password.html", email=user.email)


def _password_was_right(user: User, given: str | None) -> None:
    if given and request.method == "POST":
        settle_tries(current().uow, forget=(state().limits.confirm, user.id))


def _texts(values: dict[str, str | None]) -> dict[str, str]:
    """A field that was not sent at all is an empty one."""
    return {name: value or "" for name, value in values.items()}
