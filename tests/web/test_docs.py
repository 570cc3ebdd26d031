"""docs/web.md tells colleagues what to call: what it names must exist."""

import ast
import re
from pathlib import Path

import pytest

from app.web.context import RequestContext
from app.web.registry import Registry
from tests.web.probe import make_app

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/web.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL), ids=lambda block: block[:30])
def test_every_example_is_valid_python(block: str) -> None:
    ast.parse(block)


@pytest.mark.parametrize("block", re.findall(r"```jinja\n(.*?)```", TEXT, re.DOTALL), ids=lambda block: block[:30])
def test_every_template_example_compiles(block: str) -> None:
    make_app().jinja_env.from_string(block)


def test_what_is_said_of_registry_and_context_exists() -> None:
    registry, names = Registry(), set(re.findall(r"registry\.([a-z_]+)", TEXT))
    assert names
    assert [name for name in names if not hasattr(registry, name)] == []
    context = {*vars(RequestContext), *RequestContext.__init__.__code__.co_names}
    assert [name for name in set(re.findall(r"current\(\)\.([a-z_]+)", TEXT)) if name not in context] == []


def test_every_macro_that_is_named_exists() -> None:
    named = set(re.findall(r"\b(forms|tables|pagination|feedback|parts|compare)\.([a-z]+)\b", TEXT))
    globals_ = make_app().jinja_env.globals
    missing = [f"{file}.{macro}" for file, macro in named if macro != "html" and not hasattr(globals_[file], macro)]
    assert missing == []


def test_every_class_that_is_named_has_a_rule() -> None:
    listed = re.search(r"\nClasses: (.*?)\n\n", TEXT, re.DOTALL)
    assert listed is not None
    rules = (ROOT / "app/web/static/wherry.css").read_text(encoding="utf-8")
    names = [word for part in re.findall(r"`([^`]+)`", listed[1]) for word in part.split()]
    assert [name for name in names if not re.search(rf"\.{name}\b", rules)] == []
