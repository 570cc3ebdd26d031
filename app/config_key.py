"""The signing key that development makes for itself."""

import contextlib
import os
import secrets
from pathlib import Path

from app.config_files import SettingsError
from app.settings import SHORTEST_KEY

FILE_NAME = "development-secret-key"


def development_key(instance: Path, in_memory: bool = False) -> str:
    """The key of this installation, made at the first call: `<instance>/development-secret-key`, for its owner only.

    Workers that start at the same moment get the same key: each writes a file of its own, and the first to link it to
    the final name wins. With `in_memory` nothing is written, and every call answers a new key.
    """
    if in_memory:
        return secrets.token_urlsafe(48)
    path = instance / FILE_NAME
    try:
        if not path.exists():
            _make(path)
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SettingsError(
            f"SECRET_KEY is not set and the development key {path} cannot be made or read: {reason}"
        ) from error
    if len(key) < SHORTEST_KEY:
        raise SettingsError(f"The development key {path} is too short to be one: delete the file")
    return key


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
        with contextlib.suppress(FileExistsError):  # another worker was first: its key counts
            os.link(draft, path)
    finally:
        draft.unlink()
