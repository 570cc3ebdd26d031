"""Runs a table of commands and writes what came of each as a page of evidence, with the machine and the versions.

A step is a name, a command, and what it proves. Its figures are picked from what it printed by patterns with a group
named `figure`, or by a function of its own, such as from a JSON file in build/. The page says plainly which steps
failed, and the program's exit status is 0 only when all passed.
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
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "evidence"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PYTEST_CLOSING = r"=+ (?P<figure>\d+ (?:passed|failed|error).*?) in [\d.]+s"
"""Picks the counts out of pytest's closing line (without -q)."""
PYTEST_QUIET = r"(?m)^(?P<figure>\d+ (?:passed|failed|error).*?) in [\d.]+s"


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

    step: Step
    status: int | None
    seconds: float
    figures: tuple[str, ...]
    log: Path

    @property
    def passed(self) -> bool:
        """Whether the command ended with 0."""
        return self.status == 0


def run(step: Step, number: int) -> Outcome:
    """Run one step; its whole output goes to build/evidence/NN-name.log."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{number:02}-{re.sub(r'[^a-z0-9]+', '-', step.name.lower()).strip('-')}.log"
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
    return Outcome(step, status, seconds, tuple(figures), log)


def bench_figures() -> list[str]:
    """A line for each measurement in build/bench.json, with its bound and whether it is kept."""
    lines = []
    for entry in json.loads((ROOT / "build" / "bench.json").read_text(encoding="utf-8")):
        ratio, line = entry["ratio"], f"{entry['name']}: {entry['ratio']:.2f}"
        if "at_most" in entry:
            line += f", at most {entry['at_most']}: {'kept' if ratio <= entry['at_most'] else 'NOT KEPT'}"
        elif "at_least" in entry:
            line += f", at least {entry['at_least']}: {'kept' if ratio >= entry['at_least'] else 'NOT KEPT'}"
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
    found.append(("Commit", _first_line(["git", "rev-parse", "--short=12", "HEAD"])))
    return found


def _first_line(command: Sequence[str]) -> str:
    try:
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return (ended.stdout.strip().splitlines() or ["unknown"])[0]


def page(title: str, introduction: str, outcomes: Sequence[Outcome], total: int) -> str:
    """The page in Markdown."""
    passed = sum(outcome.passed for outcome in outcomes)
    lines = [
        f"# {title}",
        "",
        introduction,
        "",
        f"Written by a program on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: **{passed} of {total} steps passed**.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in versions()),
        "",
        "| step | result | seconds | what it shows |",
        "|---|---|---|---|",
        *(
            f"| {outcome.step.name} | {_result(outcome)} | {outcome.seconds:.0f} | {outcome.step.proves} |"
            for outcome in outcomes
        ),
    ]
    for outcome in outcomes:
        lines += ["", f"## {outcome.step.name}", "", outcome.step.proves, "", "```", _shown(outcome.step), "```", ""]
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


def main(title: str, introduction: str, target: Path, steps: Sequence[Step]) -> None:
    """Run every step, or with --only those whose name contains a text; write the page; leave with 0 if all passed."""
    arguments = argparse.ArgumentParser(description=introduction)
    arguments.add_argument("--only", help="only the steps whose name contains this; the page is printed, not written")
    arguments.add_argument("--list", action="store_true", help="list the steps and run nothing")
    chosen = arguments.parse_args()
    wanted = [step for step in steps if chosen.only is None or chosen.only.lower() in step.name.lower()]
    if chosen.list:
        for step in wanted:
            print(f"{step.name}: {_shown(step)}")
        return
    outcomes = []
    for number, step in enumerate(wanted, start=1):
        print(f"[{number}/{len(wanted)}] {step.name} ...", end=" ", flush=True)
        outcome = run(step, number)
        outcomes.append(outcome)
        print(f"{_result(outcome).strip('*')} in {outcome.seconds:.0f} s", *outcome.figures, sep="\n    ", flush=True)
        if not outcome.passed:
            tail = outcome.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
            print(*(f"    | {line}" for line in tail), sep="\n", flush=True)
    text = page(title, introduction, outcomes, len(wanted))
    if chosen.only is None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        print(f"wrote {target.relative_to(ROOT)}")
    else:
        print(text)
    sys.exit(0 if all(outcome.passed for outcome in outcomes) else 1)
