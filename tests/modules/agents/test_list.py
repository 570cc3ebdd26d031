"""The list and the history: filters, order, pages without gaps, counts, and what is shown when there is nothing."""

import re
from typing import Any

import pytest

from app.db import DatabaseService
from app.db.entities import new_id
from app.modules.agents.entities import name_key
from app.modules.agents.services import AgentService
from tests.modules.agents.application import Browser
from tests.modules.agents.given import CODE, change, content, create
from tests.modules.conftest import OpenUnit


def names(page: str) -> list[str]:
    return re.findall(r'<tr><td><a class="clip" href="[\w-]+">([^<]*)</a>', page)


def all_pages(browser: Browser, path: str, link: str = "next") -> list[list[str]]:
    """The names on every page, following the links."""
    found = []
    while True:
        page = browser.get(path).text
        found.append(names(page))
        following = re.search(rf'rel="{link}" href="([^"]+)"', page)
        if following is None:
            return found
        path = following.group(1).replace("&amp;", "&")


def fill(database: DatabaseService, count: int, **fields: Any) -> list[str]:
    """Many agents, without their history; answers their names in order."""
    made = []
    for number in range(count):
        agent = content(f"Agent {number:04}", **fields).model_dump()
        moment = f"2026-01-02T03:04:{number % 60:02}.{number:06}Z"
        made.append(
            {
                **agent,
                "_id": new_id(),
                "name_key": name_key(agent["name"]),
                "owner": "maren",
                "owner_name": "Maren",
                "created_at": moment,
                "updated_at": moment,
            }
        )
    database.write_batch("t1/agents", made)
    return [agent["name"] for agent in made]


class TestTheList:
    def test_without_agents_it_offers_to_create_one_to_who_may(self, maren: Browser, unit: OpenUnit) -> None:
        assert "Create the first agent" in maren.get().text
        viewer = Browser(maren.client.application, "Vera")  # type: ignore[arg-type]
        assert "No agents yet" in viewer.get().text
        assert "Create the first agent" not in viewer.get().text

    def test_it_says_when_nothing_matches(self, maren: Browser, unit: OpenUnit) -> None:
        create(unit)
        assert "Nothing matches" in maren.get("?q=zzz").text

    def test_search_finds_the_beginning_of_a_name_whatever_the_capitals(self, maren: Browser, unit: OpenUnit) -> None:
        for name in ("Greeter", "great", "Tide", "agree"):
            create(unit, name)
        assert names(maren.get("?q=GRE").text) == ["great", "Greeter"]
        assert names(maren.get("?q=GRE&sort=-name").text) == ["Greeter", "great"]
        assert names(maren.get("?q=gre&sort=updated").text) == ["Greeter", "great"]
        assert names(maren.get("?q=%25").text) == []

    @pytest.mark.parametrize("sort", ["name", "-name", "updated", "-updated"])
    @pytest.mark.parametrize("q", ["", "a"])
    @pytest.mark.parametrize("status", ["", "active"])
    @pytest.mark.parametrize("owner", ["", "me", "jonas"])
    @pytest.mark.parametrize("tag", ["", "Blue"])
    def test_every_combination_is_served_by_an_index(
        self, maren: Browser, unit: OpenUnit, sort: str, q: str, status: str, owner: str, tag: str
    ) -> None:
        create(unit, "Ab", status="active", tags=["blue"])
        create(unit, "Ac", status="active", tags=["red"])
        create(unit, "Ad", status="draft", tags=["blue"])
        create(unit, "Ae", status="active", tags=["blue"], actor="Jonas")
        create(unit, "Bb", status="active", tags=["blue"])
        wanted = [
            name
            for name, its_status, its_tag, its_owner in [
                ("Ab", "active", "blue", "me"),
                ("Ac", "active", "red", "me"),
                ("Ad", "draft", "blue", "me"),
                ("Ae", "active", "blue", "jonas"),
                ("Bb", "active", "blue", "me"),
            ]
            if name.lower().startswith(q)
            and status in ("", its_status)
            and owner in ("", its_owner)
            and tag.lower() in ("", its_tag)
        ]
        answer = maren.get(f"?q={q}&status={status}&owner={owner}&tag={tag}&sort={sort}")
        assert answer.status_code == 200
        assert names(answer.text) == (wanted[::-1] if sort.startswith("-") else wanted)
        if len(wanted) > 1:
            assert f"{len(wanted)} agents" in answer.text

    @pytest.mark.parametrize("sort", ["name", "updated"])
    def test_pages_follow_each_other_without_gaps_in_both_directions(
        self, maren: Browser, database: DatabaseService, unit: OpenUnit, sort: str
    ) -> None:
        made = fill(database, 120)
        forward = all_pages(maren, f"?sort={sort}")
        assert [len(page) for page in forward] == [50, 50, 20]
        in_order = [name for page in forward for name in page]
        assert (in_order if sort == "name" else sorted(in_order)) == made
        backward = [name for page in all_pages(maren, f"?sort=-{sort}") for name in page]
        assert backward == in_order[::-1]

    def test_the_previous_links_lead_back_to_the_beginning(
        self, maren: Browser, database: DatabaseService, unit: OpenUnit
    ) -> None:
        fill(database, 120)
        page, path = maren.get().text, ""
        while following := re.search(r'rel="next" href="([^"]+)"', page):
            path = following.group(1).replace("&amp;", "&")
            page = maren.get(path).text
        assert [items[0] for items in all_pages(maren, path, "prev")] == ["Agent 0100", "Agent 0050", "Agent 0000"]

    def test_rows_that_are_added_while_one_turns_pages_make_no_gap(
        self, maren: Browser, database: DatabaseService, unit: OpenUnit
    ) -> None:
        made = fill(database, 60)
        first = maren.get().text
        create(unit, "Agent 0000 a")
        following = re.search(r'rel="next" href="([^"]+)"', first)
        assert following is not None
        assert names(first) + names(maren.get(following.group(1).replace("&amp;", "&")).text) == made

    def test_more_than_a_thousand_are_counted_as_such(
        self, maren: Browser, database: DatabaseService, unit: OpenUnit
    ) -> None:
        fill(database, 1_001)
        assert "1,000+ agents" in maren.get().text
        assert "100 agents found" in maren.get("?q=agent+03").text

    def test_a_rare_tag_among_many_agents_is_found_page_by_page(
        self, maren: Browser, database: DatabaseService, unit: OpenUnit
    ) -> None:
        fill(database, 1_050)
        create(unit, "Zebra", tags=["rare"])
        first = maren.get("?tag=rare").text
        assert "Look further" in first
        following = re.search(r'href="(\?tag=rare&amp;[^"]*cursor=[^"]+)"', first)
        assert following is not None
        assert names(maren.get(following.group(1).replace("&amp;", "&")).text) == ["Zebra"]

    @pytest.mark.parametrize(
        ("query", "named"),
        [
            ("colour=red", "colour"),
            ("status=sunk", "status"),
            ("sort=size", "sort"),
            ("sort=name_key", "sort"),
            ("cursor=abc", "cursor"),
            ("cursor=%00", "cursor"),
            ("page=0", "page"),
            ("q=" + "x" * 201, "q"),
            ("status[$ne]=draft", "status[$ne]"),
            ("status=draft&status=active", "status"),
        ],
    )
    def test_what_the_list_does_not_know_is_refused_by_name(
        self, maren: Browser, unit: OpenUnit, query: str, named: str
    ) -> None:
        answer = maren.get("?" + query)
        assert answer.status_code == 400
        assert f"{named}:" in answer.text

    def test_a_cursor_of_another_order_or_filter_is_refused(
        self, maren: Browser, database: DatabaseService, unit: OpenUnit
    ) -> None:
        fill(database, 60)
        found = re.search(r"cursor=([^&\"]+)", maren.get().text)
        assert found is not None
        for query in ("sort=updated", "sort=-name", "status=draft"):
            assert maren.get(f"?{query}&cursor={found.group(1)}").status_code == 400

    def test_other_tenants_agents_are_neither_shown_nor_counted(self, maren: Browser, unit: OpenUnit) -> None:
        create(unit, "Mine")
        create(unit, "Theirs", tenant="t2")
        page = maren.get().text
        assert "1 agent." in page
        assert "Theirs" not in page

    def test_the_list_reads_one_page_and_a_count_and_nothing_else(
        self, maren: Browser, database: DatabaseService, unit: OpenUnit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        create(unit)
        reads = record(database, monkeypatch)
        maren.get()
        assert reads == ["query"]
        fill(database, 60)
        reads.clear()
        maren.get()
        assert reads == ["query", "count"]


class TestTheHistory:
    def test_versions_come_newest_first_page_by_page(self, maren: Browser, unit: OpenUnit) -> None:
        agent = create(unit)
        for number in range(2, 26):
            change(unit, agent, description=str(number))
        seen, path = [], f"{agent.id}/history"
        while path:
            page = maren.get(path).text
            seen += [int(number) for number in re.findall(r">Version (\d+)</a>", page)]
            following = re.search(r'rel="next" href="([^"]+)"', page)
            path = f"{agent.id}/history" + following.group(1).replace("&amp;", "&") if following else ""
        assert seen == list(range(25, 0, -1))

    def test_the_diff_has_lines_of_code_and_other_fields(self, maren: Browser, unit: OpenUnit) -> None:
        agent = change(unit, create(unit, tags=["old"]), tags=["new"], code=CODE + "\n\n\nVERSION = 2")
        page = maren.get(f"{agent.id}/compare?old=1&new=2").text
        assert '<tr class="added">' in page
        assert "VERSION = 2" in page
        assert "Tags" in page
        assert "Status" not in page
        assert "No difference" in maren.get(f"{agent.id}/compare?old=2&new=2").text

    def test_any_two_versions_can_be_compared_and_unknown_ones_are_not_found(
        self, maren: Browser, unit: OpenUnit
    ) -> None:
        agent = create(unit)
        for text in ("b", "c"):
            change(unit, agent, description=text)
        assert "version 3 to 1" in maren.get(f"{agent.id}/compare?old=3&new=1").text
        assert "version 2 to 3" in maren.get(f"{agent.id}/compare").text
        assert maren.get(f"{agent.id}/compare?old=9&new=1").status_code == 404
        assert maren.get(f"{agent.id}/compare?old=x").status_code == 400
        assert maren.get(f"{agent.id}/compare?older=1").status_code == 400

    def test_a_version_page_shows_it_as_it_was(self, maren: Browser, unit: OpenUnit) -> None:
        agent = change(unit, create(unit, "Greeter", description="as it was"), name="Welcomer", description="now")
        page = maren.get(f"{agent.id}/versions/1").text
        assert "as it was" in page
        assert "Restore this version" in page
        assert "Restore this version" not in maren.get(f"{agent.id}/versions/2").text
        assert AgentService(unit()).get(agent.id).version == 2


def record(database: DatabaseService, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the methods that are called on the database from now on."""
    called: list[str] = []

    def recorded(name: str) -> Any:
        method = getattr(database, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            called.append(name)
            return method(*args, **kwargs)

        return call

    for name in ("get", "get_many", "read_together", "list_all", "query", "count", "scan", "commit", "save"):
        monkeypatch.setattr(database, name, recorded(name))
    return called
