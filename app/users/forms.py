"""The forms of /account. What they hold is checked by the services, which report everything that is wrong at once."""

from collections.abc import Mapping
from typing import Any

from wtforms import PasswordField

from app.web.forms import Form, LineField, RevisionField


class Needed:
    """Tells browsers and screen readers that a field must be filled in.

    That it was is checked by the service together with everything else: one answer then names all that is wrong.
    """

    field_flags: Mapping[str, Any] = {"required": True}

    def __call__(self, form: Any, field: Any) -> None:
        """Checks nothing."""


class ProfileForm(Form):
    """Name and address."""

    rev = RevisionField()
    name = LineField("Name", [Needed()])
    email = LineField("E-mail address", [Needed()])
    current = PasswordField("Your password")


class PasswordForm(Form):
    """The old password and the new one, typed once: browsers show it better than a repetition."""

    current = PasswordField("Your password now", [Needed()])
    password = PasswordField("New password", [Needed()])
