"""The module's forms: they read what was posted, check its shape, and can hand all of it on to another page."""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from werkzeug.datastructures import MultiDict
from wtforms import HiddenField, SelectField, SelectMultipleField, StringField
from wtforms.validators import ValidationError

from app.errors import Invalid
from app.modules.agents import rules, schemas
from app.modules.agents.entities import CONTENT, STATUSES, AgentContent
from app.web.forms import Form, LineField, Required, RevisionField, TextField, options

Result = TypeVar("Result")
CODE_BOX = {"class": "code", "spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}


class Shape:
    """A validator made of one of the module's rules: the same check, and the same words, as in the service."""

    def __init__(self, check: Callable[[Any], None]) -> None:
        self.check = check

    def __call__(self, form: Any, field: Any) -> None:
        """Put the rule's sentence beside the field."""
        try:
            self.check(field.data)
        except ValueError as error:
            raise ValidationError(str(error)) from error


class WordsField(StringField):  # type: ignore[misc]
    """A list of words in one line, separated by commas or white space."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Take the line apart."""
        self.data = [word for word in re.split(r"[,\s]+", " ".join(valuelist)) if word]

    def _value(self) -> str:
        return ", ".join(self.data or [])


class AgentChoices(SelectMultipleField):  # type: ignore[misc]
    """Check boxes for other agents. What exists is the service's question, so the choices are only set to be shown."""

    def __init__(self, label: str, validators: list[Any], **kwargs: Any) -> None:
        super().__init__(label, validators, choices=[], validate_choice=False, **kwargs)


class NumberField(HiddenField):  # type: ignore[misc]
    """A hidden version number; 0, which no version has, for anything else."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Digits only."""
        text = valuelist[0] if valuelist else ""
        self.data = int(text) if re.fullmatch("[0-9]{1,9}", text, re.ASCII) else 0


class AgentForm(Form):
    """What people edit of an agent. ``base`` is the number of the version that the form was opened with."""

    rev = RevisionField()
    base = NumberField()
    name = LineField("Name", [Required(), Shape(rules.check_name)], description="Unique in this tenant.")
    description = TextField(
        "Description", [Shape(rules.check_description)], description="What it does, in a sentence or two."
    )
    status = SelectField(
        "Status",
        [Shape(rules.check_status)],
        choices=options([(status, status.capitalize()) for status in STATUSES]),
        validate_choice=False,
    )
    tags = WordsField("Tags", [Shape(rules.check_tags)], description="Short words, separated by commas.")
    code = TextField(
        "Code",
        [Required(), Shape(rules.check_code)],
        description="Python with a function handler(event), which answers what the agent answers.",
        render_kw={**CODE_BOX, "rows": "18"},
    )
    input_schema = TextField(
        "Input schema",
        [Shape(schemas.check_schema)],
        description="JSON Schema of the event. Empty: any event.",
        render_kw={**CODE_BOX, "rows": "8"},
    )
    output_schema = TextField(
        "Output schema",
        [Shape(schemas.check_schema)],
        description="JSON Schema of the answer. Empty: any answer.",
        render_kw={**CODE_BOX, "rows": "8"},
    )
    tools = WordsField(
        "Tools", [Shape(rules.check_tools)], description="Functions that it may use, such as store.get, mail.send."
    )
    calls = AgentChoices("Agents it may call", [Shape(rules.check_calls)])

    @classmethod
    def filled(cls, content: AgentContent, *, rev: str = "", base: int = 0) -> "AgentForm":
        """The form as if ``content`` had been typed into it, opened at that revision and version."""
        typed: MultiDict[str, str] = MultiDict({"rev": rev, "base": str(base)})
        for field in CONTENT:
            value = getattr(content, field)
            if field == "calls":
                typed.setlist(field, value)
            else:
                typed[field] = ", ".join(value) if isinstance(value, list) else value
        return cls(typed)

    def content(self) -> AgentContent:
        """What was typed, whether or not it may be saved."""
        typed = {field: self._fields[field].data for field in CONTENT}
        return AgentContent(**{field: value for field, value in typed.items() if value is not None})

    def typed(self) -> Iterator[tuple[str, str]]:
        """Names and values of hidden inputs that carry everything to another form, but not where it was opened."""
        for field in CONTENT:
            if field == "calls":
                yield from ((field, id) for id in self.calls.data or [])
            else:
                yield field, self._fields[field]._value() if field != "status" else self.status.data or ""

    def save(self, action: Callable[[AgentContent], Result], check: Callable[[AgentContent], None]) -> Result | None:
        """``action(content)``; or None with all that is wrong beside its field: the shape, and what ``check`` finds."""
        saved = self.submit(lambda _: action(self.content()))
        if saved is None:
            try:
                check(self.content())
            except Invalid as invalid:
                self.put_problems(invalid)
        return saved


class ResolveForm(AgentForm):
    """The conflict page: one side typed into the form, the other is version ``base``.

    ``choice``: ``mine`` or ``theirs`` for all of it, ``fields`` for what ``picks`` say, ``edit`` to go on by hand.
    """

    choice = HiddenField()

    def picks(self, posted: MultiDict[str, str]) -> dict[str, str]:
        """The side to keep of each field."""
        if self.choice.data in ("mine", "theirs"):
            return dict.fromkeys(CONTENT, self.choice.data)
        return {field: posted.get(f"pick-{field}", "mine") for field in CONTENT}


class RevisionForm(Form):
    """A button about an agent as it was when the page was opened: delete it, restore one of its versions."""

    rev = RevisionField()
    base = NumberField()
