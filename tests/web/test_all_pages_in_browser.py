"""Every page that a link leads to, one for each route: the accessibility check and a clean console."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page
from werkzeug.exceptions import HTTPException

from tests.browsers import AUDIT, served
from tests.core.world import PASSWORD, World

pytestmark = pytest.mark.browser
MOST_PAGES = 60


@pytest.fixture
def world() -> World:
    """A tenant with its sample data, and two people in it."""
    world = World(MODULES=["agents"])
    world.app.config["PROPAGATE_EXCEPTIONS"] = False
    owner = world.user("Ann")
    tenant = world.tenant(owner, "Harbour Works", "harbour")
    world.join(tenant, world.user("Bob"), "member")
    with world.unit(tenant.id) as uow:
        for provide in world.app.extensions["wherry"].sample_data:
            provide(uow)
    return world


@pytest.fixture
def base(world: World) -> Iterator[str]:
    with served(world.app) as address:
        yield address


def endpoint_of(world: World, path: str) -> str | None:
    """The route behind an address; None for what is no page: a file to download, another host."""
    try:
        endpoint, _ = world.app.url_map.bind("localhost").match(path, method="GET")
    except HTTPException:
        return None
    return None if "file" in endpoint or endpoint == "static" else str(endpoint)


def sign_in(page: Page) -> None:
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill("ann@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_every_page_passes_the_accessibility_check(
    browser: Browser, base: str, world: World, width: int, scheme: str
) -> None:
    context = browser.new_context(
        base_url=base,
        viewport={"width": width, "height": 860},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    found: dict[str, list[str]] = {}

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            found.setdefault(urlsplit(page.url).path, []).append(message.text)

    page.on("console", note)
    sign_in(page)
    waiting = ["/", "/t/harbour/", "/account"]
    seen: set[str] = set()
    while waiting and len(seen) < MOST_PAGES:
        address = waiting.pop(0)
        endpoint = endpoint_of(world, urlsplit(address).path)
        if endpoint is None or endpoint in seen:
            continue
        seen.add(endpoint)
        page.goto(address)
        found.setdefault(endpoint, []).extend(page.evaluate(AUDIT))
        hrefs: list[str] = page.evaluate("[...document.links].map((link) => link.href)")
        waiting += [href.removeprefix(base) for href in hrefs if href.startswith(base)]
    context.close()
    assert len(seen) >= 12, seen
    assert {where: problems for where, problems in found.items() if problems} == {}
