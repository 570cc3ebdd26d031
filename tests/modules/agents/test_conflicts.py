"""Two people and one agent: the second is asked, and whatever they answer, nothing that anybody typed is lost."""

from typing import Any

import pytest

from app.db import DatabaseService
from app.db.entities import Entity
from app.modules.agents.entities import Agent
from app.modules.agents.events import AgentChanged, AgentDeleted
from app.modules.agents.services import AgentService
from app.web.application import WherryFlask
from tests.modules.agents.application import Browser, form_of, make_app
from tests.modules.agents.given import CODE, change, create
from tests.modules.conftest import OpenUnit, on_one_database

pytestmark = on_one_database
MINE = CODE.replace("hello", "mine")
THEIRS = CODE.replace("hello", "theirs")


def stored(unit: OpenUnit, agent: Agent) -> Agent:
    return AgentService(unit()).get(agent.id)


def contents(unit: OpenUnit, agent: Agent) -> list[tuple[str, str]]:
    """Description and code of every version, oldest first."""
    service = AgentService(unit())
    versions = [service.version(agent.id, number) for number in range(1, stored(unit, agent).newest + 1)]
    return [(version.description, version.code) for version in versions]


def collide(browser: Browser, unit: OpenUnit, agent: Agent, **mine: Any) -> dict[str, Any]:
    """Open the form, let Maren save first, save; answers what the conflict page's form would send."""
    opened = form_of(browser.get(f"{agent.id}/edit"))
    change(unit, agent, description="theirs", code=THEIRS)
    answer = browser.post(f"{agent.id}/edit", {**opened, "code": MINE, "tags": "mine", **mine})
    assert answer.status_code == 409
    assert "Maren saved version 2" in answer.text
    return form_of(answer)


class TestTheConflictPage:
    def test_it_shows_both_sides_and_proposes_what_each_changed(self, jonas: Browser, unit: OpenUnit) -> None:
        agent = create(unit)
        opened = form_of(jonas.get(f"{agent.id}/edit"))
        change(unit, agent, description="theirs", code=THEIRS)
        answer = jonas.post(f"{agent.id}/edit", {**opened, "code": MINE, "tags": "mine"})
        page, sent = answer.text, form_of(answer)
        assert "&#39;theirs&#39;" in page
        assert "&#39;mine&#39;" in page
        assert "both changed" in page
        assert "The same in both: Name, Input schema" in page
        assert (sent["pick-description"], sent["pick-code"], sent["pick-tags"]) == ("theirs", "mine", "mine")
        assert "pick-name" not in sent
        assert (sent["rev"], sent["base"]) == (stored(unit, agent).rev, "2")
        assert (sent["code"], sent["tags"], sent["description"]) == (MINE, "mine", "")

    def test_saving_the_proposal_merges_field_by_field(self, jonas: Browser, unit: OpenUnit) -> None:
        agent = create(unit)
        sent = collide(jonas, unit, agent)
        assert jonas.post(f"{agent.id}/resolve", {**sent, "choice": "fields"}).status_code == 302
        now = stored(unit, agent)
        assert (now.version, now.description, now.code, now.tags) == (4, "theirs", MINE, ["mine"])
        assert contents(unit, agent) == [("", CODE), ("theirs", THEIRS), ("", MINE), ("theirs", MINE)]
        assert AgentService(unit()).version(agent.id, 3).set_aside

    def test_choosing_other_sides_is_obeyed(self, jonas: Browser, unit: OpenUnit) -> None:
        agent = create(unit)
        sent = collide(jonas, unit, agent) | {"pick-description": "mine", "pick-code": "theirs", "choice": "fields"}
        jonas.post(f"{agent.id}/resolve", sent)
        now = stored(unit, agent)
        assert (now.description, now.code, now.tags) == ("", THEIRS, ["mine"])
        assert contents(unit, agent)[2] == ("", MINE)

    def test_choosing_theirs_field_by_field_leaves_mine_in_the_history_too(
        self, jonas: Browser, unit: OpenUnit
    ) -> None:
        agent = create(unit)
        sent = {**collide(jonas, unit, agent), "choice": "fields"}
        sent |= {name: "theirs" for name in sent if name.startswith("pick-")}
        assert jonas.post(f"{agent.id}/resolve", sent).status_code == 302
        assert (stored(unit, agent).version, stored(unit, agent).code) == (2, THEIRS)
        assert contents(unit, agent) == [("", CODE), ("theirs", THEIRS), ("", MINE)]

    def test_keeping_all_of_mine_leaves_theirs_in_the_history(self, jonas: Browser, unit: OpenUnit) -> None:
        agent = create(unit)
        jonas.post(f"{agent.id}/resolve", {**collide(jonas, unit, agent), "choice": "mine"})
        assert contents(unit, agent) == [("", CODE), ("theirs", THEIRS), ("", MINE)]
        assert stored(unit, agent).version == 3

    def test_keeping_all_of_theirs_leaves_mine_in_the_history(self, jonas: Browser, unit: OpenUnit) -> None:
        agent = create(unit)
        answer = jonas.post(f"{agent.id}/resolve", {**collide(jonas, unit, agent), "choice": "theirs"})
        assert "What you entered is in the history as version 3." in jonas.client.get(answer.location).text
        now = stored(unit, agent)
        assert (now.version, now.description, now.code) == (2, "theirs", THEIRS)
        assert contents(unit, agent) == [("", CODE), ("theirs", THEIRS), ("", MINE)]
        assert "set aside" in jonas.get(f"{agent.id}/history").text

    def test_merging_by_hand_goes_on_in_the_form_with_the_newer_revision(self, jonas: Browser, unit: OpenUnit) -> None:
        agent = create(unit)
        answer = jonas.post(f"{agent.id}/resolve", {**collide(jonas, unit, agent), "choice": "edit"})
        assert answer.status_code == 200
        assert "Nothing has been saved yet." in answer.text
        assert "&#39;theirs&#39;" in answer.text
        form = form_of(answer)
        assert (form["description"], form["code"], form["rev"]) == ("theirs", MINE, stored(unit, agent).rev)
        jonas.post(f"{agent.id}/edit", {**form, "description": "by hand"})
        assert stored(unit, agent).description == "by hand"

    def test_a_third_change_is_another_conflict_with_what_was_chosen(self, jonas: Browser, unit: OpenUnit) -> None:
        agent = create(unit)
        sent = collide(jonas, unit, agent)
        change(unit, agent, description="third")
        for choice in ("fields", "mine", "theirs"):
            answer = jonas.post(f"{agent.id}/resolve", {**sent, "choice": choice})
            assert answer.status_code == 409
            again = form_of(answer)
            assert (again["code"], again["tags"], again["base"]) == (MINE, "mine", "3")
        assert stored(unit, agent).description == "third"

    def test_a_merge_that_may_not_be_saved_comes_back_as_a_form(self, jonas: Browser, unit: OpenUnit) -> None:
        agent = create(unit)
        create(unit, "Taken")
        sent = collide(jonas, unit, agent, name="taken")
        answer = jonas.post(f"{agent.id}/resolve", {**sent, "choice": "mine"})
        assert answer.status_code == 422
        form = form_of(answer)
        assert (form["name"], form["code"], form["rev"]) == ("taken", MINE, stored(unit, agent).rev)

    def test_a_made_up_base_or_choice_harms_nothing(self, jonas: Browser, unit: OpenUnit) -> None:
        agent = create(unit)
        sent = collide(jonas, unit, agent)
        for base in ("99", "-1", "x", ""):
            assert jonas.post(f"{agent.id}/resolve", {**sent, "base": base, "choice": "fields"}).status_code == 404
        assert jonas.post("nobody/resolve", {**sent, "choice": "theirs"}).status_code == 404
        assert contents(unit, agent) == [("", CODE), ("theirs", THEIRS)]


def test_a_conflict_at_the_commit_shows_the_same_page(database: DatabaseService, unit: OpenUnit) -> None:
    agent = create(unit)
    app = make_app(database)
    once = iter([True])

    @app.extensions["wherry"].hub.during(AgentChanged)
    def somebody_is_faster(event: AgentChanged, uow: Any) -> None:
        if next(once, False):
            change(unit, agent, description="theirs")

    jonas = Browser(app, "Jonas")
    opened = form_of(jonas.get(f"{agent.id}/edit"))
    answer = jonas.post(f"{agent.id}/edit", {**opened, "code": MINE})
    assert answer.status_code == 409
    sent = form_of(answer)
    assert (sent["code"], sent["pick-description"], sent["pick-code"]) == (MINE, "theirs", "mine")
    assert "was saved" not in jonas.get(agent.id).text


class TestAnImportedAgentWithoutVersions:
    @pytest.fixture
    def agent(self, database: DatabaseService, unit: OpenUnit) -> Agent:
        made = create(unit, description="imported")
        for version in list(database.list_all("t1/agent_versions")):
            database.delete("t1/agent_versions", version["_id"])
        return made

    def test_its_pages_work_and_its_first_change_keeps_what_was_imported(
        self, maren: Browser, unit: OpenUnit, agent: Agent
    ) -> None:
        assert "Nothing was kept before" in maren.get(f"{agent.id}/history").text
        assert "imported" in maren.get(f"{agent.id}/versions/1").text
        assert maren.get(f"{agent.id}/compare").status_code == 200
        change(unit, agent, description="changed")
        assert [description for description, _ in contents(unit, agent)] == ["imported", "changed"]

    def test_a_conflict_with_another_import_can_be_settled(
        self, jonas: Browser, database: DatabaseService, unit: OpenUnit, agent: Agent
    ) -> None:
        opened = form_of(jonas.get(f"{agent.id}/edit"))
        database.update("t1/agents", agent.id, lambda document: {**document, "description": "imported again"})
        answer = jonas.post(f"{agent.id}/edit", {**opened, "code": MINE})
        assert answer.status_code == 409
        assert jonas.post(f"{agent.id}/resolve", {**form_of(answer), "choice": "theirs"}).status_code == 302
        assert contents(unit, agent) == [("imported again", CODE), ("imported", MINE)]

    def test_it_is_deleted_and_comes_back(self, maren: Browser, unit: OpenUnit, agent: Agent) -> None:
        delete(maren, agent)
        maren.post(f"{agent.id}/versions/1/restore", form_of(maren.get(f"{agent.id}/versions/1")))
        assert stored(unit, agent).description == "imported"


class TestDeletedMeanwhile:
    def test_what_was_typed_becomes_the_form_of_a_new_agent(
        self, maren: Browser, jonas: Browser, unit: OpenUnit
    ) -> None:
        agent = create(unit)
        opened = form_of(jonas.get(f"{agent.id}/edit"))
        delete(maren, agent)
        answer = jonas.post(f"{agent.id}/edit", {**opened, "code": MINE})
        assert answer.status_code == 409
        assert "Somebody deleted this agent" in answer.text
        assert 'action="/t/harbour/agents/new"' in answer.text
        made = jonas.post("new", form_of(answer))
        assert AgentService(unit()).get(made.location.rsplit("/", 1)[1]).code == MINE

    def test_even_if_it_is_invalid_too(self, maren: Browser, jonas: Browser, unit: OpenUnit) -> None:
        agent = create(unit)
        opened = form_of(jonas.get(f"{agent.id}/edit"))
        delete(maren, agent)
        answer = jonas.post(f"{agent.id}/edit", {**opened, "code": "?"})
        assert answer.status_code == 409
        assert form_of(answer)["code"] == "?"

    def test_a_merge_by_hand_goes_on_as_a_new_agent_too(self, maren: Browser, jonas: Browser, unit: OpenUnit) -> None:
        agent = create(unit)
        sent = collide(jonas, unit, agent)
        delete(maren, agent)
        for choice in ("edit", "fields", "mine", "theirs"):
            answer = jonas.post(f"{agent.id}/resolve", {**sent, "choice": choice})
            assert answer.status_code == 409
            assert form_of(answer)["code"] == MINE

    def test_and_at_the_commit(self, database: DatabaseService, unit: OpenUnit) -> None:
        agent = create(unit)
        app = make_app(database)

        @app.extensions["wherry"].hub.during(AgentChanged)
        def somebody_deletes(event: AgentChanged, uow: Any) -> None:
            with unit() as other:
                AgentService(other).delete(agent.id, agent.rev or "")
                other.commit()

        jonas = Browser(app, "Jonas")
        answer = jonas.post(f"{agent.id}/edit", {**form_of(jonas.get(f"{agent.id}/edit")), "code": MINE})
        assert answer.status_code == 409
        assert form_of(answer)["code"] == MINE


class TestDeleting:
    def test_it_is_asked_first_and_then_gone_with_its_history_kept(self, maren: Browser, unit: OpenUnit) -> None:
        agent = create(unit, "Tide table")
        create(unit, "Planner", calls=[agent.id])
        page = maren.get(f"{agent.id}/delete").text
        assert "Delete Tide table?" in page
        assert "Planner" in page
        answer = delete(maren, agent)
        after = maren.client.get(answer.location).text
        assert "Tide table was deleted." in after
        assert "This agent was deleted." in after
        assert maren.get(agent.id).status_code == 404
        assert "an agent that was deleted" in maren.get(only(unit, "Planner").id).text

    def test_what_was_changed_since_is_shown_and_asked_about_again(self, maren: Browser, unit: OpenUnit) -> None:
        agent = create(unit)
        asked = form_of(maren.get(f"{agent.id}/delete"))
        change(unit, agent, actor="Jonas", description="wait, this is new")
        answer = maren.post(f"{agent.id}/delete", asked)
        assert answer.status_code == 409
        assert "wait, this is new" in answer.text
        assert stored(unit, agent).version == 2
        assert maren.post(f"{agent.id}/delete", form_of(answer)).status_code == 302

    def test_without_a_revision_nothing_is_deleted(self, maren: Browser, unit: OpenUnit) -> None:
        agent = create(unit)
        assert maren.post(f"{agent.id}/delete", {}).status_code == 409
        assert stored(unit, agent).version == 1

    def test_deleting_twice_says_so(self, maren: Browser, unit: OpenUnit) -> None:
        agent = create(unit)
        asked = form_of(maren.get(f"{agent.id}/delete"))
        maren.post(f"{agent.id}/delete", asked)
        answer = maren.post(f"{agent.id}/delete", asked)
        assert answer.status_code == 409
        assert "Somebody else was faster" in answer.text

    def test_a_change_at_the_commit_is_noticed_too(self, database: DatabaseService, unit: OpenUnit) -> None:
        agent = create(unit)
        app: WherryFlask = make_app(database)

        @app.extensions["wherry"].hub.during(AgentDeleted)
        def somebody_is_faster(event: AgentDeleted, uow: Any) -> None:
            change(unit, agent, description="new")

        answer = delete(Browser(app, "Maren"), agent)
        assert answer.status_code == 409
        assert stored(unit, agent).description == "new"


class TestRestoring:
    def test_an_old_version_becomes_the_newest(self, jonas: Browser, unit: OpenUnit) -> None:
        agent = change(unit, create(unit, description="old"), description="new")
        answer = jonas.post(f"{agent.id}/versions/1/restore", form_of(jonas.get(f"{agent.id}/versions/1")))
        assert "Version 1 was restored as version 3." in jonas.client.get(answer.location).text
        assert stored(unit, agent).description == "old"

    def test_a_change_meanwhile_leads_to_the_conflict_page(self, jonas: Browser, unit: OpenUnit) -> None:
        agent = change(unit, create(unit, description="old"), description="new")
        sent = form_of(jonas.get(f"{agent.id}/versions/1"))
        change(unit, agent, description="newer")
        answer = jonas.post(f"{agent.id}/versions/1/restore", sent)
        assert answer.status_code == 409
        assert form_of(answer)["description"] == "old"

    def test_a_deleted_agent_comes_back(self, maren: Browser, unit: OpenUnit) -> None:
        agent = create(unit)
        delete(maren, agent)
        page = maren.get(f"{agent.id}/versions/1")
        assert "Bring the agent back" in page.text
        maren.post(f"{agent.id}/versions/1/restore", form_of(page))
        assert stored(unit, agent).version == 2

    def test_a_name_that_is_taken_by_now_can_be_changed_before_it_is_saved(
        self, maren: Browser, unit: OpenUnit
    ) -> None:
        agent = change(unit, create(unit, "Greeter"), name="Welcomer")
        create(unit, "Greeter")
        answer = maren.post(f"{agent.id}/versions/1/restore", form_of(maren.get(f"{agent.id}/versions/1")))
        assert answer.status_code == 422
        assert maren.post(f"{agent.id}/edit", {**form_of(answer), "name": "Third"}).status_code == 302
        assert stored(unit, agent).name == "Third"


def delete(browser: Browser, agent: Entity) -> Any:
    return browser.post(f"{agent.id}/delete", form_of(browser.get(f"{agent.id}/delete")))


def only(unit: OpenUnit, name: str) -> Agent:
    agents = unit().store(Agent)
    found = [document["_id"] for document in unit().service.list_all("t1/agents") if document["name"] == name]
    return agents.get(found[0])
