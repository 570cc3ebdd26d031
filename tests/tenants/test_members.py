"""Members, roles and invitations."""

import re
import threading
from datetime import timedelta

import pytest

from app.db.errors import Conflict
from app.db.unit_of_work import UnitOfWork
from app.errors import Invalid, NotAllowed
from app.tenants.entities import ROLES, Invitation, Member, Owners, Role, Tenant
from app.tenants.invitations import LIFETIME, Invitations, Link
from app.tenants.members import Members
from app.users.entities import User
from tests.core.world import PASSWORD, World, text_of

LINK = re.compile(r"/invitations/([\w.-]+)")


def invite(world: World, tenant: Tenant, email: str = "zed@example.org", role: str = "member") -> str:
    with world.unit(tenant.id) as uow:
        _, link = Invitations(uow, Members(uow)).invite(email, role, "")
    return f"/invitations/{link}"


def rev_of(world: World, tenant: Tenant, user: User) -> str:
    with world.unit(tenant.id) as uow:
        return uow.store(Member).get(user.id).rev or ""


def role_of(world: World, tenant: Tenant, user: User) -> str | None:
    with world.unit(tenant.id) as uow:
        member = uow.store(Member).get_or_none(user.id)
    return member.role if member else None


def owners_of(world: World, tenant: Tenant) -> list[str]:
    with world.unit(tenant.id) as uow:
        return uow.store(Owners).get(Owners.ONLY_ID).user_ids


def test_an_admin_invites_somebody_new_who_makes_an_account_and_is_in(world: World) -> None:
    ann, bob = world.user(), world.user("Bob")
    tenant = world.tenant(ann, slug="harbour")
    world.join(tenant, bob, "admin")
    answer = world.signed_in(bob).post("/t/harbour/members/invite", {"email": "Zed@Example.org", "role": "viewer"})
    assert answer.status_code == 200
    path = "/invitations/" + LINK.findall(answer.get_data(as_text=True))[0]
    zed = world.browser()
    assert "You are invited as viewer" in text_of(zed.get(path))
    joined = zed.post(path, {"name": "Zed", "password": PASSWORD}, token=zed.token(path))
    assert (joined.status_code, joined.location) == (303, "/t/harbour/")
    assert "You are a viewer here, Zed." in text_of(zed.get("/t/harbour/"))
    assert zed.post(path, {"name": "Zed", "password": PASSWORD}).status_code == 404, "a link works once"
    assert world.browser().sign_in("zed@example.org").status_code == 303


def test_somebody_with_an_account_signs_in_and_joins_with_one_click(world: World) -> None:
    ann, zed = world.user(), world.user("Zed")
    tenant = world.tenant(ann, slug="harbour")
    path = invite(world, tenant)
    browser = world.browser()
    assert f"/sign-in?next={path}" in browser.get(path).get_data(as_text=True)
    assert browser.sign_in(zed.email, next=path).location == path
    assert browser.post(path, token=browser.token(path)).location == "/t/harbour/"
    assert role_of(world, tenant, zed) == "member"


def test_an_invitation_is_for_its_address_only(world: World) -> None:
    ann, eve = world.user(), world.user("Eve")
    tenant = world.tenant(ann, slug="harbour")
    path = invite(world, tenant)
    thief = world.signed_in(eve)
    assert thief.get(path).status_code == 403
    assert thief.post(path).status_code == 403
    assert role_of(world, tenant, eve) is None


def test_looking_at_an_invitation_uses_nothing_up(world: World) -> None:
    tenant = world.tenant(world.user(), slug="harbour")
    path = invite(world, tenant)
    before = world.everything()
    for _ in range(3):
        assert world.browser().get(path).status_code == 200
    assert world.everything() == before


def test_the_answer_to_inviting_is_the_same_whether_or_not_there_is_an_account(world: World) -> None:
    ann = world.user()
    world.user("Known")
    world.tenant(ann, slug="harbour")
    browser = world.signed_in(ann)
    pages = []
    for email in ("known@example.org", "nobody@example.org"):
        answer = browser.post("/t/harbour/members/invite", {"email": email, "role": "member"})
        page = LINK.sub("", answer.get_data(as_text=True)).replace(email, "")
        pages.append((answer.status_code, re.sub(r'nonce="[^"]*"|value="[^"]*"|datetime="[^"]*"', "", page)))
    assert pages[0] == pages[1]


def test_the_secret_of_a_link_is_stored_nowhere(world: World) -> None:
    tenant = world.tenant(world.user())
    path = invite(world, tenant)
    assert path.rpartition(".")[2] not in str(world.everything())


def test_an_invitation_is_too_old_after_a_week(world: World) -> None:
    tenant = world.tenant(world.user())
    path = invite(world, tenant)
    world.clock.forward(seconds=LIFETIME.total_seconds() - 1)
    assert world.browser().get(path).status_code == 200
    world.clock.forward(seconds=1)
    assert world.browser().get(path).status_code == 404


def test_a_withdrawn_invitation_is_dead(world: World) -> None:
    ann = world.user()
    tenant = world.tenant(ann, slug="harbour")
    path = invite(world, tenant)
    link = Link.parse(path.rpartition("/")[2])
    assert link is not None
    answer = world.signed_in(ann).post(f"/t/harbour/members/invitations/{link.invitation_id}/withdraw")
    assert answer.status_code == 303
    assert world.browser().get(path).status_code == 404


def test_inviting_again_withdraws_the_first_link(world: World) -> None:
    tenant = world.tenant(world.user())
    first, second = invite(world, tenant), invite(world, tenant)
    assert world.browser().get(first).status_code == 404
    assert world.browser().get(second).status_code == 200


@pytest.mark.parametrize(
    "token", ["x", ".", "a.b", "x" * 22 + "." + "y" * 43, "../../x", "%2e%2e." + "z" * 43, "x" * 5000]
)
def test_a_made_up_invitation_is_the_same_dead_page(world: World, token: str) -> None:
    answer = world.browser().get(f"/invitations/{token}")
    assert answer.status_code == 404


def test_two_who_use_one_invitation_at_the_same_time_make_one_member(world: World) -> None:
    tenant = world.tenant(world.user(), slug="harbour")
    path = invite(world, tenant)
    browsers = [world.browser() for _ in range(4)]
    tokens = [browser.token(path) for browser in browsers]
    start = threading.Barrier(4)
    answers: list[int] = []

    def one(number: int) -> None:
        start.wait()
        answers.append(browsers[number].post(path, {"name": "Zed", "password": PASSWORD}, tokens[number]).status_code)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(303) == 1
    assert set(answers) <= {303, 404, 409, 422}
    assert len([key for key, found in world.everything().items() if found.get("email") == "zed@example.org"
                and key[0] == "users"]) == 1  # fmt: skip


def test_an_admin_changes_roles_but_neither_makes_nor_unmakes_owners(world: World) -> None:
    ann, bob, eve = world.user(), world.user("Bob"), world.user("Eve")
    tenant = world.tenant(ann, slug="harbour")
    world.join(tenant, bob, "admin")
    world.join(tenant, eve, "viewer")
    browser = world.signed_in(bob)
    assert browser.change(f"/t/harbour/members/{eve.id}", {"role": "admin"}).status_code == 303
    assert role_of(world, tenant, eve) == "admin"
    assert browser.change(f"/t/harbour/members/{eve.id}", {"role": "owner"}).status_code == 422
    assert browser.change(f"/t/harbour/members/{bob.id}", {"role": "owner"}).status_code == 422
    assert browser.post(f"/t/harbour/members/{ann.id}", {"role": "viewer"}).status_code == 403
    assert browser.post(f"/t/harbour/members/{ann.id}/remove").status_code == 403
    assert browser.post("/t/harbour/members/invite", {"email": "x@example.org", "role": "owner"}).status_code == 422
    assert [role_of(world, tenant, user) for user in (ann, bob, eve)] == ["owner", "admin", "admin"]


def test_an_owner_makes_another_owner_and_may_then_go(world: World) -> None:
    ann, bob = world.user(), world.user("Bob")
    tenant = world.tenant(ann, slug="harbour")
    world.join(tenant, bob, "member")
    browser = world.signed_in(ann)
    assert browser.post("/t/harbour/members/leave").status_code == 422
    assert browser.change(f"/t/harbour/members/{bob.id}", {"role": "owner"}).status_code == 303
    assert set(owners_of(world, tenant)) == {ann.id, bob.id}
    assert browser.post("/t/harbour/members/leave").location == "/tenants"
    assert owners_of(world, tenant) == [bob.id]
    assert browser.get("/t/harbour/").status_code == 404
    assert "Harbour" not in text_of(browser.get("/tenants"))


def test_the_last_owner_can_neither_be_removed_nor_made_less(world: World) -> None:
    ann = world.user()
    tenant = world.tenant(ann, slug="harbour")
    browser = world.signed_in(ann)
    before = world.everything()
    for send, path in (
        (lambda path: browser.change(path, {"role": "admin"}), f"{ann.id}"),
        (browser.post, f"{ann.id}/remove"),
        (browser.post, "leave"),
    ):
        answer = send(f"/t/harbour/members/{path}")
        assert answer.status_code == 422
        assert "A tenant always has an owner." in text_of(answer)
    assert world.everything() == before
    assert role_of(world, tenant, ann) == "owner"


@pytest.mark.parametrize("how", ["demote", "remove", "leave"])
def test_two_owners_who_go_at_the_same_time_leave_one(world: World, how: str) -> None:
    ann, bob = world.user(), world.user("Bob")
    tenant = world.tenant(ann)
    world.join(tenant, bob, "owner")
    first = _unit(world, tenant)
    second = _unit(world, tenant)
    for uow, leaving in ((first, ann), (second, bob)):
        members = Members(uow, "owner")
        if how == "demote":
            members.change_role(leaving.id, "viewer")
        elif how == "remove":
            members.remove(leaving.id)
        else:
            members.leave(leaving.id)
    first.commit()
    with pytest.raises(Conflict):
        second.commit()
    assert owners_of(world, tenant) == [bob.id]
    assert role_of(world, tenant, bob) == "owner"


def _unit(world: World, tenant: Tenant) -> UnitOfWork:
    return UnitOfWork(world.database, tenant_id=tenant.id, hub=world.app.extensions["wherry"].hub, clock=world.clock)


def test_a_removed_member_is_out_at_once(world: World) -> None:
    ann, bob = world.user(), world.user("Bob")
    tenant = world.tenant(ann, slug="harbour")
    world.join(tenant, bob, "member")
    browser = world.signed_in(bob)
    assert browser.get("/t/harbour/").status_code == 200
    assert world.signed_in(ann).post(f"/t/harbour/members/{bob.id}/remove").status_code == 303
    assert browser.get("/t/harbour/").status_code == 404
    assert not [key for key in world.everything() if key[0] == "memberships" and bob.id in key[1]]


def test_a_stale_form_does_not_overwrite_a_newer_role(world: World) -> None:
    ann, bob = world.user(), world.user("Bob")
    tenant = world.tenant(ann, slug="harbour")
    world.join(tenant, bob, "viewer")
    browser = world.signed_in(ann)
    rev = rev_of(world, tenant, bob)
    path = f"/t/harbour/members/{bob.id}"
    assert browser.post(path, {"role": "admin", "rev": rev}).status_code == 303
    answer = browser.post(path, {"role": "member", "rev": rev})
    assert answer.status_code == 409
    assert "The role that is saved now is Admin" in text_of(answer)
    assert role_of(world, tenant, bob) == "admin"
    newer = rev_of(world, tenant, bob)
    assert f'value="{newer}"' in answer.get_data(as_text=True), "sending it again is a choice"
    assert browser.post(path, {"role": "member", "rev": newer}).status_code == 303
    assert role_of(world, tenant, bob) == "member"


@pytest.mark.parametrize("rev", [{}, {"rev": ""}, {"rev": "x"}])
def test_a_role_form_without_its_revision_changes_nothing(world: World, rev: dict[str, str]) -> None:
    ann, bob = world.user(), world.user("Bob")
    tenant = world.tenant(ann, slug="harbour")
    world.join(tenant, bob, "viewer")
    assert world.signed_in(ann).post(f"/t/harbour/members/{bob.id}", {"role": "admin", **rev}).status_code == 409
    assert role_of(world, tenant, bob) == "viewer"


def test_joining_again_keeps_the_role(world: World) -> None:
    ann = world.user()
    tenant = world.tenant(ann)
    with world.unit(tenant.id) as uow:
        assert not Members(uow).join(ann.id, "viewer")
    assert role_of(world, tenant, ann) == "owner"


@pytest.mark.parametrize("role", ["", "root", "Owner", "superuser", "owner,admin"])
def test_a_role_that_does_not_exist_is_refused(world: World, role: str) -> None:
    tenant = world.tenant(world.user())
    with world.unit(tenant.id) as uow, pytest.raises(Invalid):
        Invitations(uow, Members(uow)).invite("x@example.org", role, "")


def test_only_an_operator_or_owner_may_touch_an_owner(world: World) -> None:
    ann = world.user()
    tenant = world.tenant(ann)
    for by in ROLES[1:]:
        with world.unit(tenant.id) as uow, pytest.raises(NotAllowed):
            Members(uow, by).remove(ann.id)


def test_the_list_is_paged_filtered_and_found_by_address(world: World) -> None:
    ann = world.user()
    tenant = world.tenant(ann, slug="harbour")
    for number in range(60):
        role: Role = "viewer" if number % 2 else "member"
        world.join(tenant, world.user(f"Person {number}", f"p{number}@example.org"), role)
    browser = world.signed_in(ann)
    page = browser.get("/t/harbour/members").get_data(as_text=True)
    assert page.count("@example.org</td>") == 50
    following = re.findall(r'rel="next" href="([^"]+)"', page)[0].replace("&amp;", "&")
    assert browser.get(f"/t/harbour/members{following}").get_data(as_text=True).count("@example.org</td>") == 11
    assert browser.get("/t/harbour/members?role=viewer").get_data(as_text=True).count("@example.org</td>") == 30
    found = browser.get("/t/harbour/members?email=P7%40example.org").get_data(as_text=True)
    assert found.count("@example.org</td>") == 1
    assert "Nobody matches" in browser.get("/t/harbour/members?email=stranger@example.org").get_data(as_text=True)
    for bad in ("?name=x", "?role=boss", "?sort=password_hash", "?cursor=%00", "?role=owner&role=admin"):
        assert browser.get(f"/t/harbour/members{bad}").status_code == 400
    assert browser.get("/t/harbour/members?cursor=abcd").status_code == 400


def test_finding_by_address_tells_nothing_about_people_elsewhere(world: World) -> None:
    ann = world.user()
    world.user("Elsewhere")
    world.tenant(ann, slug="harbour")
    browser = world.signed_in(ann)
    pages = [
        browser.get(f"/t/harbour/members?email={email}").get_data(as_text=True)
        for email in ("elsewhere@example.org", "nobodyyyy@example.org")
    ]
    assert "Nobody matches" in pages[0]
    assert "Nobody matches" in pages[1]


def test_too_many_open_invitations_are_refused(world: World) -> None:
    tenant = world.tenant(world.user())
    with world.unit() as uow:
        now = uow.clock()
    world.database.write_batch(
        f"{tenant.id}/invitations",
        [
            {
                **Invitation(
                    email=f"x{number}@example.org", role="viewer", invited_by="", expires_at=now + timedelta(days=1)
                ).to_document(),
                "_id": f"i{number}",
            }
            for number in range(200)
        ],
    )
    with world.unit(tenant.id) as uow, pytest.raises(Invalid):
        Invitations(uow, Members(uow)).invite("one-more@example.org", "viewer", "")


def test_invitations_that_are_too_old_do_not_count_and_are_cleared_up(world: World) -> None:
    tenant = world.tenant(world.user())
    for number in range(3):
        invite(world, tenant, f"x{number}@example.org")
    world.clock.forward(days=8)
    invite(world, tenant, "new@example.org")
    left = [found["email"] for key, found in world.everything().items() if key[0].endswith("/invitations")]
    assert left == ["new@example.org"]
