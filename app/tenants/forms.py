"""Forms about tenants and members. What they hold is checked by the services, everything at once."""

from collections.abc import Sequence

from wtforms import SelectField

from app.users.forms import Needed
from app.web.forms import Form, LineField, RevisionField

ROLE_WORDS = {
    "owner": "Owner: everything, owners included",
    "admin": "Admin: members, settings and everything below",
    "member": "Member: works with everything in the tenant",
    "viewer": "Viewer: looks, changes nothing",
}


class TenantForm(Form):
    """A new tenant."""

    name = LineField("Name", [Needed()])
    slug = LineField("Address")


class SettingsForm(Form):
    """A tenant's name and address."""

    rev = RevisionField()
    name = LineField("Name", [Needed()])
    slug = LineField("Address", [Needed()])


class _RoleForm(Form):
    role = SelectField("Role", [Needed()], validate_choice=False)

    def offer(self, roles: Sequence[str]) -> None:
        """The roles to choose from."""
        self.role.choices = [(role, ROLE_WORDS[role]) for role in roles]


class RoleForm(_RoleForm):
    """A member's role."""

    rev = RevisionField()


class InviteForm(_RoleForm):
    """Who is invited, and as what."""

    email = LineField("E-mail address", [Needed()])
