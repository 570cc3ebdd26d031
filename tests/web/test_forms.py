import re
from typing import Any

import pytest
from flask import render_template_string
from wtforms import BooleanField, PasswordField, SelectField
from wtforms.validators import Length, Regexp

from app.errors import Invalid, Problem
from app.web import access_control
from app.web.forms import Form, LineField, Required, RevisionField, TextField, options
from tests.web.probe import client, make_app

PAGE = """{% call forms.form(form, submit="Save", cancel="/") %}
{{ forms.field(form.name, autocomplete="off") }}{{ forms.field(form.code, help="Python.") }}
{{ forms.field(form.colour) }}{{ forms.field(form.secret) }}{{ forms.field(form.shown) }}
{% endcall %}"""


class ThingForm(Form):
    rev = RevisionField()
    name = LineField("Name", [Required(), Length(max=10), Regexp(r"^[a-z ]*$", message="Small letters only.")])
    code = TextField("Code", [Required("Write some code.")])
    colour = SelectField("Colour", choices=options([("red", "Red"), ("blue", "Blue")]))
    secret = PasswordField("Password")
    shown = BooleanField("Shown")


def make(action=lambda values: values):
    seen: list[Any] = []

    def note(values, revision):
        seen.append((values, revision))
        return action(values)

    def setup(app, registry):
        @app.route("/thing", methods=["GET", "POST"])
        @access_control(open=True)
        def thing():
            form = ThingForm()
            if form.is_submitted() and form.submit(lambda values: note(values, form.revision)) is not None:
                return "done"
            return render_template_string(PAGE, form=form), 422 if form.failed else 200

    return client(make_app(setup)), seen


def test_every_field_with_a_problem_shows_its_messages_and_keeps_what_was_typed() -> None:
    browser, seen = make()
    answer = browser.post("/thing", data={"name": "LOUD & <long> name", "code": " ", "colour": "green", "rev": "r.1"})
    assert answer.status_code == 422
    assert seen == []
    for message in ("longer than 10", "Small letters only.", "Write some code.", "Not a valid choice"):
        assert message in answer.text
    assert 'value="LOUD &amp; &lt;long&gt; name"' in answer.text
    assert 'value="r.1"' in answer.text
    assert "3 fields need your attention" in answer.text


def test_a_password_is_never_written_back_into_the_page() -> None:
    browser, _ = make()
    assert "correct horse" not in browser.post("/thing", data={"secret": "correct horse"}).text


def test_a_services_problems_stand_beside_their_fields_and_the_rest_above() -> None:
    def refuse(values):
        raise Invalid(
            {
                "name": [Problem("taken", "Taken by another."), Problem("invalid", "Not at sea.")],
                "unknown": [Problem("invalid", "Something unnamed.")],
                "rev": [Problem("invalid", "Stale.")],
                "": [Problem("invalid", "The harbour is full.")],
            }
        )

    browser, _ = make(refuse)
    answer = browser.post("/thing", data={"name": "heron", "code": "x", "colour": "red"})
    assert answer.status_code == 422
    error = re.search(r'id="name-error">(.*?)</div>', answer.text, re.DOTALL)
    assert error is not None
    assert "Taken by another." in error[1]
    assert "Not at sea." in error[1]
    above = re.search(r'role="alert".*?</div></div>', answer.text, re.DOTALL)
    assert above is not None
    for message in ("Something unnamed.", "Stale.", "The harbour is full."):
        assert message in above[0]


def test_a_field_with_a_problem_says_so_to_a_screen_reader() -> None:
    browser, _ = make()
    text = browser.post("/thing", data={"name": "LOUD", "code": "", "colour": "red"}).text
    control = re.search(r"<input[^>]*id=\"name\"[^>]*>", text)
    assert control is not None
    assert 'aria-invalid="true"' in control[0]
    assert 'aria-describedby="name-error"' in control[0]
    assert 'aria-required="true"' in control[0]
    code = re.search(r"<textarea[^>]*>", text)
    assert code is not None
    assert 'aria-describedby="code-help code-error"' in code[0]


def test_the_browsers_own_check_is_off_so_that_all_messages_come_at_once() -> None:
    browser, _ = make()
    text = browser.get("/thing").text
    assert "novalidate" in text
    assert not re.search(r"<(input|textarea)[^>]* required", text)


def test_only_declared_fields_are_read() -> None:
    browser, seen = make()
    extra = dict.fromkeys(("tenant_id", "role", "is_admin", "_id", "_rev", "owner", "id", "csrf_token"), "evil")
    sent = {"name": "a", "code": "b", "colour": "red", "secret": "s", "rev": "7.x"}
    assert browser.post("/thing", data=sent | extra).text == "done"
    assert seen == [({"name": "a", "code": "b", "colour": "red", "secret": "s", "shown": False}, "7.x")]


def test_lines_are_stripped_and_line_ends_are_ours() -> None:
    browser, seen = make()
    browser.post("/thing", data={"name": "  a  ", "code": "x\r\n  y\r", "colour": "red"})
    assert seen[0][0]["name"] == "a"
    assert seen[0][0]["code"] == "x\n  y\n"


def test_a_json_body_is_not_a_form() -> None:
    browser, seen = make()
    assert browser.post("/thing", json={"name": "a", "code": "b", "colour": "red"}).status_code == 422
    assert seen == []


@pytest.mark.parametrize("payload", ['"><script>alert(1)</script>', "{{ 7*7 }}", "' onfocus='alert(1)"])
def test_what_was_typed_comes_back_as_text(payload: str) -> None:
    browser, _ = make()
    text = browser.post("/thing", data={"name": payload, "code": f"</textarea>{payload}", "colour": "red"}).text
    assert "<script>alert" not in text
    assert "</textarea>" + payload not in text
    assert "49" not in text
    assert "' onfocus=" not in text


def test_an_unsent_form_has_no_problems() -> None:
    browser, _ = make()
    answer = browser.get("/thing")
    assert answer.status_code == 200
    assert 'role="alert"' not in answer.text
