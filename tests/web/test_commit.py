"""One unit of work per request, on a real database: what is written, when, and what is not."""

from typing import Any

import pytest
from flask import Response, abort, redirect, session, stream_with_context

from app.db import NotFound
from app.db.entities import Entity, schema_of
from app.errors import Invalid, Problem
from app.web import access_control
from app.web.context import current, on_conflict
from app.web.feedback import messages, notify
from app.web.tenant_urls import tenant_prefix
from tests.app_database import databases
from tests.web.probe import client, make_app


class Boat(Entity):
    """What is stored here."""

    collection = "boats"
    name: str


class World:
    """An application with a database and one view, ``/t/pier/boats``, that a test brings along."""

    def __init__(self, view, methods=("POST",)) -> None:
        self.database = databases().open(schema_of(Boat))

        def setup(app, registry):
            app.extensions["database"] = self.database
            app.add_url_rule(
                tenant_prefix("/boats"), "boats", access_control("agents.view")(view), methods=list(methods)
            )

            @app.get("/said")
            @access_control()
            def said():
                return " ".join(text for _, text in messages())

            @app.get("/remember")
            @access_control()
            def remember():
                session["value"] = "earlier"
                return "remembered"

            @app.get("/session")
            @access_control()
            def kept():
                return str(session.get("value"))

        self.app = make_app(setup)
        self.browser = client(self.app, "anna")

    def boats(self) -> dict[str, str]:
        return {document["_id"]: document["name"] for document in self.database.list_all("t-1/boats")}

    def steal(self, id: str, name: str) -> None:
        """Somebody else changes the boat."""
        self.database.save("t-1/boats", id, self.database.get("t-1/boats", id) | {"name": name})


def add(name: str, id: str = "b1") -> str:
    current().uow.store(Boat).add(Boat(id=id, name=name))
    return "added"


def test_what_a_successful_view_registered_is_written_and_no_view_calls_commit() -> None:
    world = World(lambda: add("Heron"))
    assert world.browser.post("/t/pier/boats").status_code == 200
    assert world.boats() == {"b1": "Heron"}


def test_a_redirect_counts_as_success() -> None:
    def view():
        add("Heron")
        return redirect("/inside")

    world = World(view)
    world.browser.post("/t/pier/boats")
    assert world.boats() == {"b1": "Heron"}


def fail_by_exception():
    raise ZeroDivisionError


def fail_as_invalid():
    raise Invalid({"name": [Problem("taken", "Taken.")]})


FAILURES = {
    "an exception": (fail_by_exception, 500),
    "a service's problems": (fail_as_invalid, 422),
    "abort": (lambda: abort(403), 403),
    "a 400 answer": (lambda: ("no", 400), 400),
    "a 422 answer": (lambda: ("no", 422), 422),
    "a 500 answer": (lambda: ("no", 500), 500),
    "a 503 answer": (lambda: Response("no", 503), 503),
    "no answer at all": (lambda: None, 500),
}


@pytest.mark.parametrize("how", FAILURES)
def test_a_view_that_fails_writes_nothing_and_says_nothing(how: str) -> None:
    fail, status = FAILURES[how]

    def view():
        add("Heron")
        return fail()

    world = World(view)
    assert world.browser.post("/t/pier/boats").status_code == status
    assert world.boats() == {}
    assert list(world.database.list_all("t-1/audit")) == []


def test_an_independent_unit_is_written_whatever_the_answer() -> None:
    def view():
        add("Heron")
        with current().uow.independent() as own:
            own.store(Boat).add(Boat(id="tries", name="one"))
        return "no", 422

    world = World(view)
    world.browser.post("/t/pier/boats")
    assert world.boats() == {"tries": "one"}


def lose_a_race(world: World, after=lambda: "saved"):
    """A view that changes a boat which somebody else changes before the commit."""

    def view():
        boats = current().uow.store(Boat)
        boat = boats.get("b1")
        boat.name = "mine"
        boats.save(boat)
        world.steal("b1", "theirs")
        notify("success", "Your boat was saved.")
        session["value"] = "mine"
        return after()

    world.app.view_functions["boats"] = access_control("agents.view")(view)
    world.database.create("t-1/boats", "b1", Boat(name="old").to_document())


def test_a_conflict_at_commit_is_the_409_page_and_overwrites_nothing() -> None:
    world = World(lambda: "")
    lose_a_race(world)
    answer = world.browser.post("/t/pier/boats")
    assert answer.status_code == 409
    assert "Somebody else was faster" in answer.text
    assert world.boats() == {"b1": "theirs"}


def test_a_conflict_at_commit_leaves_neither_message_nor_session_behind() -> None:
    world = World(lambda: "")
    lose_a_race(world, lambda: redirect("/said"))
    world.browser.get("/remember")
    answer = world.browser.post("/t/pier/boats")
    assert answer.status_code == 409
    assert "Your boat was saved." not in answer.text
    assert world.browser.get("/said").text == ""
    assert world.browser.get("/session").text == "earlier"


def test_a_view_may_answer_a_conflict_at_commit_with_a_page_of_its_own_that_reads() -> None:
    def page(conflict):
        return f"now it is called {current().uow.store(Boat).get('b1').name}", 409

    def after():
        on_conflict(page)
        return "saved"

    world = World(lambda: "")
    lose_a_race(world, after)
    answer = world.browser.post("/t/pier/boats")
    assert (answer.status_code, answer.text) == (409, "now it is called theirs")
    assert answer.headers["Content-Security-Policy"]


def test_a_conflict_page_that_forgets_its_status_is_a_409_all_the_same() -> None:
    def after():
        on_conflict(lambda conflict: "both versions")
        return "saved"

    world = World(lambda: "")
    lose_a_race(world, after)
    assert world.browser.post("/t/pier/boats").status_code == 409


def test_a_conflict_that_the_view_itself_meets_is_answered_by_the_same_page() -> None:
    def view():
        on_conflict(lambda conflict: ("both versions", 409))
        current().uow.store(Boat).get("b1", rev="other.1")
        return "not reached"

    world = World(view)
    world.database.create("t-1/boats", "b1", Boat(name="old").to_document())
    assert world.browser.post("/t/pier/boats").text == "both versions"


def test_a_conflict_page_cannot_write() -> None:
    def page(conflict):
        add("Ghost", "b2")
        return "x"

    def after():
        on_conflict(page)
        return "saved"

    world = World(lambda: "")
    lose_a_race(world, after)
    assert world.browser.post("/t/pier/boats").status_code == 500
    assert world.boats() == {"b1": "theirs"}


def test_registering_a_change_after_the_commit_raises() -> None:
    raised = []

    def view():
        add("Heron")
        return "ok"

    world = World(view)

    @world.app.after_request
    def late(response):
        with pytest.raises(RuntimeError):
            add("Late", "b2")
        raised.append(True)
        return response

    assert world.browser.post("/t/pier/boats").status_code == 200
    assert raised == [True]
    assert world.boats() == {"b1": "Heron"}


@pytest.mark.parametrize("used_before", [True, False])
def test_a_streamed_body_reads_and_cannot_write(used_before: bool) -> None:
    seen = []

    def view():
        if used_before:
            add("Heron")

        def body():
            boats = current().uow.store(Boat)
            seen.append(boats.get_or_none("b1"))
            with pytest.raises(RuntimeError):
                add("Late", "b2")
            yield "streamed"

        return Response(stream_with_context(body()))

    world = World(view)
    assert world.browser.post("/t/pier/boats").text == "streamed"
    assert (seen[0] is not None) == used_before
    assert set(world.boats()) == ({"b1"} if used_before else set())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_get_that_registers_a_change_is_a_mistake_and_writes_nothing(method: str) -> None:
    world = World(lambda: add("Heron"), methods=("GET",))
    assert world.browser.open("/t/pier/boats", method=method).status_code == 500
    assert world.boats() == {}


def test_the_unit_of_work_knows_tenant_and_person() -> None:
    seen: dict[str, Any] = {}

    def view():
        uow = current().uow
        seen.update(tenant=uow.tenant_id, actor=uow.actor)
        return "ok"

    world = World(view)
    world.browser.post("/t/pier/boats", environ_overrides={"wherry.correlation_id": "a-reference-1"})
    assert seen["tenant"] == "t-1"
    actor = seen["actor"]
    assert (actor.kind, actor.id, actor.correlation_id) == ("user", "anna", "a-reference-1")


def test_a_missing_document_is_a_404_like_any_other() -> None:
    def view():
        current().uow.store(Boat).get("nothing")

    assert World(view).browser.post("/t/pier/boats").status_code == 404


def test_a_message_waits_for_the_page_after_the_redirect_and_is_shown_once() -> None:
    def view():
        notify("success", "Launched.")
        return redirect("/said")

    world = World(view)
    world.browser.post("/t/pier/boats")
    assert world.browser.get("/said").text == "Launched."
    assert world.browser.get("/said").text == ""


def test_a_message_is_shown_on_the_very_page_that_renders_it() -> None:
    def view():
        notify("info", "Here.")
        return " ".join(text for _, text in messages())

    world = World(view)
    assert world.browser.post("/t/pier/boats").text == "Here."
    assert world.browser.get("/said").text == ""


def test_two_requests_never_share_a_unit_of_work() -> None:
    units = []

    def view():
        units.append(current().uow)
        return "ok"

    world = World(view)
    world.browser.post("/t/pier/boats")
    world.browser.post("/t/pier/boats")
    assert units[0] is not units[1]
    with pytest.raises(NotFound):
        world.database.get("t-1/boats", "b1")
