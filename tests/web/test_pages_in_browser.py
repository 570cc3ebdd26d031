"""The look, in Chromium: accessibility, narrow screens, keyboard, and that the page works with and without scripts."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page

from scripts.screenshots import GALLERY, gallery
from tests.browsers import AUDIT

pytestmark = pytest.mark.browser
WIDE, NARROW = 1280, 360


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with gallery() as address:
        yield address


def context(
    browser: Browser, base: str, width: int = WIDE, scheme: str = "light", scripts: bool = True
) -> BrowserContext:
    return browser.new_context(
        base_url=base,
        viewport={"width": width, "height": 860},
        color_scheme=scheme,  # type: ignore[arg-type]
        java_script_enabled=scripts,
        reduced_motion="reduce",
    )


@pytest.fixture
def page(browser: Browser, base: str) -> Iterator[Page]:
    """A page that fails the test at any error in the console: a blocked script, style or address too."""
    opened = context(browser, base)
    page = opened.new_page()
    wrong: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and "status of 422" not in message.text:  # a form that needs mending
            wrong.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    opened.close()
    assert wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_page_passes_the_accessibility_check(browser: Browser, base: str, width: int, scheme: str) -> None:
    opened = context(browser, base, width, scheme)
    page = opened.new_page()
    found = {}
    for path in GALLERY:
        page.goto(path)
        found[path] = page.evaluate(AUDIT)
    opened.close()
    assert {path: problems for path, problems in found.items() if problems} == {}


def test_the_check_finds_what_it_looks_for(page: Page) -> None:
    page.goto("/sign-in")
    page.evaluate(
        """() => {
            const main = document.querySelector("main");
            const add = (tag, values) => main.append(Object.assign(document.createElement(tag), values));
            add("button", {});
            add("input", {id: "name"});
            add("h4", {textContent: "deep"});
            const faint = document.createElement("p");
            faint.textContent = "faint";
            faint.style.color = "rgb(200, 200, 200)";
            main.append(faint);
            const wide = document.createElement("p");
            wide.style.width = "3000px";
            main.append(wide);
        }"""
    )
    found = " ".join(page.evaluate(AUDIT))
    for problem in ("no accessible name", "no label", "occurs twice", "skipped", "contrast", "px wide"):
        assert problem in found


def test_the_first_tab_leads_past_the_navigation(page: Page) -> None:
    page.goto("/t/harbour/agents/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_every_stop_of_the_tab_key_is_seen_and_in_reading_order(page: Page) -> None:
    page.goto("/t/harbour/agents/new")
    stops = page.evaluate(
        """() => [...document.querySelectorAll(
                "a[href], button, summary, input:not([type=hidden]), select, textarea")]
            .filter((e) => e.checkVisibility({visibilityProperty: true}) && !e.disabled).length"""
    )
    last = -1
    for _ in range(stops - 1):  # of the two radio buttons the key stops at one
        page.keyboard.press("Tab")
        order, outline = page.evaluate(
            """() => { const e = document.activeElement, s = getComputedStyle(e);
                const all = [...document.querySelectorAll("*")];
                return [all.indexOf(e), s.outlineStyle + parseFloat(s.outlineWidth)]; }"""
        )
        assert order > last
        assert outline not in ("none0", "none3")
        last = order


def test_a_menu_opens_moves_and_closes_by_keyboard(page: Page) -> None:
    page.goto("/t/harbour/agents/")
    summary = page.locator(".places > summary")
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator(".places .menu-body").is_visible()
    page.locator(".places .menu-list").wait_for()
    for entry in ("Harbour", "All your tenants", "New tenant", "Harbour"):
        page.keyboard.press("ArrowDown")
        assert page.evaluate("document.activeElement.textContent") == entry
    page.keyboard.press("Escape")
    assert not page.locator(".places .menu-body").is_visible()
    assert summary.evaluate("e => e === document.activeElement")


def test_a_dangerous_step_is_a_dialog_that_keeps_the_focus_and_gives_it_back(page: Page) -> None:
    page.goto("/t/harbour/agents/show")
    page.locator("details.confirm > summary").click()
    dialog = page.get_by_role("dialog", name="Delete Greeter?")
    assert dialog.is_visible()
    for _ in range(5):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_the_theme_changes_at_once_and_is_remembered(page: Page) -> None:
    page.goto("/t/harbour/agents/")
    paper = "getComputedStyle(document.body).backgroundColor"
    day = page.evaluate(paper)
    page.get_by_role("button", name="Switch to dark").click()
    night = page.evaluate(paper)
    assert night != day
    page.goto("/t/harbour/")
    assert page.evaluate(paper) == night
    page.get_by_role("button", name="Switch to light").click()
    assert page.evaluate(paper) == day


def test_a_failed_form_takes_the_focus_and_keeps_what_was_typed(page: Page) -> None:
    page.goto("/t/harbour/agents/new")
    page.get_by_label("Description").fill("typed with care")
    page.get_by_role("button", name="Create agent").click()
    assert page.evaluate("document.activeElement.id") == "problems"
    assert page.get_by_label("Description").input_value() == "typed with care"
    assert "Name is missing." in page.inner_text("#name-error")
    assert page.get_by_label("Name").get_attribute("aria-invalid") == "true"


def test_typed_text_is_not_lost_by_leaving_the_page_unasked(page: Page) -> None:
    asked = []

    def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.goto("/t/harbour/agents/new")
    page.get_by_label("Description").press_sequentially("x")
    page.on("dialog", leave)
    page.get_by_role("link", name="Cancel").click()
    page.wait_for_url("**/agents/")
    assert asked == ["beforeunload"]


def test_choosing_a_filter_takes_effect_and_leaves_empty_boxes_out_of_the_address(page: Page) -> None:
    page.goto("/t/harbour/agents/")
    page.get_by_label("Status").select_option("active")
    page.wait_for_url("**/agents/?status=active")


def test_everything_works_without_scripts(browser: Browser, base: str) -> None:
    opened = context(browser, base, scripts=False)
    page = opened.new_page()
    page.goto("/t/harbour/agents/show")
    page.locator("details.confirm > summary").click()
    assert page.get_by_role("heading", name="Delete Greeter?").is_visible()
    page.locator(".places > summary").click()
    assert page.get_by_role("link", name="All your tenants").is_visible()
    page.goto("/t/harbour/agents/show")
    page.get_by_role("button", name="Switch to dark").click()
    assert page.url.endswith("/t/harbour/agents/show")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.goto("/t/harbour/agents/")
    page.get_by_label("Search").fill("heron")
    page.get_by_role("button", name="Apply").click()
    assert page.get_by_role("heading", name="Nothing matches").is_visible()
    opened.close()


def test_print_shows_the_page_and_not_the_frame(page: Page) -> None:
    page.goto("/t/harbour/agents/")
    page.emulate_media(media="print")
    assert not page.locator(".bar").is_visible()
    assert not page.locator(".side").is_visible()
    assert page.get_by_role("heading", name="Agents").is_visible()
