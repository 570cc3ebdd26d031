import re
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.views import MethodView

from app.db.errors import NotFound
from app.web import access_control
from app.web.access import check_routes, require
from app.web.context import current
from app.web.registry import Registry
from app.web.tenant_urls import tenant_prefix
from tests.web.probe import client, make_app


def test_a_route_without_a_declaration_stops_the_start() -> None:
    def setup(app, registry):
        app.add_url_rule("/forgotten", "forgotten", lambda: "x")

    with pytest.raises(RuntimeError, match=r"/forgotten .* has no @access_control"):
        check_routes(make_app(setup))


def test_a_permission_that_nobody_declared_stops_the_start() -> None:
    def setup(app, registry):
        app.add_url_rule(tenant_prefix("/x"), "x", access_control("agents.fly")(lambda: "x"))

    with pytest.raises(RuntimeError, match=r"undeclared permission 'agents\.fly'"):
        check_routes(make_app(setup))


def test_a_permission_outside_a_tenant_stops_the_start() -> None:
    def setup(app, registry):
        app.add_url_rule("/x", "x", access_control("agents.view")(lambda: "x"))

    with pytest.raises(RuntimeError, match="belongs to no tenant"):
        check_routes(make_app(setup))


def test_every_mistake_is_named_at_once() -> None:
    def setup(app, registry):
        for name in ("one", "two"):
            app.add_url_rule(f"/{name}", name, lambda: "x")

    with pytest.raises(RuntimeError) as caught:
        check_routes(make_app(setup))
    assert "/one" in str(caught.value)
    assert "/two" in str(caught.value)


def test_the_routes_of_the_web_layer_itself_are_all_declared() -> None:
    check_routes(make_app())


def test_what_is_not_declared_is_refused_even_without_the_check_at_start() -> None:
    def setup(app, registry):
        app.add_url_rule("/forgotten", "forgotten", lambda: "let in")

    answer = client(make_app(setup), "root").get("/forgotten")
    assert answer.status_code == 403
    assert "let in" not in answer.text


def test_two_kinds_of_access_on_one_route_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="one of"):
        access_control("agents.view", open=True)


def test_class_based_views_obey_the_rule_of_their_class() -> None:
    def setup(app, registry):
        @access_control(superuser=True)
        class Page(MethodView):
            def get(self) -> str:
                return "page"

        app.add_url_rule("/class", view_func=Page.as_view("class"))

    app = make_app(setup)
    check_routes(app)
    assert client(app, "anna").get("/class").status_code == 403
    assert client(app, "root").get("/class").text == "page"


# user, path -> status. 404 is the answer for a tenant that one is no member of, whether it exists or not.
MATRIX = {
    ("", "/open"): 200,
    ("", "/inside"): 302,
    ("", "/root"): 302,
    ("", "/t/pier/agents/"): 302,
    ("", "/t/nowhere/agents/"): 302,
    ("anna", "/inside"): 200,
    ("anna", "/root"): 403,
    ("anna", "/t/pier/agents/"): 200,
    ("anna", "/t/pier/agents/edit"): 403,
    ("anna", "/t/nowhere/agents/"): 404,
    ("root", "/root"): 200,
    ("root", "/t/pier/agents/"): 404,
}


@pytest.mark.parametrize(("user", "path"), MATRIX)
def test_everybody_gets_exactly_what_the_declaration_says(user: str, path: str) -> None:
    assert client(make_app(), user).get(path).status_code == MATRIX[user, path]


def test_somebody_who_is_signed_out_comes_back_to_where_they_wanted_to_go() -> None:
    answer = client(make_app()).get("/t/pier/agents/?q=a%20b")
    assert parse_qs(urlsplit(answer.location).query) == {"next": ["/t/pier/agents/?q=a%20b"]}


def test_signed_out_programs_and_changes_get_a_401_and_no_redirect() -> None:
    browser = client(make_app())
    assert browser.get("/inside", headers={"Accept": "application/json"}).status_code == 401
    assert browser.post("/t/pier/agents/edit").status_code == 401


def test_a_foreign_tenant_and_a_missing_one_give_the_same_answer() -> None:
    browser = client(make_app(), "root")
    environ = {"wherry.correlation_id": "same-for-both"}
    answers = [
        browser.get(f"/t/{slug}/agents/", environ_overrides=environ)
        for slug in ("pier", "nowhere", "a.b", "PIER", "%00", "..", "x" * 2000)
    ]
    assert {answer.status_code for answer in answers} == {404}
    varying = re.compile(r'(name="(next|csrf_token)" value|nonce)="[^"]*"')
    assert len({varying.sub("", answer.text) for answer in answers}) == 1


def test_what_cannot_be_a_slug_is_never_looked_up() -> None:
    asked: list[str] = []

    def setup(app, registry):
        registry._resolve_tenant = lambda slug, user, uow: asked.append(slug)

    browser = client(make_app(setup), "anna")
    for slug in ("a.b", "PIER", "%00", "x" * 64, "-a", "a_b", "a%0a"):
        assert browser.get(f"/t/{slug}/agents/").status_code == 404
    assert asked == []


def test_an_old_slug_leads_to_the_present_one_and_keeps_path_query_and_method() -> None:
    browser = client(make_app(), "anna")
    found = browser.get("/t/old-pier/agents/?sort=-name&q=%2F%2Fevil")
    assert (found.status_code, found.location) == (302, "/t/pier/agents/?sort=-name&q=%2F%2Fevil")
    assert browser.post("/t/old-pier/agents/edit").status_code == 307
    strict = client(make_app(WTF_CSRF_ENABLED=True), "anna")
    assert strict.post("/t/old-pier/agents/edit").status_code == 307  # the token is checked where it arrives


def test_a_rule_about_the_object_is_asked_after_the_permission() -> None:
    asked = []

    def own(context, name):
        asked.append((context.user.id, name))
        if name == "hidden":
            raise NotFound("things", name)
        return name == "mine"

    def setup(app, registry):
        @app.get("/things/<name>")
        @access_control(allow=own)
        def thing(name):
            return name

    app = make_app(setup)
    statuses = [client(app, "anna").get(f"/things/{name}").status_code for name in ("mine", "theirs", "hidden")]
    assert statuses == [200, 403, 404]
    assert client(app).get("/things/mine").status_code == 302
    assert [user for user, _ in asked] == ["anna"] * 3


def test_access_is_decided_before_a_blueprints_own_hooks_run() -> None:
    ran = []

    def setup(app, registry):
        app.before_request(lambda: ran.append("hook"))

    client(make_app(setup), "anna").get("/root")
    assert ran == []


def test_require_decides_inside_a_view_and_refusals_are_told_to_listeners() -> None:
    heard = []

    def setup(app, registry):
        registry.on_refused(lambda context, permission: heard.append((context.user.id, permission)))

        @app.get(tenant_prefix("/inner"))
        @access_control("agents.view")
        def inner():
            require("agents.edit")
            return "in"

    answer = client(make_app(setup), "anna").get("/t/pier/inner")
    assert answer.status_code == 403
    assert "Change agents" in answer.text
    assert heard == [("anna", "agents.edit")]


def test_url_for_fills_in_the_slug_and_the_view_never_sees_it() -> None:
    answer = client(make_app(), "anna").get("/t/pier/agents/")
    assert answer.text == "/t/pier/agents/ Pier Nine"


def test_options_is_refused_like_any_other_method() -> None:
    assert client(make_app(), "anna").options("/root").status_code == 403
    assert client(make_app(), "root").options("/root").status_code == 200


def test_an_open_page_asks_nobody_who_is_signed_in() -> None:
    def setup(app, registry):
        @app.get("/known")
        @access_control(open=True)
        def known():
            return str(current().known_user)

    assert client(make_app(setup), "anna").get("/known").text == "None"


def test_a_permission_or_hook_declared_twice_is_a_mistake() -> None:
    registry = Registry()
    registry.add_permission("a.b", "A", roles=("owner",))
    with pytest.raises(ValueError, match="twice"):
        registry.add_permission("a.b", "A", roles=("owner",))
    with pytest.raises(ValueError, match="unknown roles: captain"):
        registry.add_permission("a.c", "A", roles=("captain",))
    registry.set_identify(lambda request, uow: None)
    with pytest.raises(ValueError, match="already"):
        registry.set_identify(lambda request, uow: None)


def test_navigation_shows_what_the_person_may_open_in_order() -> None:
    registry = Registry()
    registry.add_permission("a.view", "A", roles=("owner", "viewer"))
    registry.add_navigation(label="Second", endpoint="b.index", order=20)
    registry.add_navigation(label="First", endpoint="a.index", permission="a.view", order=10)
    assert [item.label for item in registry.navigation(registry.permissions_of("viewer"))] == ["First", "Second"]
    assert [item.label for item in registry.navigation(registry.permissions_of("member"))] == ["Second"]
