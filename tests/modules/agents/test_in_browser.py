"""Two people in two browsers, the keyboard, no scripts, small screens: the pages in a headless Chromium."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from app.db import DatabaseService, open_database
from app.db.actors import Actor
from app.db.unit_of_work import UnitOfWork
from app.modules.agents.entities import Agent
from app.modules.agents.samples import add_samples
from app.modules.agents.services import AgentService
from tests.browsers import AUDIT, served
from tests.modules.agents.application import COOKIE, make_app, schema_of_agents
from tests.modules.agents.given import content, create
from tests.modules.conftest import OpenUnit, on_one_database

pytestmark = [pytest.mark.browser, on_one_database]
LONG = "Donaudampfschiffahrtsgesellschaft" * 9
OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[str, list[DatabaseService]]]:
    """The application's address, and a list in which each test puts its own database."""
    app = make_app(
        open_database("memory:", schema_of_agents(), strict=True),
        ALLOWED_HOSTS=["127.0.0.1"],
        WTF_CSRF_ENABLED=True,
        PROPAGATE_EXCEPTIONS=False,
    )
    databases: list[DatabaseService] = []
    app.before_request(lambda: app.extensions.update(database=databases[-1]))
    with served(app) as address:
        yield address, databases


@pytest.fixture
def open_page(
    browser: Browser, site: tuple[str, list[DatabaseService]], database: DatabaseService
) -> Iterator[OpenPage]:
    """``open_page("Jonas", width=360)``: a browser of its own for one person, at the list of agents.

    An error in a console, such as a blocked script, fails the test.
    """
    base, databases = site
    databases.append(database)
    wrong: list[str] = []
    opened = []

    def open_for(who: str = "Maren", width: int = 1280, scheme: str = "light", scripts: bool = True) -> Page:
        context = browser.new_context(
            base_url=f"{base}/t/harbour/agents/",
            viewport={"width": width, "height": 860},
            color_scheme=scheme,  # type: ignore[arg-type]
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        context.add_cookies([{"name": COOKIE, "value": who, "url": base}])
        opened.append(context)
        page = context.new_page()
        expected = ("status of 409", "status of 422")
        page.on(
            "console",
            lambda message: (
                wrong.append(message.text)
                if message.type == "error" and not any(part in message.text for part in expected)
                else None
            ),
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto("")
        return page

    yield open_for
    for context in opened:
        context.close()
    assert wrong == []


def stored(unit: OpenUnit, agent: Agent) -> Agent:
    return AgentService(unit()).get(agent.id)


def history(unit: OpenUnit, agent: Agent) -> list[str]:
    service = AgentService(unit())
    return [service.version(agent.id, number).description for number in range(1, stored(unit, agent).newest + 1)]


def collide(open_page: OpenPage, agent: Agent) -> Page:
    """Maren and Jonas open the form, Maren saves, then Jonas; answers his page."""
    maren, jonas = open_page("Maren"), open_page("Jonas")
    for page in (maren, jonas):
        page.goto(f"{agent.id}/edit")
    maren.get_by_label("Description").fill("by Maren")
    maren.get_by_role("button", name="Save").click()
    maren.wait_for_url(f"**/{agent.id}")
    jonas.get_by_label("Description").fill("by Jonas")
    jonas.get_by_label("Tags").fill("jonas")
    jonas.get_by_role("button", name="Save").click()
    jonas.get_by_role("heading", name="Two versions of Greeter").wait_for()
    assert "Maren saved version 2" in jonas.inner_text("main")
    assert "by Maren" in jonas.inner_text("main")
    assert "by Jonas" in jonas.inner_text("main")
    return jonas


class TestTwoBrowsersEditOneAgent:
    def test_the_second_keeps_all_of_theirs_and_finds_what_was_typed_in_the_history(
        self, open_page: OpenPage, unit: OpenUnit
    ) -> None:
        agent = create(unit, description="before")
        jonas = collide(open_page, agent)
        jonas.get_by_role("button", name="Keep all of theirs").click()
        jonas.wait_for_url(f"**/{agent.id}")
        assert stored(unit, agent).description == "by Maren"
        assert history(unit, agent) == ["before", "by Maren", "by Jonas"]

    def test_the_second_keeps_all_of_theirs_own_and_the_first_is_in_the_history(
        self, open_page: OpenPage, unit: OpenUnit
    ) -> None:
        agent = create(unit, description="before")
        jonas = collide(open_page, agent)
        jonas.get_by_role("button", name="Keep all of yours").click()
        jonas.wait_for_url(f"**/{agent.id}")
        assert stored(unit, agent).description == "by Jonas"
        assert history(unit, agent) == ["before", "by Maren", "by Jonas"]

    def test_the_second_chooses_field_by_field_with_the_keyboard(self, open_page: OpenPage, unit: OpenUnit) -> None:
        agent = create(unit, description="before")
        jonas = collide(open_page, agent)
        description = jonas.get_by_role("group", name="Description")
        assert description.get_by_label("Keep yours").is_checked()
        description.get_by_label("Keep yours").focus()
        jonas.keyboard.press("ArrowUp")
        assert description.get_by_label("Keep theirs").is_checked()
        jonas.get_by_role("button", name="Save what is chosen above").focus()
        jonas.keyboard.press("Enter")
        jonas.wait_for_url(f"**/{agent.id}")
        now = stored(unit, agent)
        assert (now.description, now.tags, now.version) == ("by Maren", ["jonas"], 4)
        assert history(unit, agent) == ["before", "by Maren", "by Jonas", "by Maren"]

    def test_the_second_merges_by_hand(self, open_page: OpenPage, unit: OpenUnit) -> None:
        agent = create(unit, description="before")
        jonas = collide(open_page, agent)
        jonas.get_by_role("button", name="Merge by hand").click()
        assert jonas.get_by_label("Description").input_value() == "by Jonas"
        assert "by Maren" in jonas.inner_text("main")
        jonas.get_by_label("Description").fill("by Maren and Jonas")
        jonas.get_by_role("button", name="Save").click()
        jonas.wait_for_url(f"**/{agent.id}")
        assert history(unit, agent) == ["before", "by Maren", "by Maren and Jonas"]

    def test_going_back_from_the_conflict_finds_the_form_as_it_was_typed(
        self, open_page: OpenPage, unit: OpenUnit
    ) -> None:
        agent = create(unit, description="before")
        jonas = collide(open_page, agent)
        jonas.go_back()
        assert jonas.get_by_label("Description").input_value() == "by Jonas"


def test_an_agent_is_created_with_the_keyboard_alone(open_page: OpenPage, unit: OpenUnit) -> None:
    page = open_page()
    link = page.get_by_role("link", name="Create the first agent")
    while not link.evaluate("e => e === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/agents/new")
    for label, text in (("Name", "Typed"), ("Description", "without a mouse")):
        while not page.get_by_label(label, exact=False).first.evaluate("e => e === document.activeElement"):
            page.keyboard.press("Tab")
        page.keyboard.type(text)
    button = page.get_by_role("button", name="Create agent")
    for _ in range(12):
        if button.evaluate("e => e === document.activeElement"):
            break
        page.keyboard.press("Tab")  # a code box lets the key through
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Typed").wait_for()
    assert "Typed was created." in page.inner_text("main")


def test_everything_works_without_scripts(open_page: OpenPage, unit: OpenUnit) -> None:
    agent = create(unit, "Greeter", status="active")
    create(unit, "Tide table")
    page = open_page(scripts=False)
    page.get_by_label("Beginning of the name").fill("gre")
    page.get_by_role("button", name="Apply").click()
    assert page.locator("tbody tr").count() == 1
    page.goto(f"{agent.id}/edit")
    page.get_by_label("Tide table").check()
    page.get_by_role("button", name="Save").click()
    assert page.get_by_role("link", name="Tide table").is_visible()
    page.get_by_role("link", name="History").click()
    page.get_by_role("button", name="Compare the two").click()
    assert "May call" in page.inner_text("main")
    page.goto(f"{agent.id}/versions/1")
    page.get_by_role("button", name="Restore this version").click()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete").click()
    assert "This agent was deleted." in page.inner_text("main")
    page.get_by_role("link", name="Version 2").click()
    page.get_by_role("button", name="Bring the agent back").click()
    assert stored(unit, agent).version == 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_every_page_passes_the_accessibility_check(
    open_page: OpenPage, unit: OpenUnit, database: DatabaseService, width: int, scheme: str
) -> None:
    page = open_page(width=width, scheme=scheme)
    found = {"empty": page.evaluate(AUDIT)}
    agent = fill(database)
    id = agent.id
    paths = [
        "",
        "?q=nothing",
        "new",
        f"{id}/edit",
        id,
        f"{id}/history",
        f"{id}/versions/1",
        f"{id}/compare",
        f"{id}/delete",
    ]
    for path in paths:
        page.goto(path)
        found[path] = page.evaluate(AUDIT)
    page.goto("new")
    page.get_by_role("button", name="Create agent").click()
    found["wrong"] = page.evaluate(AUDIT)
    page.goto(f"{id}/edit")
    uow = unit("Jonas")
    service = AgentService(uow)
    service.change(id, service.get(id).rev or "", service.get(id).content().model_copy(update={"code": content().code}))
    uow.commit()
    page.get_by_label("Description").fill("mine")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="Two versions of").wait_for()
    found["conflict"] = page.evaluate(AUDIT)
    page.get_by_role("button", name="Merge by hand").click()
    page.get_by_role("heading", name="Merge").wait_for()
    found["merge"] = page.evaluate(AUDIT)
    assert {path: problems for path, problems in found.items() if problems} == {}


def fill(database: DatabaseService) -> Agent:
    """The samples, and an agent with the longest of everything, changed once."""
    with UnitOfWork(database, tenant_id="t1", actor=Actor("user", "ada", "Ada " + LONG[:80])) as uow:
        add_samples(uow)
        long = content(LONG, description=LONG, tags=["t" * 40] * 1 + ["u" * 40], tools=["x" * 39], input_schema="{}")
        agent = AgentService(uow).create(long)
        uow.commit()
    with UnitOfWork(database, tenant_id="t1", actor=Actor("user", "ada", "Ada " + LONG[:80])) as uow:
        service = AgentService(uow)
        now = service.get(agent.id)
        changed = now.content().model_copy(update={"tags": ["new"], "code": now.code + f"\n\n\nX = '{LONG}'"})
        service.change(now.id, now.rev or "", changed)
        uow.commit()
    return agent
