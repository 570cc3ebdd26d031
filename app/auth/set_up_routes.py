"""/setup/<token>: the first account and tenant. Looking at the page uses nothing up: mail scanners look at links."""

from flask import make_response, redirect, render_template
from flask.typing import ResponseReturnValue

from app.auth.context import begin_session, known_here
from app.auth.forms import SetUpForm
from app.auth.routes import blueprint
from app.auth.set_up import SetUps, Wanted
from app.users.context import accounts
from app.web.access import access_control
from app.web.context import current, on_conflict
from app.web.feedback import notify


@blueprint.route("/setup/<token>", methods=["GET", "POST"])
@access_control(open=True)
def set_up(token: str) -> ResponseReturnValue:
    """Make account, tenant and sample data, all or nothing, and go to the tenant signed in."""
    uow, registry = current().uow, current().registry
    if not SetUps(uow).accepts(token):
        return _dead(404)
    form = SetUpForm()
    on_conflict(lambda _: _dead(409))
    done = form.is_submitted() and form.submit(
        lambda typed: SetUps(uow).carry_out(accounts(), _wanted(typed), registry.sample_data)
    )
    if not done:
        return form.page("auth/set_up.html", sample=bool(registry.sample_data))
    user, tenant = done
    begin_session(user)
    notify("success", f"Welcome aboard, {user.name}. This is {tenant.name}.")
    return known_here(make_response(redirect(f"/t/{tenant.slug}/", 303)), user.id)


def _wanted(typed: dict[str, str | bool | None]) -> Wanted:
    texts = {name: str(value or "") for name, value in typed.items() if name != "sample"}
    return Wanted(**texts, sample=bool(typed["sample"]))


def _dead(status: int) -> ResponseReturnValue:
    """The same page for a link that never was, is too old, or was used."""
    return render_template("auth/dead_link.html", set_up=True), status
