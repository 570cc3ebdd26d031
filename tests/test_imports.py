"""The direction of imports, read from the source: a package may import what stands to its right in ORDER, never back.

Imports inside functions count too. Those under TYPE_CHECKING may go up, a type being no dependency at run time, but not
from one module to another, nor to Flask where Flask has no place.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APP = ROOT / "app"
ORDER = (
    "app",
    "app.modules",
    "app.core",
    "app.auth",
    "app.tenants",
    "app.users",
    "app.web",
    "app.db",
    "app.hub",
    "app.errors",
)
ENTRY_POINTS = {"app", "app.cli"}
LEAVES = {"app.settings"}
"""Types without behaviour: anybody may import them, they import nothing of ours."""
CONFIGURATION = {"app.config", "app.config_files", "app.config_key"}
FLASK = ("flask", "flask_wtf", "werkzeug", "wtforms", "jinja2")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source: str, type_only: bool = True) -> Iterator[tuple[str, int]]:
    """Every module that the source imports with its line; `from a import b` counts as a and as a.b."""
    tree = ast.parse(source)
    skipped: set[ast.AST] = set()
    if not type_only:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
                skipped.update(inner for statement in node.body for inner in ast.walk(statement))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            yield str(node.module), node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def layer(module: str) -> int | None:
    """Index in ORDER of the layer that a module belongs to; None for what is not ours."""
    if module != "app" and not module.startswith("app."):
        return None
    for index, name in enumerate(ORDER):
        if index and (module == name or module.startswith(f"{name}.")):
            return index
    return 0


def problems_in(module: str, source: str) -> list[str]:
    """Each broken rule as `module, line n: sentence`."""
    found: dict[str, None] = {}

    def say(line: int, sentence: str) -> None:
        found[f"{module}, line {line}: {sentence}"] = None

    own = layer(module)
    assert own is not None
    for name, line in imports_of(source, type_only=False):
        if name.startswith("app.") or name == "app":
            if any(name == leaf or name.startswith(f"{leaf}.") for leaf in LEAVES):
                continue
            if any(name == part or name.startswith(f"{part}.") for part in CONFIGURATION):
                if module not in ENTRY_POINTS | CONFIGURATION:
                    say(line, "only app/__init__ and the command line import app.config")
                continue
            if module in LEAVES:
                say(line, f"{module} imports nothing of ours")
            if name == "app":
                if module not in ENTRY_POINTS:
                    say(line, "nobody imports app itself but the command line")
                continue
            other = layer(name)
            if other is not None and other < own and module not in ENTRY_POINTS:
                say(line, f"imports {name}, which stands above it")
            if own == other == 1 and module.split(".")[2:3] != name.split(".")[2:3] and len(name.split(".")) > 2:
                say(line, f"a module imports another module, {name}")
    last = module.rpartition(".")[2]
    for name, line in imports_of(source):
        package = name.split(".")[0]
        if last == "services" and package in FLASK:
            say(line, "a service knows nothing of Flask")
        if last == "forms" and name.startswith("app.db"):
            say(line, "a form never touches the database")
        if module.startswith("app.db") and package in FLASK and module != "app.db.flask_ext":
            say(line, "app/db knows Flask only in flask_ext.py")
        if last == "entities" and module != "app.db.entities" and package in FLASK:
            say(line, "an entity knows nothing of Flask")
    return list(found)


@pytest.mark.parametrize("path", sorted(APP.rglob("*.py")), ids=module_name)
def test_imports_go_one_way_only(path: Path) -> None:
    assert problems_in(module_name(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("app.db.stores", "import app.web.context"),
        ("app.hub", "from app.db import where"),
        ("app.web.forms", "from app.auth.services import sign_in"),
        ("app.users.services", "def f():\n    from app.tenants import services"),
        ("app.modules.agents.routes", "from app.modules.hosts import services"),
        ("app.modules.agents.routes", "import app.modules.hosts.entities"),
        ("app.modules.agents.services", "from flask import current_app"),
        ("app.modules.agents.forms", "from app.db import Query"),
        ("app.db.service", "import flask"),
        ("app.db.cli", "from flask import current_app"),
        ("app.web.hosts", "from app.config import load_settings"),
        ("app.settings", "from app.errors import Invalid"),
        ("app.auth.routes", "from app import create_app"),
    ],
)
def test_an_import_in_the_wrong_direction_is_found(module: str, source: str) -> None:
    assert problems_in(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("app", "import app.config\nfrom app.modules.agents import register"),
        ("app.cli", "from app import create_app"),
        ("app.modules.agents.routes", "from app.modules.agents import services\nfrom app.core import audit"),
        ("app.db.flask_ext", "from flask import Flask"),
        ("app.web.context", "from app.db.errors import Conflict\nfrom app.settings import Settings"),
    ],
)
def test_an_import_in_the_right_direction_is_allowed(module: str, source: str) -> None:
    assert problems_in(module, source) == []
