"""The database goes away and comes back while people work: they are told so soon, nothing is lost, all goes on.

The same tests for each database on a server. WORKERS x THREADS requests run at once, and four times as many clients as
that have connections to the database send them.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.db.contract.sizes import FULL, sized
from tests.run.database_servers import HOWS, Database, How, database
from tests.run.gunicorn_app import App, application
from tests.run.load import Load, Seen

pytestmark = [pytest.mark.server, pytest.mark.slow]

WORKERS, THREADS = 2, 4
CLIENTS = 4 * WORKERS * (THREADS - 1)
TOLD_WITHIN = sized(4.5, 3.0)
"""Seconds within which an answer has to be there; with slack where others use the machine, too."""
NORMAL_WITHIN = sized(7.5, 5.0)
"""Seconds after its return within which the database has to be in use again."""
BUSY = sized(0.02, 0.0)
"""How many of the answers thereafter may be refusals all the same: others may keep the machine busy."""
AWAY = sized(5.0, 8.0)
FREE_WITHIN = sized(1.5, 1.0)
"""Seconds within which 99 of 100 answers have to be there that need no database; clients use the processors, too."""
EVERY_DAY: dict[str, tuple[How, ...]] = {"couchdb": ("killed",), "dynamodb": ("silent",), "firestore": ("frozen",)}
CASES = [(name, how) for name, hows in (HOWS if FULL else EVERY_DAY).items() for how in hows]


@dataclass(frozen=True, slots=True)
class World:
    app: App
    database: Database


@pytest.fixture(scope="module")
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, settings_root: object
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp(request.param)
    with (
        database(request.param, folder) as opened,
        application(folder, settings_root, opened.variables, WORKERS, THREADS) as app,  # type: ignore[arg-type]
    ):
        yield World(app, opened)


@pytest.mark.parametrize(("world", "how"), CASES, indirect=["world"])
def test_an_outage_under_load_is_told_in_time_and_is_over_when_it_is_over(
    world: World, how: How, note_figure: Callable[[str], None]
) -> None:
    app, workers = world.app, world.app.booted()
    load = Load(app.visitor, app.agents, CLIENTS)
    with load.running():
        load.wait_for_saves(2, 60)
        world.database.go(how)
        gone = time.monotonic()
        try:
            time.sleep(AWAY)
        finally:
            still_gone = time.monotonic()
            world.database.come_back(how)
        back = time.monotonic()
        time.sleep(NORMAL_WITHIN + 3)
    assert load.problems() == []

    asked = [seen for seen in load.seen if seen.kind in ("page", "save")]
    away = [seen for seen in asked if gone <= seen.began and seen.ended <= still_gone]
    told = {seen.client for seen in asked if gone <= seen.ended <= still_gone}
    assert len(told) == CLIENTS, "everybody was answered"
    assert [seen for seen in away if not seen.refused] == []
    slowest = max(asked, key=lambda seen: seen.seconds)
    assert slowest.seconds <= TOLD_WITHIN, slowest
    last = max((seen.ended for seen in asked if not seen.normal), default=back)
    later = [seen for seen in asked if seen.ended > back + NORMAL_WITHIN]
    assert sum(not seen.normal for seen in later) <= BUSY * len(later), f"normal {last - back:.2f} s after its return"
    assert len({seen.client for seen in asked if seen.normal and seen.began > back}) == CLIENTS, "nobody is stuck"

    alive = of_kind(load, "healthz")
    assert [seen for seen in alive if not seen.normal] == []
    assert percentile(alive, 0.99) <= FREE_WITHIN
    ready = of_kind(load, "readyz")
    assert [seen for seen in ready if gone <= seen.began and seen.ended <= still_gone and not seen.refused] == []
    assert any(gone <= seen.began and seen.ended <= still_gone for seen in ready)
    assert [seen for seen in ready if seen.began > back + NORMAL_WITHIN and not seen.normal] == []
    assert max(seen.seconds for seen in ready) <= TOLD_WITHIN

    assert load.lost() == []
    assert app.booted() == workers, "no worker was started again"
    note_figure(
        f"{world.database.name} {how}: {len(away)} refused in {AWAY:.0f} s, the slowest answer in"
        f" {slowest.seconds:.2f} s, normal {max(0.0, last - back):.2f} s after its return, /healthz within"
        f" {percentile(alive, 0.99):.3f} s (99 %), {sum(len(one.kept) for one in load.clients)} agents kept"
    )


@pytest.mark.parametrize("world", list(HOWS), indirect=True)
def test_more_clients_than_connections_are_served_or_refused_and_get_their_own_answers(
    world: World, note_figure: Callable[[str], None]
) -> None:
    app, workers = world.app, world.app.booted()
    world.database.cable.delay = 0.1
    load = Load(app.visitor, app.agents, CLIENTS, pause=0.0)
    with load.running():
        load.wait_for_saves(1, 60)
        world.database.cable.become("slow")
        began = time.monotonic()
        time.sleep(AWAY)
        ended = time.monotonic()
        world.database.cable.become("whole")
        world.database.cable.delay = 10.0
        time.sleep(1)
    assert load.problems() == []
    asked = [seen for seen in load.seen if seen.kind in ("page", "save") and began <= seen.began <= ended]
    assert [seen for seen in asked if not (seen.normal or seen.refused)] == []
    assert any(seen.normal for seen in asked)
    slowest = max(asked, key=lambda seen: seen.seconds)
    assert slowest.seconds <= TOLD_WITHIN, slowest
    assert percentile(of_kind(load, "healthz"), 0.99) <= FREE_WITHIN
    assert load.lost() == []
    assert app.booted() == workers
    note_figure(
        f"{world.database.name}: {len(asked)} requests of {CLIENTS} clients,"
        f" {sum(seen.normal for seen in asked)} served, the slowest answer in {slowest.seconds:.2f} s"
    )


def of_kind(load: Load, kind: str) -> list[Seen]:
    """The answers to one kind of question."""
    return [seen for seen in load.seen if seen.kind == kind]


def percentile(seen: list[Seen], part: float) -> float:
    """How long that part of the answers took at most, in seconds."""
    times = sorted(one.seconds for one in seen)
    return times[min(len(times) - 1, int(part * len(times)))]
