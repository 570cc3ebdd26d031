"""Adopting Gofannon's documents into a tenant, with what is left out and why."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask

from app.db import DatabaseService, NotFound, open_database
from app.db.audit import AuditRecord
from app.db.entities import schema_of
from app.db.flask_ext import install_database
from app.db.transfer.adopting import AdoptionReport, adopt
from app.db.transfer.errors import TransferRefused
from app.db.transfer.foreign_couchdb import ForeignCouch
from app.db.transfer.progress import Silent
from app.db.unit_of_work import UnitOfWork
from app.errors import WherryError
from app.modules.agents.entities import Agent, AgentContent, AgentVersion
from app.modules.agents.services import AgentService
from app.tenants.entities import Tenant
from app.tenants.services import SLUG_CLAIM
from tests.db.couchdb_fixtures import backend, couchdb_url
from tests.db.couchdb_server import CouchBackend
from tests.db.transfer.gofannon import AGENT, FOREIGN, USER, Shelf, script

__all__ = ["backend", "couchdb_url"]
SCHEMA = schema_of(Agent, AgentVersion, Tenant)
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def target() -> Iterator[DatabaseService]:
    """An installation with the tenant ``acme``, whose id is ``t1``."""
    service = open_database("memory:", SCHEMA)
    with UnitOfWork(service, tenant_id=None) as uow:
        tenant = uow.store(Tenant).add(Tenant(id="t1", name="Acme", slug="acme"))
        uow.claim(SLUG_CLAIM, "acme", tenant)
        uow.commit()
    yield service
    service.close()


def adopted(target: DatabaseService, foreign: Any = None, **options: Any) -> AdoptionReport:
    module = script()
    source = Shelf(FOREIGN) if foreign is None else foreign
    return adopt(source, target, "t1", module.MAPPINGS, module.IGNORED, Silent(), clock=lambda: NOW, **options)


def reasons(report: AdoptionReport) -> dict[tuple[str, str], str]:
    return {(one.id, one.what): one.reason for one in report.left_out}


class TestAgents:
    def test_an_agent_has_its_content_its_times_and_its_owner(self, target: DatabaseService) -> None:
        adopted(target)
        with UnitOfWork(target, tenant_id="t1") as uow:
            agent = uow.store(Agent).get(AGENT["_id"])
        assert (agent.name, agent.name_key, agent.description) == ("Ticket sorter", "ticket sorter", "Sorts tickets")
        assert agent.tools == ["search", "lookup"]
        assert agent.calls == AGENT["gofannonAgents"]
        assert (agent.owner, agent.owner_name, agent.status) == ("asf:jdoe", "jdoe", "draft")
        assert json.loads(agent.input_schema) == {
            "type": "object",
            "properties": {"inputText": {"type": "string"}, "depth": {"type": "integer"}},
        }
        assert json.loads(agent.output_schema) == AGENT["outputSchema"]
        assert agent.created_at == datetime(2025, 11, 2, 10, 20, 30, 123456, tzinfo=UTC)
        assert agent.updated_at == datetime(2025, 12, 3, 11, 22, 33, tzinfo=UTC)

    def test_it_can_be_changed_like_any_other(self, target: DatabaseService) -> None:
        adopted(target)
        with UnitOfWork(target, tenant_id="t1") as uow:
            agent = uow.store(Agent).get(AGENT["_id"])
            content = agent.content()
            content.description, content.calls = "Sorts better", []
            AgentService(uow).change(agent.id, str(agent.rev), content)
            uow.commit()
        with UnitOfWork(target, tenant_id="t1") as uow:
            assert uow.store(Agent).get(AGENT["_id"]).version == 2

    def test_its_name_is_taken_from_then_on(self, target: DatabaseService) -> None:
        adopted(target)
        with UnitOfWork(target, tenant_id="t1") as uow, pytest.raises(Exception, match="this name"):
            AgentService(uow).create(AgentContent(name="TICKET sorter", code="def handler(event): ..."))

    def test_its_adoption_is_in_the_audit_record(self, target: DatabaseService) -> None:
        adopted(target)
        with UnitOfWork(target, tenant_id="t1") as uow:
            subjects = {subject for record in target.list_all("t1/audit") for subject in record["subjects"]}
            assert f"agents/{AGENT['_id']}" in subjects
            assert uow.store(AuditRecord) is not None

    def test_what_is_left_out_has_a_reason(self, target: DatabaseService) -> None:
        found = reasons(adopted(target))
        assert "use here" in found["_design/agents", "design document"]
        assert "another agent has its name_key" in found["asf:jdoe", "document"]
        assert "350,000" in found["huge", "document"]
        assert found[AGENT["_id"], "field swaggerSpecs"] == "agents have no such field"
        assert "name stands for it" in found[AGENT["_id"], "field friendlyName"]

    def test_a_value_that_does_not_fit_is_left_out_and_the_agent_adopted(self, target: DatabaseService) -> None:
        found = reasons(adopted(target))
        assert found["wrong", "field code"] == "is int, not text"
        assert found["wrong", "field tools"] == "is no object of lists of names"
        assert found["wrong", "field createdAt"] == "is no time that can be read"
        assert target.get("t1/agents", "wrong")["name"] == "Wrong"

    def test_what_has_to_be_mended_is_remarked(self, target: DatabaseService) -> None:
        remarks = {(id, remark) for _, id, remark in adopted(target).remarks}
        assert ("no-handler", "The code defines no handler: write def handler(event): ...") in remarks
        assert AGENT["_id"] not in {id for id, _ in remarks}


class TestOthers:
    def test_documents_without_an_entity_keep_everything_under_snake_case_names(self, target: DatabaseService) -> None:
        adopted(target)
        found = target.get("t1/adopted_users", "asf:jdoe")
        assert {name: value for name, value in found.items() if name != "_rev"} == {
            "_id": "asf:jdoe",
            "display_name": "Jane Doe",
            "is_active": True,
            "basic_info": USER["basicInfo"],
            "last_login_at": None,
        }

    def test_databases_without_a_mapping_are_told(self, target: DatabaseService) -> None:
        report = adopted(target)
        assert report.counts["letters", "database", "there is no mapping for it"] == 1
        assert report.counts["sessions", "database", "people sign in anew"] == 1
        assert {one.name for one in target.collections()} >= {"adopted_users", "adopted_tickets", "adopted_demos"}

    def test_a_document_that_no_database_of_ours_may_hold_is_told(self, target: DatabaseService) -> None:
        assert "2^53" in reasons(adopted(target))["too-big", "document"]
        with pytest.raises(NotFound):
            target.get("t1/adopted_tickets", "too-big")

    def test_the_numbers_are_told_by_database(self, target: DatabaseService) -> None:
        report = adopted(target)
        agents = report.databases["agents"]
        assert (agents.adopted, agents.there, agents.left_out) == (3, 0, 3)
        assert (report.databases["tickets"].adopted, report.databases["tickets"].left_out) == (1, 1)

    def test_a_second_time_adopts_what_is_missing_and_leaves_alone_what_is_there(self, target: DatabaseService) -> None:
        adopted(target)
        target.save("t1/adopted_users", "asf:jdoe", {"display_name": "Changed"})
        target.delete("t1/agents", "no-handler")
        again = adopted(target)
        assert (again.databases["agents"].adopted, again.databases["agents"].there) == (1, 2)
        assert target.get("t1/adopted_users", "asf:jdoe")["display_name"] == "Changed"

    def test_a_dry_run_tells_the_same_and_writes_nothing(self, target: DatabaseService) -> None:
        before = [one.name for one in target.collections()]
        rehearsed = adopted(target, dry_run=True)
        assert [one.name for one in target.collections()] == before
        assert list(target.list_all("t1/agents")) == []
        real = adopted(target)
        assert rehearsed.databases == real.databases
        assert rehearsed.counts == real.counts
        assert rehearsed.remarks == real.remarks

    def test_a_server_without_any_mapped_database_is_refused(self, target: DatabaseService) -> None:
        with pytest.raises(TransferRefused, match="letters"):
            adopted(target, Shelf({"letters": []}))


class TestUrls:
    @pytest.mark.parametrize("url", ["", "ftp://host", "http://", "http://host:port", "sqlite:///x.db"])
    def test_what_is_no_couchdb_is_refused(self, url: str) -> None:
        with pytest.raises(WherryError, match="URL"):
            ForeignCouch.from_url(url)

    def test_a_password_is_in_no_name(self) -> None:
        assert ForeignCouch.from_url("https://a:hush@host/base/").name == "https://host:443/base"


class TestOnCouchdb:
    def test_a_real_server_is_adopted_by_the_script(
        self, target: DatabaseService, backend: CouchBackend, tmp_path: Path
    ) -> None:
        session = backend.session()
        prefix = f"{backend.prefix}-"
        for name, documents in FOREIGN.items():
            session.json("PUT", f"/{prefix}{name}")
            session.json("POST", f"/{prefix}{name}/_bulk_docs", {"docs": documents})
        rev = session.json("GET", f"/{prefix}users/asf%3Ajdoe")["_rev"]
        session.request("PUT", f"/{prefix}users/asf%3Ajdoe/portrait.png?rev={rev}", b"\x89PNG")
        for number in range(450):
            session.json("PUT", f"/{prefix}demos/d{number:03}", {"demoName": str(number)})
        session.close()

        url = backend.url.replace("couchdb://", "http://")
        app = Flask("acme")
        install_database(app, target)
        report = tmp_path / "report.json"
        with app.app_context():
            arguments = [url, "acme", "--prefix", prefix, "--report", str(report), "--json"]
            result = CliRunner().invoke(script().main, arguments)
        assert result.exit_code == 2, result.output
        assert json.loads(result.stdout) == json.loads(report.read_text())
        told = json.loads(report.read_text())
        assert told["databases"]["demos"] == {"collection": "adopted_demos", "adopted": 450, "there": 0, "left_out": 0}
        assert told["databases"]["agents"]["adopted"] == 3
        left = {(one["database"], one["id"], one["what"]) for one in told["left_out"]}
        assert ("users", "asf:jdoe", "attachment portrait.png") in left
        assert ("agents", "_design/agents", "design document") in left
        assert ("letters", "", "database") in left
        assert target.get("t1/adopted_users", "asf:jdoe")["display_name"] == "Jane Doe"
        assert target.get("t1/adopted_tickets", "asf:jdoe:1")["opened_by"] == "asf:jdoe"

    def test_the_report_is_readable_and_a_wrong_tenant_is_named(
        self, target: DatabaseService, backend: CouchBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = backend.session()
        session.json("PUT", f"/{backend.prefix}-users")
        session.json("PUT", f"/{backend.prefix}-users/asf%3Ajdoe", USER)
        session.close()
        monkeypatch.setenv("FOREIGN", backend.url.replace("couchdb://", "http://"))
        app = Flask("acme")
        install_database(app, target)

        def run(*arguments: str) -> Any:
            with app.app_context():
                return CliRunner().invoke(script().main, ["env:FOREIGN", *arguments, "--prefix", f"{backend.prefix}-"])

        shown = run("t1", "--dry-run")
        assert shown.exit_code == 0, shown.output
        assert "users -> adopted_users: 1 would be adopted" in shown.stdout
        assert "no tenant" in run("nobody").stderr
        assert run("acme").exit_code == 0
        assert "1 were there already" in run("acme").stdout
