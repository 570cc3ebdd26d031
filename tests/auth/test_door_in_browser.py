"""The pages at the door in a browser: from the link on the terminal to the dashboard, usable by everybody."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from app.tenants.invitations import Invitations
from app.tenants.members import Members
from tests.browsers import AUDIT, served
from tests.core.world import PASSWORD, World

pytestmark = pytest.mark.browser


@pytest.fixture
def base(world: World) -> Iterator[str]:
    with served(world.app) as address:
        yield address


def first_link(world: World, base: str) -> str:
    return world.app.test_cli_runner().invoke(args=["first-link", "--base-url", base]).output.strip()


def open_page(browser: Browser, scripts: bool = True) -> Page:
    return browser.new_context(viewport={"width": 360, "height": 800}, java_script_enabled=scripts).new_page()


@pytest.mark.parametrize("scripts", [True, False])
def test_the_printed_link_leads_to_a_dashboard_with_the_keyboard_alone(
    world: World, base: str, browser: Browser, scripts: bool
) -> None:
    page = open_page(browser, scripts)
    page.goto(first_link(world, base))
    page.get_by_label("Your name").focus()
    for typed in ("Ann Marlow", "ann@example.org", PASSWORD, "Harbour Works", ""):
        page.keyboard.type(typed)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/t/harbour-works/")
    assert page.get_by_role("heading", level=1).inner_text() == "Harbour Works"
    assert "Welcome aboard, Ann Marlow." in page.get_by_role("status").inner_text()
    page.context.close()


def test_what_is_wrong_takes_the_focus_and_the_password_is_gone(world: World, base: str, browser: Browser) -> None:
    page = open_page(browser)
    page.goto(first_link(world, base))
    page.get_by_label("Your name").fill("Ann")
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Set up").click()
    page.get_by_role("alert").wait_for()
    assert page.evaluate("document.activeElement.id") == "problems"
    assert page.get_by_label("Your name").input_value() == "Ann"
    assert page.get_by_label("Password").input_value() == ""
    assert page.get_by_label("Password").get_attribute("aria-invalid") == "true"
    assert page.evaluate(AUDIT) == []
    page.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (360, "light")])
def test_the_pages_of_who_is_signed_out_pass_the_accessibility_check(
    world: World, base: str, browser: Browser, width: int, scheme: str
) -> None:
    set_up = first_link(world, base).removeprefix(base)
    page = browser.new_context(
        base_url=base,
        viewport={"width": width, "height": 860},
        color_scheme=scheme,  # type: ignore[arg-type]
    ).new_page()
    found = {}
    for path in ("/sign-in", set_up):
        page.goto(path)
        found[path] = page.evaluate(AUDIT)
    ann = world.user()
    tenant = world.tenant(ann)
    with world.unit(tenant.id) as uow:
        _, link = Invitations(uow, Members(uow)).invite("zed@example.org", "viewer", ann.id)
    for path in (set_up, "/sign-in", f"/invitations/{link}", "/invitations/nothing"):
        page.goto(path)
        found[f"{path} later"] = page.evaluate(AUDIT)
    page.goto("/sign-in")
    page.get_by_label("E-mail address").fill("ann@example.org")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    found["refused"] = page.evaluate(AUDIT)
    page.context.close()
    assert {path: problems for path, problems in found.items() if problems} == {}
