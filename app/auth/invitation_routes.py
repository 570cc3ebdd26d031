"""/invitations/<token>: join a tenant, with the account one has or with a new one."""

from dataclasses import dataclass

from flask import make_response, redirect, render_template
from flask.typing import ResponseReturnValue

from app.auth.context import begin_session, known_here
from app.auth.forms import EmptyForm, JoinForm
from app.auth.routes import blueprint
from app.tenants.entities import Invitation, Tenant
from app.tenants.invitations import Invitations, Link
from app.tenants.members import Members
from app.tenants.services import Tenants
from app.users.context import accounts
from app.users.entities import User
from app.web.access import access_control
from app.web.context import current, on_conflict
from app.web.feedback import notify


@dataclass(frozen=True, slots=True)
class _Open:
    """An invitation that can be used, with the request's unit of work bound to its tenant."""

    invitations: Invitations
    invitation: Invitation
    tenant: Tenant

    def accept(self, user: User) -> User:
        self.invitations.accept(self.invitation, user.id)
        return user


def _find(token: str) -> _Open | None:
    link = Link.parse(token)
    if link is None:
        return None
    uow = current().uow
    uow.bind_tenant(link.tenant_id)
    invitations = Invitations(uow, Members(uow))
    invitation = invitations.find(link)
    return _Open(invitations, invitation, Tenants(uow).get(link.tenant_id)) if invitation else None


@blueprint.route("/invitations/<token>", methods=["GET", "POST"])
@access_control(open=True)
def invitation(token: str) -> ResponseReturnValue:
    """Join: with one click for who is signed in with the invited address, with a new account for who has none."""
    principal = current().user
    found = _find(token)
    if found is None:
        return _dead(404)
    if principal is not None and principal.email != found.invitation.email:
        return render_template("auth/other_account.html", found=found, user=principal), 403
    on_conflict(lambda _: _dead(409))
    form = EmptyForm() if principal is not None else JoinForm()
    if not form.is_submitted():
        return form.page("auth/invitation.html", found=found, token=token, user=principal)
    if principal is not None:
        user = form.submit(lambda _: found.accept(accounts().get(principal.id)))
    else:
        user = form.submit(lambda typed: found.accept(_new_account(found, typed)))
    if user is None:
        return form.page("auth/invitation.html", found=found, token=token, user=principal)
    if principal is None:
        begin_session(user)
    notify("success", f"You are a member of {found.tenant.name} now.")
    response = make_response(redirect(f"/t/{found.tenant.slug}/", 303))
    return known_here(response, user.id)


def _new_account(found: _Open, typed: dict[str, str | None]) -> User:
    return accounts().create(typed["name"] or "", found.invitation.email, typed["password"] or "")


def _dead(status: int) -> ResponseReturnValue:
    """The same page for an invitation that never was, was withdrawn, is too old, or was used."""
    return render_template("auth/dead_link.html", set_up=False), status
