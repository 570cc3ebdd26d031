"""pyproject.toml declares what app/ imports and nothing else, and docs/dependencies.md says why."""

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Where the module has another name than its package, or comes along with it.
MODULES = {
    "flask-wtf": {"flask_wtf", "wtforms"},
    "flask": {"flask", "werkzeug", "jinja2", "click", "markupsafe", "itsdangerous"},
    "pydantic": {"pydantic", "pydantic_core"},
    "argon2-cffi": {"argon2"},
    "email-validator": {"email_validator"},
    "google-cloud-firestore": {"google", "grpc"},
    "boto3": {"boto3", "botocore"},
}
SERVED_BY = {"gunicorn"}
"""Started, and not imported."""
TYPES_ONLY = {"_typeshed"}


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=~! ]", requirement)[0].lower() for requirement in requirements} - {"wherry"}


def imported() -> dict[str, str]:
    """Every foreign top-level module that app/ imports, and one file that does."""
    found: dict[str, str] = {}
    for path in (ROOT / "app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [str(node.module)]
            else:
                continue
            found.update((module.split(".")[0], str(path.relative_to(ROOT))) for module in modules)
    ours = {"app", *sys.stdlib_module_names, *TYPES_ONLY}
    return {module: file for module, file in found.items() if module not in ours}


def test_everything_that_is_imported_is_declared() -> None:
    declared = names(PROJECT["dependencies"])
    for extra in PROJECT["optional-dependencies"].values():
        declared |= names(extra)
    allowed = {module for name in declared for module in MODULES.get(name, {name.replace("-", "_")})}
    assert {module: file for module, file in imported().items() if module not in allowed} == {}


def test_every_dependency_of_the_application_is_used() -> None:
    used = set(imported())
    needless = [
        name
        for name in names(PROJECT["dependencies"]) - SERVED_BY
        if not used & MODULES.get(name, {name.replace("-", "_")})
    ]
    assert needless == []


def test_the_manual_gives_a_reason_for_each() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").lower()
    every = names(PROJECT["dependencies"])
    for extra in PROJECT["optional-dependencies"].values():
        every |= names(extra)
    assert [name for name in sorted(every) if f"| {name} |" not in text and f" {name} |" not in text] == []


def test_the_lock_holds_every_dependency() -> None:
    text = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    assert [name for name in sorted(names(PROJECT["dependencies"])) if f"\n{name}==" not in text] == []
