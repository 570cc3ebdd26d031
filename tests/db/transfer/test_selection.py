"""--collections and --tenants: every transfer command refuses those that match nothing, before it does anything."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.db import DatabaseService, open_database
from app.db.transfer.dumping import DumpOptions, dump
from app.db.transfer.errors import TransferRefused
from app.db.transfer.planning import PlanOptions, plan
from app.db.transfer.progress import Silent
from app.db.transfer.restoring import RestoreOptions, restore
from app.db.transfer.verifying import VerifyOptions, verify
from tests.db.transfer.kit import SCHEMA, carry, harbour, held

Narrow = Callable[..., object]


@pytest.fixture
def source() -> DatabaseService:
    opened = open_database("memory:", SCHEMA)
    harbour(opened)
    return opened


@pytest.fixture(params=["plan", "copy", "verify", "dump", "restore"])
def narrow(request: pytest.FixtureRequest, source: DatabaseService, tmp_path: Path) -> Narrow:
    """One of the commands, from a filled source to a target that stays empty when it refuses."""
    target = open_database("memory:", SCHEMA)
    file = tmp_path / "a.dump"
    if request.param == "restore":
        dump(source, tmp_path / "all.dump", DumpOptions(), Silent())
    calls: dict[str, Narrow] = {
        "plan": lambda **asked: plan(source, target, PlanOptions(**asked), Silent(), SCHEMA),
        "copy": lambda **asked: carry(source, target, **asked),
        "verify": lambda **asked: verify(source, target, VerifyOptions(pause=0.0, **asked), Silent()),
        "dump": lambda **asked: dump(source, file, DumpOptions(**asked), Silent()),
        "restore": lambda **asked: restore(tmp_path / "all.dump", target, RestoreOptions(**asked), Silent(), SCHEMA),
    }

    def call(**asked: Any) -> object:
        try:
            return calls[request.param](**asked)
        except TransferRefused:
            assert held(target) == {}
            assert not file.exists()
            raise

    return call


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"tenants": ()}, "--tenants is given, but names none"),
        ({"collections": ()}, "--collections is given, but names none"),
        ({"tenants": ("a/b",)}, "--tenants names 'a/b'"),
        ({"collections": ("Boats",)}, "--collections names 'Boats'"),
        ({"tenants": ("t1", "tpyo")}, "--tenants names 'tpyo'"),
        ({"tenants": ("t2",), "collections": ("notes",)}, "--tenants names 't2'.* in notes"),
        ({"tenants": ("t1",), "collections": ("boats", "harbours")}, "'harbours' is the installation's"),
    ],
)
def test_what_matches_nothing_is_refused(narrow: Narrow, asked: dict[str, Any], named: str) -> None:
    with pytest.raises(TransferRefused, match=named):
        narrow(**asked)


def test_what_matches_is_carried(narrow: Narrow) -> None:
    assert narrow(tenants=("t1", "t2"), collections=("boats",))


def test_a_tenant_of_which_only_the_target_has_documents_is_verified(source: DatabaseService) -> None:
    target = open_database("memory:", SCHEMA)
    target.save("t9/boats", "mine", {"n": 1})
    assert verify(source, target, VerifyOptions(tenants=("t9",), pause=0.0), Silent()).differing == {"extra": 1}
