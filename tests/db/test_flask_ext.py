import gc
import json
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from flask import Flask, abort, redirect

from app.db import DatabaseService, InvalidQuery, NotFound, open_database
from app.db.audit import AuditRecord, newest
from app.db.correlation import correlated, correlation_id
from app.db.flask_ext import command_unit, current_database, install_database
from app.db.unit_of_work import UnitOfWork
from app.errors import Invalid, NotAllowed, Problem
from app.web import access_control, current, register
from app.web.application import WherryFlask
from app.web.logs import JsonFormatter
from app.web.registry import Registry
from tests.app_database import databases
from tests.db.kit import SCHEMA, Boat, BoatLaunched

KEY = "a key that only these tests use, 32+"


@pytest.fixture
def db() -> DatabaseService:
    database = databases().open(SCHEMA, strict=True)
    database.save("tenants", "t1", {"name": "One"})
    return database


def boats(db: DatabaseService) -> list[str]:
    return [document["name"] for _, document in db.scan("boats").documents]


def launch_and_fail(uow: UnitOfWork) -> None:
    uow.store(Boat).add(Boat(name="Ariel"))
    raise ZeroDivisionError


class TestInstalling:
    def test_the_service_lives_in_the_application(self, db: DatabaseService) -> None:
        app, other = Flask("one"), Flask("two")
        install_database(app, db)
        install_database(other, open_database("memory:"))
        with app.app_context():
            assert current_database() is db is app.extensions["database"]
        with other.app_context():
            assert current_database() is not db
        with pytest.raises(RuntimeError, match="already"):
            install_database(app, db)

    def test_an_application_without_database_says_so(self) -> None:
        with Flask("none").app_context(), pytest.raises(RuntimeError, match="no database"):
            current_database()

    def test_the_service_is_closed_with_its_application(self, db: DatabaseService) -> None:
        closed: list[bool] = []
        db.close = lambda: closed.append(True)  # type: ignore[method-assign]
        app = Flask("one")
        install_database(app, db)
        del app
        gc.collect()
        assert closed == [True]


class TestCommands:
    def test_a_command_commits_when_its_block_ends_and_is_named_in_the_record(self, db: DatabaseService) -> None:
        app = Flask("one")
        install_database(app, db)
        with app.app_context(), command_unit("launch", tenant_id="t1") as uow:
            uow.store(Boat).add(Boat(name="Ariel"))
            with command_unit("launch", tenant_id="t1") as inner:
                assert inner is uow
        (record,) = newest(UnitOfWork(db, tenant_id="t1").store(AuditRecord)).items
        assert (record.actor_kind, record.actor_name) == ("command", "launch")
        assert len(record.correlation_id) == 32

    def test_log_lines_and_the_audit_record_of_a_command_have_the_same_id(self, db: DatabaseService) -> None:
        app = Flask("one")
        install_database(app, db)
        line = logging.LogRecord("wherry", logging.INFO, __file__, 1, "launched", (), None)
        said: list[str] = []
        before = correlation_id()
        with app.app_context(), correlated():
            for name in ("Ariel", "Calypso"):
                with command_unit("launch", tenant_id="t1") as uow:
                    uow.store(Boat).add(Boat(name=name))
                    said.append(json.loads(JsonFormatter().format(line))["correlation_id"])
        records = newest(UnitOfWork(db, tenant_id="t1").store(AuditRecord)).items
        assert len(set(said)) == 1
        assert [record.correlation_id for record in records] == said
        assert correlation_id() == before

    def test_a_command_that_fails_writes_nothing(self, db: DatabaseService) -> None:
        app = Flask("one")
        install_database(app, db)
        with app.app_context(), pytest.raises(ZeroDivisionError), command_unit("launch", tenant_id="t1") as uow:
            launch_and_fail(uow)
        assert boats(db) == []

    @pytest.mark.parametrize("tenant", ["t2", ""])
    def test_a_tenant_that_does_not_exist_is_refused(self, db: DatabaseService, tenant: str) -> None:
        app = Flask("one")
        install_database(app, db)
        with app.app_context(), pytest.raises((NotFound, InvalidQuery)), command_unit("launch", tenant_id=tenant):
            pass

    def test_it_uses_the_applications_hub(self, db: DatabaseService) -> None:
        app = Flask("one")
        install_database(app, db)
        registry = app.extensions["wherry"] = Registry()
        heard: list[str] = []
        registry.hub.during(BoatLaunched)(lambda event, uow: heard.append(event.boat_id))
        with app.app_context(), command_unit("launch", tenant_id="t1") as uow:
            uow.emit(BoatLaunched(boat_id="b"))
        assert heard == ["b"]


def refuse() -> Any:
    raise NotAllowed("no")


def invalid() -> Any:
    raise Invalid({"name": [Problem("taken", "This name is taken.")]})


def fail() -> Any:
    raise ZeroDivisionError


class TestRequests:
    """What a view registers is written if and only if it answered below 400."""

    def post(self, db: DatabaseService, end: Callable[[], Any], *, late: bool = False) -> int:
        app = WherryFlask()
        app.config.update(SECRET_KEY=KEY, TESTING=True, PROPAGATE_EXCEPTIONS=False, WTF_CSRF_ENABLED=False)
        registry = Registry()
        register(app, registry)
        install_database(app, db)

        @app.post("/launch")
        @access_control(open=True)
        def launch() -> Any:
            uow = current().uow
            uow.bind_tenant("t1")
            uow.store(Boat).add(Boat(name="Ariel"))
            assert current().uow is uow
            return end()

        if late:

            @app.after_request
            def change_late(response: Any) -> Any:
                current().uow.store(Boat).add(Boat(name="Late"))
                return response

        return app.test_client().post("/launch").status_code

    @pytest.mark.parametrize(
        "end", [lambda: "done", lambda: ("made", HTTPStatus.CREATED), lambda: redirect("/")], ids=["200", "201", "302"]
    )
    def test_an_answer_below_400_is_committed_by_the_application_not_by_the_view(
        self, db: DatabaseService, end: Callable[[], Any]
    ) -> None:
        assert self.post(db, end) < 400
        assert boats(db) == ["Ariel"]

    @pytest.mark.parametrize(
        ("end", "status"),
        [
            (lambda: ("again", HTTPStatus.UNPROCESSABLE_ENTITY), 422),
            (lambda: ("broken", HTTPStatus.INTERNAL_SERVER_ERROR), 500),
            (lambda: abort(404), 404),
            (refuse, 403),
            (invalid, 422),
            (fail, 500),
        ],
        ids=["422", "500", "abort", "not-allowed", "invalid", "exception"],
    )
    def test_a_refusal_or_failure_writes_nothing(
        self, db: DatabaseService, end: Callable[[], Any], status: int
    ) -> None:
        assert self.post(db, end) == status
        assert boats(db) == []
        assert db.scan("audit").documents == []

    def test_what_is_registered_after_the_commit_is_refused(self, db: DatabaseService) -> None:
        assert self.post(db, lambda: "done", late=True) == 500
        assert boats(db) == ["Ariel"]
