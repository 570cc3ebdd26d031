"""Bare Flask: one route that renders our template from constants, with a signed session cookie.

The constants are what the real page hands to the template, and what the functions that templates call answered there.
No database, no access, no CSRF token, no security headers, no log line.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, before_render_template, render_template, session
from jinja2 import ChoiceLoader, FileSystemLoader
from markupsafe import Markup

import app.modules.agents as agents_module
from app.web import feedback, templating
from app.web.access import can
from app.web.application import WherryFlask
from app.web.context import current
from app.web.next_url import here
from bench.web.world import PAGE, application, sign_in

_TEMPLATE = "agents/index.html"
_FUNCTIONS = {
    "navigation": templating.navigation,
    "theme": templating.theme,
    "messages": feedback.messages,
    "csrf_field": templating.csrf_field,
    "here": here,
}


def capture(real: WherryFlask) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the real page's template was given, and what the functions that it calls answered."""
    given: dict[str, Any] = {}
    answers: dict[str, Any] = {}

    def note(_: Any, template: Any, context: dict[str, Any]) -> None:
        if template.name == _TEMPLATE:
            given.update({name: context[name] for name in ("wanted", "search", "page", "counted")})
            answers.update({name: function() for name, function in _FUNCTIONS.items()})
            answers["csrf_field"] = Markup(str(answers["csrf_field"]))
            answers["can"] = can("agents.edit")
            answers["current"] = _Frozen(current())

    client = real.test_client()
    name, _, value = sign_in(real).partition("=")
    client.set_cookie(name, value)
    with before_render_template.connected_to(note, real):
        client.get(PAGE)
    return given, answers


class _Frozen:
    """The parts of the request's context that the layout looks at."""

    def __init__(self, context: Any) -> None:
        self.user, self.tenant, self.nonce = context.user, context.tenant, context.nonce


def _always(answer: Any) -> Callable[..., Any]:
    return lambda *_: answer


def make(folder: Path) -> Flask:
    """The application; ``/enter`` sets its session cookie."""
    given, answers = capture(application(folder))
    web = Path(templating.__file__).parent / "templates"
    module = Path(agents_module.__file__).parent / "templates"
    bare = Flask("bare", static_folder=None)
    bare.secret_key = "measured " * 6
    bare.jinja_loader = ChoiceLoader([FileSystemLoader(web), FileSystemLoader(module)])  # type: ignore[assignment]
    templating.register_templating(bare)
    bare.jinja_env.globals.update({name: _always(answer) for name, answer in answers.items()})

    @bare.get("/enter")
    def enter() -> str:
        session["user"] = answers["current"].user.id
        return ""

    @bare.get(PAGE)
    def index() -> str:
        if "user" not in session:
            return "sign in first"
        return render_template(_TEMPLATE, **given)

    return bare


def served() -> Flask:
    """For gunicorn: the folder is in BENCH_FOLDER."""
    return make(Path(os.environ["BENCH_FOLDER"]))
