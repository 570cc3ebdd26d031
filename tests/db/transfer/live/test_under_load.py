"""An application that moves to another database and back while people work with it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.db.contract.sizes import sized
from tests.db.transfer.live.moving import CLIENTS, disturb, failures, longest_pause, moving
from tests.run.load import Load
from tests.servers import require

MOVES = [
    pytest.param("sqlite", "sqlite", id="SQLite to SQLite", marks=pytest.mark.slow),
    pytest.param("sqlite", "couchdb", id="SQLite to CouchDB", marks=pytest.mark.server),
    pytest.param("couchdb", "dynamodb", id="CouchDB to DynamoDB", marks=pytest.mark.server),
    pytest.param("dynamodb", "firestore", id="DynamoDB to Firestore", marks=pytest.mark.server),
]
STRETCH = sized(2, 15)
"""Seconds of undisturbed work before, between and after the switches."""


@pytest.mark.parametrize(("source", "target"), MOVES)
def test_nothing_acknowledged_is_lost_there_and_back(
    source: str, target: str, tmp_path: Path, settings_root: Path, note_figure: Callable[[str], None]
) -> None:
    for name in {source, target}:
        require(name)
    with moving(tmp_path / "app", settings_root, source, target) as (move, app):
        load = Load(app.visitor, app.agents, CLIENTS)
        with load.running():
            load.wait_for_saves(1, 60)
            move.start()
            move.wait_verified("tail")
            time.sleep(STRETCH)
            woken = disturb(move, app, "cutover")
            woken.join()
            time.sleep(STRETCH)
            move.wait_verified("reverse")
            run = move.status()["run"]
            assert isinstance(run, dict)
            assert run["pause"] < 5.0
            move.switch("rollback")
            time.sleep(STRETCH)
        failed = failures(load, move)
        assert failed == [], "\n".join([*failed[:20], f"commands at {[at - move.began for at in move.commands]}"])
        assert load.lost() == []
        move.wait_verified("tail")
        time.sleep(1.0)
        assert move.differences() == []
        assert longest_pause(load) < 5.0
        acknowledged = sum(seen.kind == "save" and seen.normal for seen in load.seen)
        note_figure(
            f"{source} to {target} and back: {acknowledged} saves acknowledged, none lost; writes paused"
            f" {run['pause']:.2f} s for the cut-over, {longest_pause(load):.2f} s at most between two saves"
        )
