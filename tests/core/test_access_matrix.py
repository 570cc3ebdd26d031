"""Who gets which answer on every route: exact, for each role and method. A route that is not listed fails."""

from dataclasses import dataclass

import pytest

from app.tenants.entities import Role, Tenant
from app.tenants.invitations import Invitations
from app.tenants.members import Members
from app.users.entities import User
from tests.core.world import Browser, World

# The columns: signed out; signed in, but a member of another tenant only; then the members by role.
WHO = ("nobody", "stranger", "viewer", "member", "admin", "owner")
# A form that was sent empty is 422, one that was opened before somebody else saved is 409: both mean "may do it".
TABLE: dict[tuple[str, str], tuple[int, int, int, int, int, int]] = {
    ("GET", "/static/<path:filename>"): (200, 200, 200, 200, 200, 200),
    ("POST", "/theme"): (303, 303, 303, 303, 303, 303),
    ("GET", "/"): (302, 303, 303, 303, 303, 303),
    ("GET", "/sign-in"): (200, 303, 303, 303, 303, 303),
    ("POST", "/sign-in"): (422, 422, 422, 422, 422, 422),
    ("GET", "/setup/<token>"): (404, 404, 404, 404, 404, 404),
    ("POST", "/setup/<token>"): (404, 404, 404, 404, 404, 404),
    ("GET", "/invitations/<token>"): (200, 403, 403, 403, 403, 403),
    ("POST", "/invitations/<token>"): (422, 403, 403, 403, 403, 403),
    ("GET", "/account"): (302, 200, 200, 200, 200, 200),
    ("POST", "/account"): (401, 422, 422, 422, 422, 422),
    ("GET", "/account/password"): (302, 200, 200, 200, 200, 200),
    ("POST", "/account/password"): (401, 422, 422, 422, 422, 422),
    ("GET", "/account/sessions"): (302, 200, 200, 200, 200, 200),
    ("POST", "/account/sessions/<id>/end"): (401, 404, 404, 404, 404, 404),  # somebody else's session
    ("POST", "/account/sessions/end-others"): (401, 303, 303, 303, 303, 303),
    ("GET", "/tenants"): (302, 200, 200, 200, 200, 200),
    ("GET", "/tenants/menu"): (302, 200, 200, 200, 200, 200),
    ("GET", "/tenants/new"): (302, 200, 200, 200, 200, 200),
    ("POST", "/tenants/new"): (401, 422, 422, 422, 422, 422),
    ("GET", "/admin/migration"): (302, 403, 403, 403, 403, 403),  # superusers only
    ("GET", "/t/<slug>/"): (302, 404, 200, 200, 200, 200),
    ("GET", "/t/<slug>/settings"): (302, 404, 403, 403, 200, 200),
    ("POST", "/t/<slug>/settings"): (401, 404, 403, 403, 409, 409),
    ("GET", "/t/<slug>/members"): (302, 404, 200, 200, 200, 200),
    ("GET", "/t/<slug>/members/<user_id>"): (302, 404, 403, 403, 200, 200),
    ("POST", "/t/<slug>/members/<user_id>"): (401, 404, 403, 403, 409, 409),
    ("POST", "/t/<slug>/members/<user_id>/remove"): (401, 404, 403, 403, 303, 303),
    ("GET", "/t/<slug>/members/invite"): (302, 404, 403, 403, 200, 200),
    ("POST", "/t/<slug>/members/invite"): (401, 404, 403, 403, 422, 422),
    ("POST", "/t/<slug>/members/invitations/<invitation_id>/withdraw"): (
        401,
        404,
        403,
        403,
        303,
        303,
    ),
    ("GET", "/t/<slug>/audit"): (302, 404, 403, 403, 200, 200),
    ("GET", "/t/<slug>/audit.csv"): (302, 404, 403, 403, 200, 200),
    # The last two take away what the others need.
    ("POST", "/t/<slug>/members/leave"): (401, 404, 303, 303, 303, 422),
    ("POST", "/sign-out"): (303, 303, 303, 303, 303, 303),
}


@dataclass
class Scene:
    """A tenant with an owner, somebody to look at, an invitation; and the browser of who is asking."""

    world: World
    tenant: Tenant
    owner: User
    other: User
    paths: dict[str, str]

    def path(self, rule: str) -> str:
        for name, value in self.paths.items():
            rule = rule.replace(name, value)
        assert "<" not in rule, f"{rule}: an argument that this test has no value for"
        return rule


def make_scene() -> Scene:
    world = World()
    owner, other = world.user("Owner"), world.user("Other")
    tenant = world.tenant(owner, slug="harbour")
    world.join(tenant, other, "viewer")
    world.signed_in(other, "192.0.2.99")
    with world.unit(tenant.id) as uow:
        invitation, link = Invitations(uow, Members(uow)).invite("new@example.org", "viewer", owner.id)
    (session,) = [id for collection, id in world.everything() if collection == "sessions"]
    return Scene(
        world,
        tenant,
        owner,
        other,
        {
            "<path:filename>": "boat.svg",
            "<slug>": "harbour",
            "<user_id>": other.id,
            "<invitation_id>": invitation.id,
            "/setup/<token>": "/setup/" + "x" * 43,
            "<token>": str(link),
            "<id>": session,
        },
    )


def browser_of(scene: Scene, who: str) -> Browser:
    if who == "nobody":
        return scene.world.browser()
    if who == "owner":
        return scene.world.signed_in(scene.owner)
    person = scene.world.user("Person")
    if who == "stranger":
        scene.world.tenant(person, "Elsewhere", "elsewhere")
    else:
        role: Role = who  # type: ignore[assignment]
        scene.world.join(scene.tenant, person, role)
    return scene.world.signed_in(person)


def routes(world: World) -> set[tuple[str, str]]:
    return {
        (method, rule.rule)
        for rule in world.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_the_table_lists_every_route_and_no_other(world: World) -> None:
    assert routes(world) == set(TABLE)


@pytest.mark.parametrize("who", WHO)
def test_every_route_answers_as_the_table_says(who: str) -> None:
    scene = make_scene()
    browser = browser_of(scene, who)
    column = WHO.index(who)
    token = browser.token()
    wrong = {}
    for (method, rule), expected in TABLE.items():
        path = scene.path(rule)
        answer = browser.get(path) if method == "GET" else browser.post(path, token=token)
        answer.close()
        if answer.status_code != expected[column]:
            wrong[method, rule] = (answer.status_code, expected[column])
    assert wrong == {}


@pytest.mark.parametrize("who", ["nobody", "stranger", "viewer", "member"])
def test_what_is_refused_changes_nothing(who: str) -> None:
    scene = make_scene()
    browser = browser_of(scene, who)
    token = browser.token()
    column = WHO.index(who)
    before = scene.world.everything()
    for (method, rule), expected in TABLE.items():
        if method == "POST" and expected[column] in (401, 403, 404):
            browser.post(scene.path(rule), token=token)
    assert scene.world.everything() == before


def test_a_changing_request_without_its_csrf_token_is_refused_and_changes_nothing() -> None:
    scene = make_scene()
    for who in ("owner", "nobody"):
        browser = browser_of(scene, who)
        browser.token()
        before = scene.world.everything()
        for (method, rule), expected in TABLE.items():
            if method != "POST" or expected[WHO.index(who)] == 401:
                continue
            for token in ("", "wrong", scene.world.browser().token()):
                answer = browser.post(scene.path(rule), token=token)
                assert answer.status_code == 400, (rule, token)
                assert "This form is no longer valid" in answer.get_data(as_text=True)
        assert scene.world.everything() == before


def test_looking_at_every_page_changes_nothing() -> None:
    scene = make_scene()
    browser = browser_of(scene, "owner")
    before = scene.world.everything()
    for method, rule in TABLE:
        if method == "GET":
            browser.get(scene.path(rule)).close()
            browser.client.head(scene.path(rule)).close()
    for path in ("?role=owner", "?email=x@example.org"):
        browser.get(f"/t/harbour/members{path}")
    assert scene.world.everything() == before


def test_pages_of_somebody_signed_in_are_not_kept_by_anybody() -> None:
    scene = make_scene()
    browser = browser_of(scene, "owner")
    for (method, rule), expected in TABLE.items():
        if method == "GET" and expected[-1] == 200 and "static" not in rule:
            answer = browser.get(scene.path(rule))
            assert answer.headers["Cache-Control"] == "no-store", rule
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], rule
