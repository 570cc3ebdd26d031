"""Forms: they check shape, keep what was typed, and show every problem at once.

A service checks truth and raises one ``Invalid`` with all problems; ``put_problems`` puts them beside their fields. The
usual view::

    form = AgentForm()
    if form.is_submitted():
        agent = form.submit(lambda values: services.create(current().uow, **values))
        if agent is not None:
            notify("success", "The agent was created.")
            return redirect(url_for("agents.show", id=agent.id))
    return form.page("agents/edit.html")
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from flask import render_template, request
from flask_wtf import FlaskForm
from flask_wtf.form import _Auto, _is_submitted
from werkzeug.datastructures import CombinedMultiDict
from wtforms import Field, HiddenField, StringField, TextAreaField
from wtforms.fields import SelectChoice
from wtforms.validators import StopValidation

from app.errors import Invalid, Problem

Result = TypeVar("Result")
_OWN = frozenset({"csrf_token", "rev"})


def stripped(value: str | None) -> str:
    """A filter: white space around a line of text is never meant. A box that was not sent is an empty one."""
    return (value or "").strip()


def options(pairs: Iterable[tuple[str, str]]) -> list[SelectChoice]:
    """The choices of a SelectField or RadioField from (value, label) pairs."""
    return [SelectChoice(value, label) for value, label in pairs]


class LineField(StringField):  # type: ignore[misc]
    """One line of text; stripped."""

    def __init__(self, label: str | None = None, validators: Sequence[Any] = (), **kwargs: Any) -> None:
        super().__init__(label, validators, filters=(stripped, *kwargs.pop("filters", ())), **kwargs)


class TextField(TextAreaField):  # type: ignore[misc]
    """Several lines; browsers send line ends as CR LF, we keep LF."""

    def __init__(self, label: str | None = None, validators: Sequence[Any] = (), **kwargs: Any) -> None:
        super().__init__(label, validators, filters=(_lf, *kwargs.pop("filters", ())), **kwargs)


def _lf(value: str | None) -> str:
    return (value or "").replace("\r\n", "\n").replace("\r", "\n")


class RevisionField(HiddenField):  # type: ignore[misc]
    """The revision of the entity as it was when the form was opened; the commit expects it."""


class Required:
    """Something other than white space must be entered. The browser is told by aria-required, not by its own bubble."""

    field_flags: Mapping[str, Any] = {"required": True}

    def __init__(self, message: str | None = None) -> None:
        self.message = message

    def __call__(self, form: Any, field: Field) -> None:
        """Stop the later validators: one message is enough for an empty field."""
        raw = field.raw_data[0] if field.raw_data else None
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            field.errors = []
            raise StopValidation(self.message or f"{field.label.text} is missing.")


class Form(FlaskForm):  # type: ignore[misc]
    """The base of every form. Only declared fields are read, so a field added by hand to the request has no effect."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        """Form data only: a JSON body is not a form."""

        def wrap_formdata(self, form: Any, formdata: Any) -> Any:
            """What was posted, files included; None where nothing was."""
            if formdata is not _Auto:
                return formdata
            if not _is_submitted():
                return None
            return CombinedMultiDict((request.files, request.form)) if request.files else request.form

        def get_translations(self, form: Any) -> None:
            """The messages are our own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.problems: list[str] = []

    def values(self) -> dict[str, Any]:
        """What was entered, by field name, without the CSRF token and the revision."""
        return {name: field.data for name, field in self._fields.items() if name not in _OWN}

    @property
    def revision(self) -> str | None:
        """The revision that the form was opened with."""
        field = self._fields.get("rev")
        return (field.data or None) if field is not None else None

    def put_problems(self, invalid: Invalid) -> None:
        """Put a service's problems on the fields; what names no field of this form is shown above it."""
        for name, problems in invalid.problems.items():
            messages = [problem.message for problem in problems]
            field = self._fields.get(name)
            if field is None or isinstance(field, HiddenField):
                self.problems.extend(messages)
            else:
                field.errors = [*field.errors, *(message for message in messages if message not in field.errors)]

    def submit(self, action: Callable[[dict[str, Any]], Result]) -> Result | None:
        """Check the shape, then ``action(values)``; None if either found problems, which are then on the form.

        If the shape is wrong, ``action`` is not called.
        """
        if not self.validate():
            return None
        try:
            return action(self.values())
        except Invalid as invalid:
            self.put_problems(invalid)
            return None

    @property
    def bad_fields(self) -> list[Field]:
        """The visible fields that have messages, in the order of the form."""
        return [field for field in self if field.errors and not isinstance(field, HiddenField)]

    @property
    def failed(self) -> bool:
        """Whether there is anything to mend."""
        return bool(self.problems or self.errors)

    def page(self, template: str, **context: Any) -> tuple[str, int]:
        """The page with this form: 422 if something is wrong with it, else 200."""
        return render_template(template, form=self, **context), 422 if self.failed else 200


def invalid(**messages: str) -> Invalid:
    """Shorthand for a service-like error raised by a view: ``raise invalid(name="That name is taken.")``."""
    return Invalid({name: [Problem("invalid", message)] for name, message in messages.items()})
