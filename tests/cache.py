"""Test servers that a package manager brings once into the user's cache folder, for all later runs."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

_PATIENCE = 300.0


def cache_folder(name: str) -> Path:
    """Where something is kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "wherry" / name


def bring(
    folder: Path,
    order: tuple[str, str],
    command: Sequence[str],
    complete: Callable[[Path], object],
    seconds: float = 300,
) -> str:
    """Fill a cache folder that is not there yet; "" or why that failed.

    ``order`` is a file's name and text, which the command finds in the folder where it runs. Nobody ever meets a folder
    that is not complete, whoever else brings the same meanwhile.
    """
    work = folder.with_name(f"{folder.name}.{os.getpid()}")
    work.mkdir(parents=True, exist_ok=True)
    (work / order[0]).write_text(order[1], encoding="utf-8")
    try:
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        if done.returncode == 0 and complete(work) and not folder.exists():
            work.rename(folder)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]} did not bring it: {error}"
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return "" if complete(folder) else f"{command[0]} did not bring it: {(done.stdout + done.stderr)[-300:]}"
