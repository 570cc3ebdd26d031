"""The menu in the header that leads from one tenant to another: by mouse, by keyboard, without scripts, at 360 px."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browsers import AUDIT, served
from tests.core.world import PASSWORD, World

pytestmark = pytest.mark.browser


@pytest.fixture
def base(world: World) -> Iterator[str]:
    """Ann is in three tenants; one has a long name that looks like markup."""
    ann = world.user("Ann")
    for name, slug in (("Harbour", "harbour"), ("Pier", "pier"), ("<b>Quay</b> " + "of long names " * 6, "quay")):
        world.tenant(ann, name.strip(), slug)
    world.tenant(world.user("Eve"), "Elsewhere", "elsewhere")
    with served(world.app) as address:
        yield address


def sign_in(browser: Browser, base: str, *, scripts: bool = True, width: int = 1280) -> Page:
    context = browser.new_context(
        base_url=base, java_script_enabled=scripts, viewport={"width": width, "height": 700}, color_scheme="dark"
    )
    page = context.new_page()
    page.goto("/sign-in?next=/t/harbour/")
    page.get_by_label("E-mail").fill("ann@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/t/harbour/")
    return page


@pytest.mark.parametrize("width", [1280, 360])
def test_it_lists_ones_tenants_when_it_is_opened_and_leads_to_them(browser: Browser, base: str, width: int) -> None:
    page = sign_in(browser, base, width=width)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(base)))
    page.goto("/t/pier/members")
    assert "/tenants/menu?here=pier" not in asked, "nothing is loaded before the menu is opened"
    page.locator(".places summary").click()
    entries = page.get_by_role("list", name="Your tenants").get_by_role("link")
    expect(entries).to_have_count(3)
    assert asked.count("/tenants/menu?here=pier") == 1
    assert [name.partition(" of")[0] for name in entries.locator(".clip").all_inner_texts()] == [
        "Pier",
        "<b>Quay</b>",
        "Harbour",
    ]
    expect(page.locator(".places [aria-current=true] .clip")).to_have_text("Pier")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(AUDIT) == []
    entries.filter(has_text="Harbour").click()
    page.wait_for_url("**/t/harbour/")


def test_the_keyboard_alone_gets_to_another_tenant(browser: Browser, base: str) -> None:
    page = sign_in(browser, base)
    page.locator(".places summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("list", name="Your tenants").get_by_role("link")).to_have_count(3)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    expect(page.locator(".places summary")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Pier")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/t/pier/")


def test_a_list_that_cannot_be_loaded_is_said_and_tried_again(browser: Browser, base: str) -> None:
    page = sign_in(browser, base)

    def refuse(route: Route) -> None:
        route.abort()

    page.route("**/tenants/menu*", refuse)
    summary = page.locator(".places summary")
    summary.click()
    expect(page.get_by_role("status").filter(has_text="could not be loaded")).to_be_visible()
    expect(page.get_by_role("link", name="All your tenants")).to_be_visible()
    page.unroute("**/tenants/menu*", refuse)
    summary.click()
    summary.click()
    expect(page.get_by_role("list", name="Your tenants").get_by_role("link")).to_have_count(3)


def test_a_session_that_ended_meanwhile_puts_no_sign_in_page_into_the_menu(browser: Browser, base: str) -> None:
    page = sign_in(browser, base)
    page.context.clear_cookies()
    page.locator(".places summary").click()
    expect(page.get_by_role("status").filter(has_text="could not be loaded")).to_be_visible()
    expect(page.locator(".places input")).to_have_count(0)


def test_without_scripts_the_menu_leads_to_the_list(browser: Browser, base: str) -> None:
    page = sign_in(browser, base, scripts=False)
    page.locator(".places summary").click()
    page.get_by_role("link", name="All your tenants").click()
    page.wait_for_url("**/tenants")
    page.get_by_role("link", name="Pier").click()
    page.wait_for_url("**/t/pier/")
