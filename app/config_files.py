"""Settings files as they are written: syntax, sections, unknown names, and the line where a value stands."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from app.errors import WherryError

_SYNTAX = re.compile(r"^(?P<problem>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)$", re.DOTALL)


class SettingsError(WherryError):
    """The settings cannot be used; the text is one sentence that names the setting and where it stands."""

    title = "The settings are not usable"


class SECTIONS:
    """The sections that a settings file may have."""

    ALL = ("default", "development", "testing", "production", "global")

    @staticmethod
    def for_environment(environment: str) -> tuple[str, str, str]:
        """The sections that count in an environment, the stronger one later."""
        return ("default", environment, "global")


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """One parsed file; names of sections are in lower case, names of settings in upper case."""

    path: Path
    lines: tuple[str, ...]
    sections: Mapping[str, Mapping[str, Any]]

    def section(self, name: str) -> Mapping[str, Any]:
        """The settings of a section; empty when the file has none of that name."""
        return self.sections.get(name, {})

    def place(self, setting: str, section: str | None = None) -> str:
        """`file, line n` of a setting, for messages."""
        current = ""
        for number, line in enumerate(self.lines, start=1):
            stripped = line.strip()
            if stripped.startswith("["):
                current = stripped.strip("[] \t").split("]")[0].strip("\"' ").lower()
            name = stripped.split("=")[0].strip().strip("\"'").upper()
            if name == setting and section in (None, current) and "=" in stripped:
                return f"{self.path.name}, line {number}"
        return self.path.name

    def check(self, known: frozenset[str], secrets: frozenset[str]) -> None:
        """Raises SettingsError for a setting that does not exist, and for a secret in a file that is not for them."""
        for section, settings in self.sections.items():
            for name, value in settings.items():
                if name not in known:
                    near = get_close_matches(name, known, n=1)
                    hint = f"; did you mean {near[0]}?" if near else ""
                    raise SettingsError(f"{name} is no setting of Wherry (in {self.place(name, section)}){hint}")
                if name in secrets and value and not self.path.name.startswith(".secrets"):
                    raise SettingsError(f"{name} belongs in .secrets.local.toml (in {self.place(name, section)})")


def read_file(path: Path) -> SettingsFile:
    """Reads and parses one file. Raises SettingsError with file, line and, where it is known, the setting."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    lines = tuple(text.splitlines())
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(_syntax_message(path, lines, str(error))) from error

    sections: dict[str, dict[str, Any]] = {}
    for name, content in data.items():
        if not isinstance(content, dict):
            raise SettingsError(f"{path.name}: {name} stands before any section; the first one should be [default]")
        if name.lower() not in SECTIONS.ALL:
            allowed = ", ".join(SECTIONS.ALL)
            raise SettingsError(f"{path.name}: there is no environment [{name}]; the sections are {allowed}")
        sections[name.lower()] = {key.upper(): value for key, value in content.items()}
    return SettingsFile(path, lines, sections)


def _syntax_message(path: Path, lines: tuple[str, ...], problem: str) -> str:
    match = _SYNTAX.match(problem)
    if match is None or match["line"] is None:
        number = len(lines)
    else:
        number = int(match["line"])
        problem = match["problem"]
    # The name alone: what stands behind it may be a secret.
    setting = lines[number - 1].partition("=") if 0 < number <= len(lines) else ("", "", "")
    named = f" ({setting[0].strip()})" if setting[1] else ""
    return f"{path.name}, line {number}{named}: this is not valid TOML: {problem}"
