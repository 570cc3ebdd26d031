"""The application on a database that can be read and not written, or not be reached at all."""

from pathlib import Path

import pytest

from app.db.backends.sqlite import SqliteDatabase
from app.db.transfer.live.routing import RoutedDatabase
from tests.core.world import Browser, World, text_of


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(DATABASE_PROVIDER="sqlite", SQLITE_PATH=str(tmp_path / "world.sqlite3"), MODULES=["agents"])


@pytest.fixture
def browser(world: World) -> Browser:
    ann = world.user("Ann")
    world.tenant(ann)
    return world.signed_in(ann)


def pragma(world: World, statement: str) -> None:
    assert isinstance(world.database, RoutedDatabase)
    home = world.database._home
    assert isinstance(home, SqliteDatabase)
    home._connection().execute(f"PRAGMA {statement}")


PAGES = ("/t/harbour/", "/t/harbour/agents/", "/t/harbour/members", "/t/harbour/audit", "/account", "/tenants")


@pytest.mark.parametrize("fault", ["max_page_count = 1", "query_only = ON"])
def test_a_disk_that_takes_no_writes_is_said_on_the_page_and_reading_goes_on(
    world: World, browser: Browser, fault: str
) -> None:
    before = world.everything()
    token = browser.token("/t/harbour/agents/new")
    pragma(world, fault)
    code = "def handler(event):\n    return 'low water'\n#" + "~" * 40_000  # more than the file's free pages hold
    answer = browser.post("/t/harbour/agents/new", {"name": "Tide", "status": "draft", "code": code}, token=token)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    shown = text_of(answer)
    assert "Nothing can be saved" in shown
    assert "Traceback" not in shown
    assert "sqlite3" not in shown
    for page in PAGES:
        assert browser.get(page).status_code == 200, page
    assert world.everything() == before


def test_a_database_that_is_no_database_is_an_outage_on_every_page(
    world: World, browser: Browser, tmp_path: Path
) -> None:
    world.database.close()
    for file in tmp_path.glob("world.sqlite3*"):
        file.unlink()
    (tmp_path / "world.sqlite3").write_bytes(b"no database" * 1_000)
    for page in PAGES:
        answer = browser.get(page)
        assert answer.status_code == 503, page
        assert answer.headers["Retry-After"]
        assert "Traceback" not in answer.get_data(as_text=True)
    assert world.app.test_client().get("/readyz", base_url="http://localhost").status_code == 503
    assert world.app.test_client().get("/healthz", base_url="http://localhost").status_code == 200
