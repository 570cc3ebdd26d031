"""A newcomer's first five minutes, in a browser: one command, one link, a tenant with sample data, an edited agent."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from scripts.screenshots import ARGS
from tests.run.servers import serve
from tests.servers import browser_path, require


@pytest.mark.slow
@pytest.mark.browser
def test_the_link_that_make_run_prints_leads_through_set_up_to_an_edited_agent(clone: Path, tmp_path: Path) -> None:
    require("browser")
    with (
        serve(tmp_path / "log", ["make", "run"], folder=clone, seconds=240) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=browser_path(), args=ARGS)
        page = browser.new_page()
        link = server.printed[-1].removeprefix("Open ")
        page.goto(link)
        page.get_by_label("Your name").fill("Ann Marlow")
        page.get_by_label("Your e-mail address").fill("ann@example.org")
        page.get_by_label("Password").fill("eleven grey herons")
        page.get_by_label("Name of your tenant").fill("Harbour Works")
        page.get_by_role("checkbox", name="Add sample data").check()
        page.get_by_role("button", name="Set up").click()
        page.wait_for_url("**/t/harbour-works/")

        page.get_by_role("link", name="Agents").first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Agents")
        page.get_by_role("link", name="Tide table").click()
        page.get_by_role("link", name="Edit").click()
        page.get_by_label("Description").fill("High water, low water, and how long until the next one.")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("High water, low water, and how long until the next one.").first).to_be_visible()

        answer = page.goto(link)
        assert answer is not None
        assert answer.status in (404, 410), "the link is dead once there is an account"
        assert not re.search(r"Your name", page.content())
        browser.close()
