"""What an agent's fields may hold. Pure functions of text, used by the form beside the field and by the service.

Each ``check_*`` raises ValueError with a sentence for the person who typed it.
"""

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from app.errors import Problem
from app.modules.agents.entities import STATUSES, AgentContent, name_key
from app.modules.agents.schemas import check_schema

MAX_NAME: Final = 300  # characters
MAX_DESCRIPTION: Final = 2_000
MAX_CODE: Final = 64_000  # bytes
MAX_TAGS: Final = 10
MAX_TOOLS: Final = 30
MAX_CALLS: Final = 20
_TAG: Final = re.compile(r"[^\W_](?:[\w.-]{0,38}[^\W_])?")
_TOOL: Final = re.compile(r"[a-z][a-z0-9_]{0,38}(?:\.[a-z][a-z0-9_]{0,38}){0,3}", re.ASCII)
# Characters that turn the direction of the text after them, and line separators that are not shown as such.
_CONFUSING: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def check_name(name: str) -> None:
    """One line that somebody can read."""
    if len(name) > MAX_NAME:
        raise ValueError(f"A name has at most {MAX_NAME} characters; this one has {len(name)}.")
    if _CONFUSING.search(name) or not name_key(name):
        raise ValueError("A name is one line of visible characters.")


def check_description(description: str) -> None:
    """A few lines."""
    if len(description) > MAX_DESCRIPTION:
        raise ValueError(
            f"A description has at most {MAX_DESCRIPTION:,} characters; this one has {len(description):,}."
        )


def check_code(code: str) -> None:
    """Python that parses and defines ``handler(event)`` at its top level. It is never run here."""
    if (size := len(code.encode("utf-8", "replace"))) > MAX_CODE:
        raise ValueError(f"Code has at most {MAX_CODE:,} bytes; this has {size:,}.")
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        raise ValueError(f"Line {error.lineno or 1}: {error.msg}.") from error
    except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes; nested too deeply for the parser
        raise ValueError("This cannot be read as Python.") from error
    handlers = [node for node in tree.body if _name_of(node) == "handler"]
    if not handlers:
        raise ValueError("The code defines no handler: write def handler(event): ...")
    if not isinstance(handlers[-1], ast.FunctionDef) or not _takes_one_argument(handlers[-1].args):
        raise ValueError("handler is a plain function with one argument: def handler(event): ...")


def check_tags(tags: list[str]) -> None:
    """A few short words."""
    if len(tags) > MAX_TAGS:
        raise ValueError(f"At most {MAX_TAGS} tags; there are {len(tags)}.")
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise ValueError(f"“{tag[:60]}” is no tag: up to 40 letters, digits, and . _ - between them.")


def check_tools(tools: list[str]) -> None:
    """Names like ``mail.send``."""
    if len(tools) > MAX_TOOLS:
        raise ValueError(f"At most {MAX_TOOLS} tools; there are {len(tools)}.")
    for tool in tools:
        if not _TOOL.fullmatch(tool):
            raise ValueError(f"“{tool[:60]}” is no name of a tool: small letters, digits and _, as in mail.send.")


def check_calls(calls: list[str]) -> None:
    """Not too many; whether they exist is the service's question."""
    if len(calls) > MAX_CALLS:
        raise ValueError(f"At most {MAX_CALLS} other agents; {len(calls)} are chosen.")


def check_status(status: str) -> None:
    """One of the three."""
    if status not in STATUSES:
        raise ValueError(f"The status is one of {', '.join(STATUSES)}.")


CHECKS: Final[Mapping[str, Callable[[Any], None]]] = {
    "name": check_name,
    "description": check_description,
    "code": check_code,
    "input_schema": check_schema,
    "output_schema": check_schema,
    "tools": check_tools,
    "calls": check_calls,
    "status": check_status,
    "tags": check_tags,
}
REQUIRED: Final = {"name": "Name is missing.", "code": "Code is missing."}


def problems_of(content: AgentContent) -> dict[str, list[Problem]]:
    """Everything that is wrong with the shape of ``content``, by field."""
    problems: dict[str, list[Problem]] = {}
    for field, check in CHECKS.items():
        value = getattr(content, field)
        if field in REQUIRED and not value.strip():
            problems[field] = [Problem("required", REQUIRED[field])]
            continue
        try:
            check(value)
        except ValueError as error:
            problems[field] = [Problem("invalid", str(error))]
    return problems


def _name_of(node: ast.stmt) -> str | None:
    """The name that a statement at the top level gives to a function or class."""
    return node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else None


def _takes_one_argument(arguments: ast.arguments) -> bool:
    positional = [*arguments.posonlyargs, *arguments.args]
    return len(positional) == 1 and not (arguments.vararg or arguments.kwarg or arguments.kwonlyargs)
