"""Runs a table of commands and writes what came of each as a page of evidence, with the machine and the versions.

A step is a name, a command, and what it proves. Its figures are picked from what it printed by patterns with a group
named `figure`, or by a function of its own, such as from a JSON file in build/. The page says plainly which steps
failed, and the program's exit status is 0 only when all passed.

What came of each step is kept in build/evidence, with the commit it ran on, so that a few steps can be run again
(`--only`); the page is written once every step has run.
"""

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "evidence"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PYTEST_CLOSING = r"=+ (?P<figure>\d+ (?:passed|failed|error).*?) in [\d.]+s"
"""Picks the counts out of pytest's closing line (without -q)."""
PYTEST_QUIET = r"(?m)^(?P<figure>\d+ (?:passed|failed|error).*?) in [\d.]+s"

NOTED = r"(?m)^Figure: (?P<figure>.*)$"
"""Picks the lines that tests have noted (the fixture ``note_figure``)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to show. `command` is run without a shell, in the project's folder unless `folder` says otherwise."""

    name: str
    command: Sequence[str]
    proves: str
    figures: Sequence[str] = ()
    """Regular expressions on the output; the group `figure` of each (all its matches) goes on the page."""
    timeout: int = 1_800
    """Seconds after which the step counts as failed."""
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: Path = ROOT
    read: Callable[[], Sequence[str]] | None = None
    """Further figures, asked for when the command has passed, such as from build/bench.json."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step; `status` is the exit status, or None when it ran out of time."""

    status: int | None
    seconds: float
    figures: tuple[str, ...]
    log: str
    commit: str

    @property
    def passed(self) -> bool:
        """Whether the command ended with 0."""
        return self.status == 0


def run(step: Step) -> Outcome:
    """Run one step; its whole output goes to build/evidence/<name>.log."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{re.sub(r'[^a-z0-9]+', '-', step.name.lower()).strip('-')}.log"
    commit = _commit()
    started = time.monotonic()
    status: int | None
    with log.open("w", encoding="utf-8") as output:
        try:
            status = subprocess.run(
                step.command,
                cwd=step.folder,
                env={**os.environ, **step.variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=step.timeout,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            status = None
        except OSError as error:
            output.write(f"{error}\n")
            status = 127
    seconds = time.monotonic() - started
    text = log.read_text(encoding="utf-8", errors="replace")
    figures = [match["figure"].strip() for pattern in step.figures for match in re.finditer(pattern, text)]
    if status == 0 and step.read is not None:
        figures += step.read()
    return Outcome(status, seconds, tuple(figures), log.name, commit)


def _commit() -> str:
    """The commit that is checked out, marked where the work tree differs from it."""
    changed = _first_line(["git", "status", "--porcelain", "--untracked-files=no"]) not in ("unknown", "")
    return _first_line(["git", "rev-parse", "--short=12", "HEAD"]) + (" with changes" if changed else "")


def bench_figures(file: str = "bench.json") -> list[str]:
    """A line for each measurement in a file in build/: ratio, its 95 % interval, and the goal where it has one."""
    lines = []
    for entry in json.loads((ROOT / "build" / file).read_text(encoding="utf-8")):
        line = f"{entry['name']}: {entry['ratio']:.2f}"
        low, high = entry.get("low", entry["ratio"]), entry.get("high", entry["ratio"])
        if low != high:
            line += f" ({low:.2f} to {high:.2f})"
        # A goal is missed only when the whole interval misses it: see bench/intervals.py.
        if "at_most" in entry:
            line += f", at most {entry['at_most']}: {'kept' if low <= entry['at_most'] else 'NOT KEPT'}"
        elif "at_least" in entry:
            line += f", at least {entry['at_least']}: {'kept' if high >= entry['at_least'] else 'NOT KEPT'}"
        lines.append(line)
    return lines


def versions() -> list[tuple[str, str]]:
    """What the figures were measured on. Nothing that names a machine, a person or a folder."""
    found = [
        ("System", f"{platform.system()} {platform.release()} on {platform.machine()}, {os.cpu_count()} processors"),
        ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
        ("SQLite", sqlite3.sqlite_version),
    ]
    found += [(name, metadata.version(name)) for name in ("flask", "gunicorn", "pydantic", "dynaconf", "orjson")]
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    found.append(("Browser", _first_line([browser, "--version"]) if browser else "none"))
    return found


def _first_line(command: Sequence[str]) -> str:
    try:
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return (ended.stdout.strip().splitlines() or ["unknown"])[0]


def page(
    title: str,
    introduction: str,
    shown: Sequence[tuple[Step, Outcome]],
    further_versions: Sequence[tuple[str, str]] = (),
    missing: Sequence[Step] = (),
) -> str:
    """The page in Markdown; ``missing`` are steps that have not run."""
    passed, number = sum(outcome.passed for _, outcome in shown), len(shown) + len(missing)
    lines = [
        f"# {title}",
        "",
        introduction,
        "",
        f"Written by a program on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: **{passed} of {number} steps passed**.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in [*versions(), *further_versions]),
        "",
        "| step | result | seconds | on commit | what it shows |",
        "|---|---|---|---|---|",
        *(
            f"| {step.name} | {_result(outcome)} | {outcome.seconds:.0f} | {outcome.commit} | {step.proves} |"
            for step, outcome in shown
        ),
        *(f"| {step.name} | **not run** | | | {step.proves} |" for step in missing),
    ]
    for step, outcome in shown:
        lines += ["", f"## {step.name}", "", step.proves, "", "```", _shown(step), "```", ""]
        lines += [f"- {figure}" for figure in outcome.figures]
        lines += [f"- exit status {outcome.status}" if outcome.status is not None else "- ran out of time"]
    return "\n".join(lines) + "\n"


def _result(outcome: Outcome) -> str:
    return "passed" if outcome.passed else ("**out of time**" if outcome.status is None else "**failed**")


def _shown(step: Step) -> str:
    """The command as somebody would type it, without this machine's folders."""
    variables = [f"{name}={shlex.quote(value)}" for name, value in step.variables.items()]
    command = ["python" if word == sys.executable else word.replace(f"{ROOT}/", "") for word in step.command]
    return " ".join([*variables, shlex.join(command)])


def _kept(target: Path) -> Path:
    return LOGS / f"{target.stem}.json"


def _load(target: Path) -> dict[str, Outcome]:
    """What came of each step when it last ran, by the step's name."""
    if not _kept(target).exists():
        return {}
    found = json.loads(_kept(target).read_text(encoding="utf-8"))
    return {name: Outcome(**{**fields, "figures": tuple(fields["figures"])}) for name, fields in found.items()}


def _save(target: Path, name: str, outcome: Outcome) -> None:
    """Beside what is there by now: two runs with --only may go on at once."""
    fields = {step: asdict(kept) for step, kept in {**_load(target), name: outcome}.items()}
    _kept(target).write_text(json.dumps(fields, indent=1), encoding="utf-8")


def main(
    title: str,
    introduction: str,
    target: Path,
    steps: Sequence[Step],
    further_versions: Callable[[], Sequence[tuple[str, str]]] = tuple,
) -> None:
    """Run every step, or with --only some of them; write the page; leave with 0 if all that have run passed."""
    arguments = argparse.ArgumentParser(description=introduction)
    arguments.add_argument("--only", help="run only the steps whose name contains this, again")
    arguments.add_argument("--unfinished", action="store_true", help="write the page although steps have not run yet")
    arguments.add_argument("--list", action="store_true", help="list the steps and run nothing")
    chosen = arguments.parse_args()
    wanted = [step for step in steps if chosen.only is None or chosen.only.lower() in step.name.lower()]
    if chosen.list:
        for step in wanted:
            print(f"{step.name}: {_shown(step)}")
        return
    if chosen.only is None:
        _kept(target).unlink(missing_ok=True)
    for number, step in enumerate(wanted, start=1):
        print(f"[{number}/{len(wanted)}] {step.name} ...", end=" ", flush=True)
        outcome = run(step)
        _save(target, step.name, outcome)
        print(f"{_result(outcome).strip('*')} in {outcome.seconds:.0f} s", *outcome.figures, sep="\n    ", flush=True)
        if not outcome.passed:
            tail = (LOGS / outcome.log).read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
            print(*(f"    | {line}" for line in tail), sep="\n", flush=True)
    outcomes = _load(target)
    missing = [step for step in steps if step.name not in outcomes]
    if missing and not chosen.unfinished:
        names = ", ".join(step.name for step in missing)
        print(f"not written: {target.relative_to(ROOT)}, as these have not run yet: {names}")
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shown = [(step, outcomes[step.name]) for step in steps if step.name in outcomes]
        target.write_text(page(title, introduction, shown, further_versions(), missing), encoding="utf-8")
        print(f"wrote {target.relative_to(ROOT)}")
    sys.exit(0 if all(outcome.passed for outcome in outcomes.values()) else 1)
