"""What the service promises, without HTTP, on every database that the run names."""

from typing import Any

import pytest

from app.db import Conflict, NotFound, Query, where
from app.db.audit import AuditRecord
from app.db.claims import Taken
from app.errors import Invalid
from app.hub import Event
from app.modules.agents.entities import AgentContent, AgentVersion
from app.modules.agents.events import AgentChanged, AgentCreated, AgentDeleted
from app.modules.agents.services import AgentService, tidy
from app.web.registry import Registry
from tests.modules.agents.given import CODE, change, content, create, documents
from tests.modules.conftest import OpenUnit


def problems(found: pytest.ExceptionInfo[Invalid]) -> dict[str, str]:
    return {field: items[0].code for field, items in found.value.problems.items()}


class TestCreating:
    def test_an_agent_is_stored_with_its_first_version_and_belongs_to_whoever_created_it(self, unit: OpenUnit) -> None:
        made = create(unit, "Greeter", tags=["Hello", "hello"], description=" Says hello.\n")
        agent = AgentService(unit()).get(made.id)
        assert (agent.name, agent.version, agent.owner, agent.owner_name) == ("Greeter", 1, "maren", "Maren")
        assert (agent.tags, agent.description) == (["hello"], "Says hello.")
        version = AgentService(unit()).version(agent.id, 1)
        assert version.content() == agent.content()
        assert (version.author_name, version.set_aside) == ("Maren", False)
        assert version.created_at >= agent.created_at

    def test_without_a_commit_nothing_is_written(self, unit: OpenUnit) -> None:
        uow = unit()
        AgentService(uow).create(content())
        uow.rollback()
        assert documents(uow, "agents") == documents(uow, "agent_versions") == documents(uow, "claims") == []

    @pytest.mark.parametrize("name", ["greeter", "GREETER", "  Greeter ", "Ｇreeter", "Gree\u200bter"])
    def test_a_name_that_looks_the_same_is_taken(self, unit: OpenUnit, name: str) -> None:
        create(unit, "Greeter")
        with pytest.raises(Invalid) as found:
            AgentService(unit("Jonas")).create(content(name))
        assert problems(found) == {"name": "taken"}

    def test_the_same_name_is_free_in_another_tenant(self, unit: OpenUnit) -> None:
        create(unit, "Greeter")
        assert create(unit, "Greeter", tenant="t2").name == "Greeter"

    def test_of_two_who_take_a_name_at_the_same_moment_one_gets_it(self, unit: OpenUnit) -> None:
        first, second = unit("Maren"), unit("Jonas")
        AgentService(first).create(content("Greeter"))
        AgentService(second).create(content("greeter"))
        first.commit()
        with pytest.raises(Taken):
            second.commit()
        assert len(documents(first, "agents")) == len(documents(first, "agent_versions")) == 1

    def test_every_field_that_is_wrong_is_named_at_once(self, unit: OpenUnit) -> None:
        create(unit, "Greeter")
        with pytest.raises(Invalid) as found:
            AgentService(unit()).create(
                AgentContent(
                    name="greeter",
                    description="x" * 2_001,
                    code="def handler(:",
                    input_schema="{",
                    output_schema="[]",
                    tools=["Mail Send"],
                    calls=["missing"],
                    status="sunk",
                    tags=["!"],
                )
            )
        assert problems(found) == {
            "name": "taken",
            "description": "invalid",
            "code": "invalid",
            "input_schema": "invalid",
            "output_schema": "invalid",
            "tools": "invalid",
            "calls": "invalid",
            "status": "invalid",
            "tags": "invalid",
        }

    def test_a_missing_name_is_required_and_an_unreadable_one_is_invalid(self, unit: OpenUnit) -> None:
        for name, code in (("  ", "required"), ("a\nb", "invalid"), ("\u200b", "invalid"), ("x" * 301, "invalid")):
            with pytest.raises(Invalid) as found:
                AgentService(unit()).create(content(name))
            assert problems(found) == {"name": code}


class TestCalls:
    def test_an_agent_may_call_others_of_its_tenant(self, unit: OpenUnit) -> None:
        other = create(unit, "Tide table")
        assert create(unit, "Planner", calls=[other.id, other.id]).calls == [other.id]

    @pytest.mark.parametrize("id", ["nobody", "../agents", "x" * 2_000, "", "\x00"])
    def test_an_id_that_does_not_exist_is_refused(self, unit: OpenUnit, id: str) -> None:
        with pytest.raises(Invalid) as found:
            create(unit, "Planner", calls=[id])
        assert problems(found) == {"calls": "invalid"}

    def test_another_tenants_agent_is_refused_like_a_missing_one(self, unit: OpenUnit) -> None:
        foreign = create(unit, "Tide table", tenant="t2")
        with pytest.raises(Invalid) as one:
            create(unit, "Planner", calls=[foreign.id])
        with pytest.raises(Invalid) as other:
            create(unit, "Planner", calls=["nobody"])
        assert one.value.problems == other.value.problems

    def test_an_agent_cannot_call_itself(self, unit: OpenUnit) -> None:
        agent = create(unit)
        with pytest.raises(Invalid) as found:
            change(unit, agent, calls=[agent.id])
        assert problems(found) == {"calls": "invalid"}


class TestChanging:
    def test_each_change_is_a_version_with_who_and_when(self, unit: OpenUnit) -> None:
        agent = create(unit)
        agent = change(unit, agent, actor="Jonas", description="Says hello.")
        service = AgentService(unit())
        assert [service.version(agent.id, number).author_name for number in (1, 2)] == ["Maren", "Jonas"]
        assert service.version(agent.id, 1).description == ""
        assert service.version(agent.id, 2).description == "Says hello."
        assert service.get(agent.id).version == 2

    def test_a_change_without_a_difference_makes_no_version(self, unit: OpenUnit) -> None:
        agent = create(unit)
        assert change(unit, agent, name=" Greeter ").version == 1
        assert len(documents(unit(), "agent_versions")) == 1

    def test_a_change_on_an_older_revision_is_a_conflict_and_writes_nothing(self, unit: OpenUnit) -> None:
        agent = create(unit)
        opened_with = agent.rev or ""
        change(unit, agent, description="first")
        with pytest.raises(Conflict):
            AgentService(unit("Jonas")).change(agent.id, opened_with, content(description="second"))
        assert AgentService(unit()).get(agent.id).description == "first"

    def test_a_change_without_a_revision_is_a_conflict_too(self, unit: OpenUnit) -> None:
        agent = create(unit)
        with pytest.raises(Conflict):
            AgentService(unit()).change(agent.id, "", content(description="second"))

    def test_of_two_changes_at_the_same_moment_the_second_commit_is_a_conflict(self, unit: OpenUnit) -> None:
        agent = create(unit)
        first, second = unit("Maren"), unit("Jonas")
        for uow, text in ((first, "first"), (second, "second")):
            AgentService(uow).change(agent.id, agent.rev or "", content(description=text))
        first.commit()
        with pytest.raises(Conflict):
            second.commit()
        assert AgentService(unit()).get(agent.id).description == "first"
        assert len(documents(first, "agent_versions")) == 2

    def test_a_change_of_a_deleted_agent_is_a_conflict_and_of_an_unknown_one_not_found(self, unit: OpenUnit) -> None:
        agent = create(unit)
        rev = agent.rev or ""
        delete(unit, agent.id)
        with pytest.raises(Conflict):
            AgentService(unit()).change(agent.id, rev, content(description="late"))
        with pytest.raises(NotFound):
            AgentService(unit()).change("nobody", rev, content())

    def test_a_new_name_frees_the_old_one(self, unit: OpenUnit) -> None:
        agent = create(unit, "Greeter")
        change(unit, agent, name="Welcomer")
        create(unit, "Greeter")
        with pytest.raises(Invalid):
            create(unit, "welcomer")

    def test_the_capitals_of_a_name_can_be_changed(self, unit: OpenUnit) -> None:
        agent = create(unit, "Greeter")
        assert change(unit, agent, name="GREETER").name == "GREETER"
        with pytest.raises(Invalid):
            create(unit, "greeter")


class TestVersions:
    def test_restoring_makes_a_new_version_with_the_old_content(self, unit: OpenUnit) -> None:
        agent = change(unit, create(unit, description="old"), description="new")
        uow = unit("Jonas")
        restored = AgentService(uow).restore(agent.id, 1, agent.rev or "")
        uow.commit()
        assert (restored.version, restored.description) == (3, "old")
        version = AgentService(unit()).version(agent.id, 3)
        assert (version.note, version.author_name) == ("Restored version 1", "Jonas")

    def test_restoring_leaves_out_agents_that_are_gone(self, unit: OpenUnit) -> None:
        other = create(unit, "Tide table")
        agent = change(unit, create(unit, calls=[other.id]), calls=[])
        delete(unit, other.id)
        assert AgentService(unit()).restore(agent.id, 1, agent.rev or "").calls == []

    def test_restoring_a_name_that_is_taken_by_now_is_invalid(self, unit: OpenUnit) -> None:
        agent = change(unit, create(unit, "Greeter"), name="Welcomer")
        create(unit, "Greeter")
        with pytest.raises(Invalid) as found:
            AgentService(unit()).restore(agent.id, 1, agent.rev or "")
        assert problems(found) == {"name": "taken"}

    def test_what_is_set_aside_is_in_the_history_and_the_agent_is_as_it_was(self, unit: OpenUnit) -> None:
        agent = create(unit)
        uow = unit("Jonas")
        AgentService(uow).set_aside(agent.id, agent.rev or "", content(description="mine", calls=["gone"]))
        uow.commit()
        service = AgentService(unit())
        now, aside = service.get(agent.id), service.version(agent.id, 2)
        assert (now.version, now.newest, now.description) == (1, 2, "")
        assert (aside.set_aside, aside.description, aside.calls, aside.author_name) == (True, "mine", [], "Jonas")
        assert change(unit, now, description="next").version == 3

    def test_a_version_of_another_tenants_agent_is_not_found(self, unit: OpenUnit) -> None:
        foreign = create(unit, tenant="t2")
        with pytest.raises(NotFound):
            AgentService(unit()).version(foreign.id, 1)


class TestDeleting:
    def test_a_deleted_agent_is_gone_its_name_is_free_and_its_versions_stay(self, unit: OpenUnit) -> None:
        agent = change(unit, create(unit, "Greeter"), description="new")
        delete(unit, agent.id)
        service = AgentService(unit())
        with pytest.raises(NotFound):
            service.get(agent.id)
        assert documents(unit(), "claims") == []
        assert service.version(agent.id, 2).description == "new"
        assert create(unit, "greeter").id != agent.id

    def test_a_deleted_agent_comes_back_under_its_id_and_to_its_owner(self, unit: OpenUnit) -> None:
        agent = create(unit, "Greeter", actor="Maren")
        delete(unit, agent.id)
        uow = unit("Jonas")
        AgentService(uow).restore(agent.id, 1, "")
        uow.commit()
        again = AgentService(unit()).get(agent.id)
        assert (again.version, again.newest, again.owner_name, again.name) == (2, 2, "Maren", "Greeter")
        with pytest.raises(Invalid):
            create(unit, "greeter")

    def test_it_does_not_come_back_under_a_name_that_is_taken(self, unit: OpenUnit) -> None:
        agent = create(unit, "Greeter")
        delete(unit, agent.id)
        create(unit, "Greeter")
        with pytest.raises(Invalid):
            AgentService(unit()).restore(agent.id, 1, "")

    def test_deleting_what_was_changed_meanwhile_is_a_conflict(self, unit: OpenUnit) -> None:
        agent = create(unit)
        opened_with = agent.rev or ""
        change(unit, agent, description="new")
        with pytest.raises(Conflict):
            AgentService(unit("Jonas")).delete(agent.id, opened_with)

    def test_deleting_twice_is_a_conflict_and_deleting_nothing_not_found(self, unit: OpenUnit) -> None:
        agent = create(unit)
        delete(unit, agent.id)
        with pytest.raises(Conflict):
            AgentService(unit()).delete(agent.id, agent.rev or "")
        with pytest.raises(NotFound):
            AgentService(unit()).delete("nobody", "x")


def test_events_tell_what_was_committed(unit: OpenUnit, registry: Registry) -> None:
    heard: list[Event] = []
    registry.hub.during(Event)(lambda event, uow: heard.append(event))
    agent = change(unit, create(unit, "Greeter"), name="Welcomer")
    delete(unit, agent.id)
    assert [type(event) for event in heard] == [AgentCreated, AgentChanged, AgentDeleted]
    assert [vars(event)["agent_name"] for event in heard] == ["Greeter", "Welcomer", "Welcomer"]


def test_the_audit_record_names_the_agent_and_not_its_versions(unit: OpenUnit) -> None:
    agent = change(unit, create(unit, "Greeter"), description="new")
    delete(unit, agent.id)
    page = unit().store(AuditRecord).find(Query(order_by=("at",)))
    changes: list[Any] = [change for record in page.items for change in record.changes]
    assert [(change.action, change.label) for change in changes] == [
        ("created", "Greeter"),
        ("changed", "Greeter"),
        ("deleted", "Greeter"),
    ]


def test_the_newest_versions_come_first_page_by_page(unit: OpenUnit) -> None:
    agent = create(unit)
    for number in range(2, 8):
        agent = change(unit, agent, description=str(number))
    store = unit().store(AgentVersion)
    mine, seen, cursor = where("agent_id").eq(agent.id), [], None
    while True:
        page = store.rows(Query(where=(mine,), order_by=("number",), descending=True, limit=3, cursor=cursor))
        seen += [row.number for row in page.items]
        if (cursor := page.cursor) is None:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]


def test_tidying_twice_changes_nothing_more() -> None:
    once = tidy(content(" Tide   table ", tags=["B", "b", "a"], description="x \n", code=CODE + "\n"))
    assert once.name == "Tide table"
    assert tidy(once) == once


def delete(unit: OpenUnit, id: str) -> None:
    uow = unit()
    service = AgentService(uow)
    service.delete(id, service.get(id).rev or "")
    uow.commit()
