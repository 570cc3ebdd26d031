"""Forms at the door. What they hold is checked by the services, which report everything that is wrong at once."""

from wtforms import BooleanField, HiddenField, PasswordField

from app.users.forms import Needed
from app.web.forms import Form, LineField


class SignInForm(Form):
    """Address and password."""

    email = LineField("E-mail address", [Needed()])
    password = PasswordField("Password", [Needed()])
    next = HiddenField()


class SetUpForm(Form):
    """The first account and the first tenant."""

    name = LineField("Your name", [Needed()])
    email = LineField("Your e-mail address", [Needed()])
    password = PasswordField("Password", [Needed()])
    tenant_name = LineField("Name of your tenant", [Needed()])
    slug = LineField("Address of your tenant")
    sample = BooleanField("Add sample data", default=True)


class JoinForm(Form):
    """A new account for somebody who was invited; the address is the invitation's."""

    name = LineField("Your name", [Needed()])
    password = PasswordField("Password", [Needed()])


class EmptyForm(Form):
    """A button."""
