"""The files of a folder that hold numbered changes."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Final

from app.db.service import DatabaseService
from app.errors import WherryError

_FILE: Final = re.compile(r"(?P<number>\d{4})_[a-z0-9_]+\.py")

Step = Callable[[DatabaseService, bool], object]


class ChangeError(WherryError):
    """A numbered change cannot be made: the sentence names it, and what to do."""


@dataclass(frozen=True, slots=True)
class Change:
    """One file. ``digest`` tells whether it is still the one that was made."""

    name: str
    path: Path

    @property
    def digest(self) -> str:
        """Of the file's text."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def load(self) -> Step:
        """The file's ``run``; ChangeError if it has none or cannot be read."""
        spec = spec_from_file_location(f"document_change_{self.name}", self.path)
        if spec is None or spec.loader is None:
            raise ChangeError(f"{self.path.name} cannot be read as Python.")
        module = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except (SyntaxError, ImportError) as error:
            raise ChangeError(f"{self.path.name} cannot be read as Python: {error}.") from error
        run = getattr(module, "run", None)
        if not callable(run):
            raise ChangeError(f"{self.path.name} has no function run(database, dry_run).")
        made: Step = run
        return made


def find_changes(folder: Path) -> list[Change]:
    """The changes in a folder, in order; ChangeError for two with one number."""
    found = sorted(path for path in folder.glob("*.py") if _FILE.fullmatch(path.name))
    numbers: dict[str, str] = {}
    for path in found:
        number = path.name[:4]
        if number in numbers:
            raise ChangeError(f"{numbers[number]} and {path.name} have the same number: give one of them another.")
        numbers[number] = path.name
    return [Change(path.stem, path) for path in found]
