"""The module's pages: what they show, what they refuse, and that nothing that was typed is lost."""

from typing import Any

import pytest

from app.db import DatabaseService
from app.modules.agents.entities import Agent
from app.modules.agents.events import AgentCreated
from app.modules.agents.services import AgentService
from app.web.application import WherryFlask
from tests.modules.agents.application import Browser, fields, form_of, make_app
from tests.modules.agents.given import CODE, change, create
from tests.modules.conftest import OpenUnit, on_one_database

pytestmark = on_one_database
"""What differs between databases is below the services."""
XSS = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"


def stored(unit: OpenUnit, agent: Agent) -> Agent:
    return AgentService(unit()).get(agent.id)


class TestCreating:
    def test_a_new_agent_is_created_and_shown(self, maren: Browser) -> None:
        assert "handler(event)" in maren.get("new").text
        answer = maren.post("new", fields(tags="Hello, World", description="Says hello."))
        assert answer.status_code == 302
        page = maren.client.get(answer.location).text
        assert "Greeter was created." in page
        assert "Says hello." in page
        assert "?tag=hello" in page

    def test_every_invalid_field_is_told_at_once_beside_it_and_what_was_typed_is_kept(
        self, maren: Browser, unit: OpenUnit
    ) -> None:
        create(unit, "Greeter")
        wrong = {
            "name": "GREETER",
            "description": "d" * 2_001,
            "status": "sunk",
            "tags": "!!",
            "code": "def handle(): pass",
            "input_schema": '{"type": "strng"}',
            "output_schema": "[1",
            "tools": "Mail-Send",
            "calls": ["nobody"],
        }
        answer = maren.post("new", wrong)
        assert answer.status_code == 422
        assert "9 fields need your attention" in answer.text
        for name in wrong:
            assert f'id="{name}-error"' in answer.text
        sent = form_of(answer)
        assert {name: sent.get(name) for name in wrong if name not in ("calls", "status")} == {
            name: value for name, value in wrong.items() if name not in ("calls", "status")
        }

    def test_a_taken_name_reads_otherwise_than_an_invalid_one(self, maren: Browser, unit: OpenUnit) -> None:
        create(unit, "Greeter")
        assert "Another agent of this tenant has this name" in maren.post("new", fields(name="greeter")).text
        assert "A name is one line of visible characters." in maren.post("new", fields(name="a\u202eb")).text
        assert "Name is missing." in maren.post("new", fields(name=" ")).text

    def test_nothing_at_all_is_answered_with_what_is_missing(self, maren: Browser) -> None:
        answer = maren.post("new", {})
        assert answer.status_code == 422
        assert "Name is missing." in answer.text
        assert "Code is missing." in answer.text

    def test_fields_that_no_form_has_change_nothing(self, maren: Browser, unit: OpenUnit) -> None:
        extra = {"_id": "x", "id": "x", "_rev": "x", "owner": "x", "owner_name": "x", "version": "9", "newest": "9"}
        extra |= {"tenant_id": "t2", "role": "owner", "is_admin": "1", "created_at": "x", "name_key": "x"}
        id = maren.post("new", fields(**extra)).location.rsplit("/", 1)[1]
        agent = AgentService(unit()).get(id)
        assert (agent.owner, agent.owner_name, agent.version, agent.newest) == ("maren", "Maren", 1, 1)
        assert agent.name_key == "greeter"

    def test_a_name_that_was_taken_at_the_last_moment_is_told_beside_the_field(
        self, database: DatabaseService, unit: OpenUnit
    ) -> None:
        app = make_app(database)
        once = iter([True])

        @app.extensions["wherry"].hub.during(AgentCreated)
        def somebody_is_faster(event: AgentCreated, uow: Any) -> None:
            if next(once, False):
                create(unit, "greeter", actor="Jonas")

        answer = Browser(app, "Maren").post("new", fields(description="kept"))
        assert answer.status_code == 422
        assert "Another agent of this tenant has this name" in answer.text
        assert form_of(answer)["description"] == "kept"


class TestCalls:
    def test_the_choices_are_the_tenants_other_agents(self, maren: Browser, unit: OpenUnit) -> None:
        create(unit, "Foreign", tenant="t2")
        other, agent = create(unit, "Tide table"), create(unit, "Planner")
        create(unit, "Old one", status="archived")
        page = maren.get(f"{agent.id}/edit").text
        assert f'value="{other.id}"' in page
        assert f'value="{agent.id}"' not in page
        assert "Foreign" not in page
        assert "Old one" not in page

    def test_a_foreign_or_stale_id_posted_by_hand_is_refused_and_the_choices_are_new(
        self, maren: Browser, unit: OpenUnit
    ) -> None:
        foreign, other = create(unit, "Foreign", tenant="t2"), create(unit, "Tide table")
        answers = [maren.post("new", fields(calls=[other.id, id])) for id in (foreign.id, "nobody", "x" * 900)]
        for answer in answers:
            assert answer.status_code == 422
            assert "does not exist any more" in answer.text
            assert form_of(answer)["calls"] == [other.id]
            assert "Foreign" not in answer.text


class TestEditing:
    def test_the_form_holds_what_is_stored_and_saving_it_unchanged_makes_no_version(
        self, maren: Browser, unit: OpenUnit
    ) -> None:
        other = create(unit, "Tide table")
        agent = create(unit, tags=["a", "b"], tools=["mail.send"], calls=[other.id], description="x\n\ny")
        sent = form_of(maren.get(f"{agent.id}/edit"))
        assert maren.post(f"{agent.id}/edit", sent).status_code == 302
        assert stored(unit, agent).version == 1

    def test_line_ends_of_a_browser_are_not_a_change(self, maren: Browser, unit: OpenUnit) -> None:
        agent = create(unit)
        sent = form_of(maren.get(f"{agent.id}/edit"))
        maren.post(f"{agent.id}/edit", {**sent, "code": sent["code"].replace("\n", "\r\n")})
        assert stored(unit, agent).version == 1

    def test_a_change_is_saved_as_the_next_version(self, jonas: Browser, unit: OpenUnit) -> None:
        agent = create(unit)
        answer = jonas.post(f"{agent.id}/edit", {**form_of(jonas.get(f"{agent.id}/edit")), "name": "Welcomer"})
        assert "Welcomer was saved as version 2." in jonas.client.get(answer.location).text

    def test_an_invalid_change_keeps_the_revision_that_the_form_was_opened_with(
        self, maren: Browser, unit: OpenUnit
    ) -> None:
        agent = create(unit)
        opened = form_of(maren.get(f"{agent.id}/edit"))
        change(unit, agent, description="theirs")
        again = form_of(maren.post(f"{agent.id}/edit", {**opened, "code": "?"}))
        assert (again["rev"], again["base"], again["code"]) == (opened["rev"], opened["base"], "?")


@pytest.mark.parametrize("path", ["{}", "{}/edit", "{}/delete", "{}/history", "{}/versions/1", "{}/compare"])
@pytest.mark.parametrize(
    "id",
    [
        "nobody",
        "%2f",
        "..%2f..",
        "_design%2fx",
        "%00",
        "x" * 65,
        "x" * 510,
        "x" * 2_000,
        "$gt",
        "a:b",
        "%ff",
        "%ed%a0%80",
    ],
)
def test_a_hostile_id_is_not_found(maren: Browser, path: str, id: str) -> None:
    assert maren.get(path.format(id)).status_code == 404
    if "/" in path:
        assert maren.post(path.format(id), fields()).status_code in (404, 405)


@pytest.mark.parametrize("number", ["0", "99", "-1", "x", "9" * 12, "9" * 600, "1.0", "%31%00"])
def test_a_hostile_version_number_is_not_found(maren: Browser, unit: OpenUnit, number: str) -> None:
    agent = create(unit)
    assert maren.get(f"{agent.id}/versions/{number}").status_code == 404
    assert maren.post(f"{agent.id}/versions/{number}/restore", {"rev": agent.rev}).status_code == 404


@pytest.mark.parametrize("path", ["", "/edit", "/delete", "/history", "/versions/1", "/compare"])
def test_another_tenants_agent_and_a_missing_one_get_the_same_answer(maren: Browser, unit: OpenUnit, path: str) -> None:
    foreign = create(unit, "Secret", tenant="t2")
    one, other = maren.get(foreign.id + path), maren.get("nobody" + path)
    assert one.status_code == other.status_code == 404
    assert "Secret" not in one.text


@pytest.mark.parametrize("name", ["", "new", "{}", "{}/edit", "{}/delete", "{}/history", "{}/compare", "{}/versions/2"])
def test_markup_in_every_field_stays_text(maren: Browser, unit: OpenUnit, name: str) -> None:
    agent = create(unit, XSS, description=XSS, code=f"X = '''{XSS}'''\n{CODE}")
    other = create(unit, XSS + "2", calls=[agent.id])
    agent = change(unit, agent, description=XSS + XSS, calls=[other.id], actor=XSS)
    answer = maren.get(name.format(agent.id))
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "<img" not in answer.text
    assert "{49}" not in answer.text
    assert maren.post(f"{agent.id}/edit", {**fields(description=XSS), "rev": "x"}).text.count("<img") == 0


class TestPermissions:
    def test_links_to_what_one_may_not_do_are_not_shown(self, app: WherryFlask, unit: OpenUnit) -> None:
        agent = create(unit)
        viewer = Browser(app, "Vera")
        for path in ("", agent.id, f"{agent.id}/history", f"{agent.id}/versions/1"):
            page = viewer.get(path).text
            assert "New agent" not in page
            assert "/edit" not in page
            assert "/delete" not in page
            assert "restore" not in page
