"""`wherry db changes`, and a change run as a script."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.db import open_database
from app.modules.agents.entities import Agent

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "migrations_scripts" / "0001_agent_name_keys.py"


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/changes.sqlite3"
    service = open_database(url)
    service.save("acme/agents", "a1", Agent(id="a1", name="Ann's  HELPER", name_key="old").to_document())
    service.close()
    return url


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ENV_FOR_DYNACONF": "testing"}
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)


def name_key_in(url: str) -> object:
    service = open_database(url)
    try:
        return service.get("acme/agents", "a1")["name_key"]
    finally:
        service.close()


def test_a_change_is_a_script_of_its_own(url: str) -> None:
    tried = run(str(SCRIPT), "--url", url, "--dry-run")
    assert (tried.returncode, tried.stdout) == (
        0,
        "would make 0001_agent_name_keys: 1 of 1 documents changed\n",
    ), tried.stderr
    assert name_key_in(url) == "old"
    made = run(str(SCRIPT), "--url", url)
    assert made.stdout == "made       0001_agent_name_keys: 1 of 1 documents changed\n"
    assert name_key_in(url) == "ann's helper"


def test_the_command_says_how_each_change_stands(url: str) -> None:
    command = ("-m", "app.cli", "db", "changes", "--url", url)
    listed = json.loads(run(*command, "--list", "--json").stdout)
    assert listed["changes"][0] == {"name": "0001_agent_name_keys", "state": "pending", "note": ""}
    assert run(*command).returncode == 0
    assert run(*command).stdout == "Every change is made already.\n"
    (standing,) = json.loads(run(*command, "--list", "--json").stdout)["changes"]
    assert standing["state"] == "done"
    assert "1 of 1 documents changed" in standing["note"]


def test_a_change_that_is_not_there_is_named(url: str) -> None:
    ended = run("-m", "app.cli", "db", "changes", "--url", url, "--only", "0999")
    assert ended.returncode == 1
    assert ended.stderr == "Error: There is no change '0999' in migrations_scripts. There are: 0001_agent_name_keys.\n"
