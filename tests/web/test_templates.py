"""Every template of the application, read as text: what the Content-Security-Policy forbids must not be written."""

import re
from pathlib import Path

import pytest
from flask import render_template_string

from tests.web.gallery import make_gallery
from tests.web.probe import make_app

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "app").rglob("templates/**/*.html"))
FORBIDDEN = {
    "an inline script": r"<script(?![^>]*\bsrc=)",
    "a script without the nonce": r"<script(?![^>]*\bnonce=)",
    "a style element": r"<style",
    "a style attribute": r"\sstyle\s*=",
    "an event attribute": r"<[a-z][^>]*\son[a-z]+\s*=",
    "a javascript address": r"javascript:",
    "the safe filter": r"\|\s*safe\b",
    "autoescape switched off": r"autoescape\s+false",
    "something from another host": r"""(?:src|href|action)\s*=\s*["']?(?:https?:)?//""",
}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_no_template_has_what_the_policy_forbids(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [what for what, pattern in FORBIDDEN.items() if re.search(pattern, text, re.IGNORECASE)] == []


@pytest.mark.parametrize("path", [path for path in TEMPLATES if path.parent.name != "macros"], ids=name)
def test_no_page_imports_macros_which_are_there_without(path: Path) -> None:
    assert not re.search(r"""{%-?\s*(from|import)\s*["']macros/""", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_every_form_that_posts_has_the_csrf_field(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for form in re.findall(r'<form[^>]*method="post".*?</form>', text, re.DOTALL | re.IGNORECASE):
        assert re.search(r"csrf_field\(\)|hidden\(form\)|forms\.hidden\(|csrf_token|hidden_tag", form), form[:120]


def test_every_class_that_a_template_uses_has_a_rule_in_the_style_sheet() -> None:
    rules = (ROOT / "app/web/static/wherry.css").read_text(encoding="utf-8")
    known = set(re.findall(r"\.([a-z][\w-]*)", rules))
    unknown: dict[str, str] = {}
    for path in TEMPLATES:
        for value in re.findall(r'class="((?:[^"{]|\{\{.*?\}\}|\{%.*?%\})*)"', path.read_text(encoding="utf-8")):
            words = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", value).split()
            unknown |= {word: name(path) for word in words if word not in known}
    assert unknown == {}


@pytest.mark.parametrize(
    "bad",
    [
        "<script>alert(1)</script>",
        "<script nonce='{{ current().nonce }}'>x()</script>",
        "<p style='color:red'>",
        "<a onclick='x()'>",
        "{{ name | safe }}",
        "<img src=//evil.example/x.png>",
    ],
)
def test_the_check_finds_what_it_looks_for(bad: str) -> None:
    assert any(re.search(pattern, bad, re.IGNORECASE) for pattern in FORBIDDEN.values())


def test_what_a_person_entered_is_text_and_never_markup_or_code() -> None:
    app = make_app()
    with app.test_request_context("/open"):
        shown = render_template_string("{{ name }}", name="<b>{{ 7*7 }}</b>")
    assert shown == "&lt;b&gt;{{ 7*7 }}&lt;/b&gt;"


@pytest.mark.parametrize("macro", ["forms", "tables", "pagination", "feedback", "icons", "parts", "compare"])
def test_macro_files_escape_their_arguments(macro: str) -> None:
    assert make_gallery().jinja_env.get_template(f"macros/{macro}.html").environment.autoescape


def test_the_scripts_of_our_own_use_nothing_that_writes_html() -> None:
    for path in (ROOT / "app/web/static").glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", path.read_text()
        )


def test_the_style_sheet_and_script_stay_small() -> None:
    static = ROOT / "app/web/static"
    assert (static / "wherry.css").stat().st_size < 40_000
    assert (static / "wherry.js").stat().st_size < 10_000
