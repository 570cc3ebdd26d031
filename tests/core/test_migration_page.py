"""The page on a live migration, in each of its states."""

import time

import pytest

from app.db.transfer.collections import MIGRATION_SCHEMA, STATE, WORKERS
from app.db.transfer.live.board import Run, Stage, write_run
from app.db.transfer.live.state import CURRENT, State
from tests.core.world import Browser, World, text_of

PATH = "/admin/migration"


@pytest.fixture
def admin(world: World) -> Browser:
    """A superuser's browser."""
    user = world.user(superuser=True)
    return world.signed_in(user)


def tell(world: World, stage: Stage, state: bool = True, **told: object) -> None:
    database = world.app.extensions["database"]
    database.prepare(MIGRATION_SCHEMA)
    run = Run("r", stage, "SQLite", "CouchDB", "SQLite", since=time.time(), **told)  # type: ignore[arg-type]
    write_run([database], run)
    if state:
        word = State("capturing", 2, "couchdb://host/wherry", "source", "m")
        database.save(STATE, CURRENT, word.document())


def test_without_a_migration_it_says_so(admin: Browser) -> None:
    answer = admin.get(PATH)
    assert "No migration" in text_of(answer)
    assert answer.headers["Refresh"] == "30"


def test_a_running_one_shows_every_figure_and_loads_itself_anew(world: World, admin: Browser) -> None:
    tell(world, "tail", copied=1_234_567, total=1_300_000, lag=10_000, rate=321.4, differences=0, checked=77, carried=9)
    world.app.extensions["database"].save(WORKERS, "vm-1", {"epoch": 2, "seen": time.time()})
    world.app.extensions["database"].save(WORKERS, "vm-2", {"epoch": 1, "seen": time.time()})
    answer = admin.get(PATH)
    words = text_of(answer)
    for expected in ("1,234,567", "10,000+", "321 a second", "77 documents", "vm-1 Yes", "vm-2 Not yet", "at work"):
        assert expected in words
    assert "Copy done, Follow now, Switch to come" in answer.get_data(as_text=True)
    assert answer.headers["Refresh"] == "3"


def test_the_bar_is_as_long_as_the_copy_is_far(world: World, admin: Browser) -> None:
    tell(world, "backfill", copied=250, total=1_000)
    assert "Copied: 25 percent" in admin.get(PATH).get_data(as_text=True)


def test_a_silent_runner_and_documents_that_do_not_fit_are_told(world: World, admin: Browser) -> None:
    tell(world, "tail", rejected=2, first=("t1/notes/a: too large", "<b>t1</b>"))
    database = world.app.extensions["database"]
    database.update(STATE, "run", lambda document: {**document, "at": time.time() - 60})
    answer = admin.get(PATH)
    words = text_of(answer)
    assert "not heard of for 60 seconds" in words
    assert "2 documents do not fit" in words
    assert "<b>t1" not in answer.get_data(as_text=True)


@pytest.mark.parametrize(("stage", "said"), [("finished", "for good"), ("forgotten", "given up")])
def test_the_end_is_told(world: World, admin: Browser, stage: Stage, said: str) -> None:
    tell(world, stage, state=False)
    assert said in text_of(admin.get(PATH))


def test_a_worker_that_does_not_reach_the_other_database_is_told_with_its_reason(world: World, admin: Browser) -> None:
    tell(world, "tail")
    database = world.app.extensions["database"]
    database.save(WORKERS, "vm-1", {"epoch": 2, "seen": time.time(), "problem": "<i>COUCHDB_PASSWORD</i> is not set."})
    database.save(WORKERS, "vm-2", {"epoch": 2, "seen": time.time(), "problem": ""})
    answer = admin.get(PATH)
    words = text_of(answer)
    assert "vm-1 Yes No <i>COUCHDB_PASSWORD</i> is not set." in words
    assert "vm-2 Yes Yes" in words
    assert "<i>COUCHDB" not in answer.get_data(as_text=True)


def test_many_workers_are_cut(world: World, admin: Browser) -> None:
    tell(world, "tail")
    for number in range(130):
        world.app.extensions["database"].save(WORKERS, f"vm-{number:03}", {"epoch": 2, "seen": time.time()})
    assert "And 30 more" in text_of(admin.get(PATH))


def test_nobody_else_may_see_it(world: World) -> None:
    assert world.signed_in(world.user("Bob")).get(PATH).status_code == 403
