"""A tenant's members and the invitations to it."""

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.db.query import Condition, where
from app.tenants.context import base_url, members
from app.tenants.entities import ROLES
from app.tenants.forms import InviteForm, RoleForm
from app.tenants.invitations import Invitations
from app.tenants.members import People
from app.tenants.routes import blueprint, me
from app.users.services import email_owner
from app.web.access import access_control, can
from app.web.context import current, on_conflict
from app.web.feedback import notify
from app.web.listing import Listing, Wanted, choice, text

LIST = Listing(sorts={"joined": ("created_at",)}, filters={"role": choice(*ROLES), "email": text})


@blueprint.get("/members")
@access_control("members.view")
def index() -> ResponseReturnValue:
    """Who belongs to the tenant."""
    wanted = LIST.parse(request.args)
    people = _people(wanted)
    invitations = Invitations(current().uow, members()).open() if can("members.manage") else []
    return render_template("tenants/members.html", wanted=wanted, people=people, invitations=invitations, me=me())


def _people(wanted: Wanted) -> People:
    """By address: that one member if it is one, found by key. Otherwise a page of all."""
    address = wanted.filters.get("email")
    role = wanted.filters.get("role")
    if address:
        owner = email_owner(current().uow, address)
        found = members().find(owner) if owner else None
        return People([found] if found and role in (None, found.role) else [], None)
    conditions: list[Condition] = [where("role").eq(role)] if role else []
    return members().page(wanted.query(conditions))


@blueprint.route("/members/<user_id>", methods=["GET", "POST"])
@access_control("members.manage")
def edit(user_id: str) -> ResponseReturnValue:
    """One member: another role, or out."""
    person = members().get(user_id)
    roles = members().may_give()
    form = RoleForm(obj=person.member if request.method == "GET" else None)
    form.offer(roles)
    if form.is_submitted():
        on_conflict(lambda _: _both_roles(user_id, form))
        done = form.submit(lambda typed: members().change_role(user_id, typed["role"] or "", form.revision or ""))
        if done is not None:
            notify("success", f"{done.name or 'The member'} is {done.role} now.")
            return redirect(url_for("tenants.index"), 303)
    return form.page("tenants/member.html", person=person, may_touch=person.role in roles, me=me(), theirs=False)


def _both_roles(user_id: str, form: RoleForm) -> ResponseReturnValue:
    """What was chosen beside what somebody else saved meanwhile; sending it again replaces that."""
    person = members().get(user_id)
    form.rev.data = person.member.rev
    may_touch = person.role in members().may_give()
    return render_template(
        "tenants/member.html", form=form, person=person, may_touch=may_touch, me=me(), theirs=True
    ), 409


@blueprint.post("/members/<user_id>/remove")
@access_control("members.manage")
def remove(user_id: str) -> ResponseReturnValue:
    """Take a member out of the tenant."""
    person = members().get(user_id)
    members().remove(user_id)
    notify("success", f"{person.name or 'The member'} is no member any more.")
    return redirect(url_for("tenants.index") if user_id != me().id else "/", 303)


@blueprint.post("/members/leave")
@access_control()
def leave() -> ResponseReturnValue:
    """Go of one's own will."""
    tenant = current().tenant
    members().leave(me().id)
    notify("success", f"You left {tenant.name if tenant else 'the tenant'}.")
    return redirect("/tenants", 303)


@blueprint.route("/members/invite", methods=["GET", "POST"])
@access_control("members.manage")
def invite() -> ResponseReturnValue:
    """Make a link for one person. It is shown on the answer to this request and never again."""
    form = InviteForm(role="member")
    form.offer(members().may_give())
    if form.is_submitted():
        invitations = Invitations(current().uow, members())
        made = form.submit(
            lambda typed: invitations.invite(typed["email"] or "", typed["role"] or "", invited_by=me().id)
        )
        if made is not None:
            invitation, link = made
            url = f"{base_url()}/invitations/{link}"
            return render_template("tenants/invited.html", invitation=invitation, url=url)
    return form.page("tenants/invite.html")


@blueprint.post("/members/invitations/<invitation_id>/withdraw")
@access_control("members.manage")
def withdraw(invitation_id: str) -> ResponseReturnValue:
    """Make an invitation's link useless."""
    Invitations(current().uow, members()).withdraw(invitation_id)
    notify("success", "The invitation was withdrawn.")
    return redirect(url_for("tenants.index"), 303)
