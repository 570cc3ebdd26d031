"""/account: one's own name, address and password."""

import pytest

from app.users.entities import User
from app.users.services import Accounts
from tests.core.world import PASSWORD, World, text_of

NEW = "three red lanterns"


def stored(world: World, user: User) -> User:
    with world.unit() as uow:
        return uow.store(User).get(user.id)


def test_the_name_is_changed_without_a_password(world: World) -> None:
    ann = world.user()
    browser = world.signed_in(ann)
    answer = browser.post("/account", {"name": " Ann Marlow ", "email": ann.email})
    assert answer.status_code == 303
    page = browser.get("/account")
    assert "Your account was saved." in text_of(page)
    assert stored(world, ann).name == "Ann Marlow"
    assert stored(world, ann).email == ann.email


@pytest.mark.parametrize("password", ["", "not mine"])
def test_a_new_address_needs_the_password(world: World, password: str) -> None:
    ann = world.user()
    browser = world.signed_in(ann)
    answer = browser.post("/account", {"name": "Ann", "email": "new@example.org", "current": password})
    assert answer.status_code == 422
    assert "This is not your password." in text_of(answer)
    assert 'value="new@example.org"' in answer.get_data(as_text=True)
    assert stored(world, ann).email == ann.email


def test_with_the_password_one_signs_in_by_the_new_address_only(world: World) -> None:
    ann = world.user()
    browser = world.signed_in(ann)
    answer = browser.post("/account", {"name": "Ann", "email": "New@Example.org", "current": PASSWORD})
    assert answer.status_code == 303
    assert world.browser().sign_in("new@example.org").status_code == 303
    assert world.browser().sign_in(ann.email).status_code == 422
    assert world.user("Other", ann.email).email == ann.email, "the former address is free again"


def test_an_address_that_somebody_has_is_taken(world: World) -> None:
    ann, bob = world.user(), world.user("Bob")
    answer = world.signed_in(ann).post("/account", {"name": "", "email": "BOB@example.org", "current": "wrong"})
    words = text_of(answer)
    assert answer.status_code == 422
    for sentence in ("A name is missing.", "There is an account with this address already.", "not your password"):
        assert sentence in words
    assert stored(world, bob).email == "bob@example.org"


def test_fields_that_the_form_does_not_have_change_nothing(world: World) -> None:
    ann = world.user()
    before = stored(world, ann)
    extra = {"superuser": "y", "disabled": "y", "stamp": "x", "password_hash": "x", "id": "x", "_id": "x",
             "_rev": "x", "role": "owner", "created_at": "2000-01-01"}  # fmt: skip
    assert world.signed_in(ann).post("/account", {"name": "Ann", "email": ann.email, **extra}).status_code == 303
    assert stored(world, ann).to_document() == before.to_document()


def test_a_new_password_ends_every_other_session_and_not_this_one(world: World) -> None:
    ann = world.user()
    here, elsewhere = world.signed_in(ann), world.signed_in(ann)
    answer = here.post("/account/password", {"current": PASSWORD, "password": NEW})
    assert answer.status_code == 303
    assert here.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 302
    assert world.browser().sign_in(ann.email, NEW).status_code == 303
    assert world.browser().sign_in(ann.email).status_code == 422


@pytest.mark.parametrize(
    ("current", "password", "sentence"),
    [
        ("wrong", NEW, "This is not your password."),
        (PASSWORD, "short", "at least 8 characters"),
        (PASSWORD, "password1", "first that anybody would try"),
        (PASSWORD, PASSWORD, "the password that you have already"),
        ("", "", "A password is missing."),
    ],
)
def test_a_password_that_is_refused_changes_nothing(world: World, current: str, password: str, sentence: str) -> None:
    ann = world.user()
    browser, elsewhere = world.signed_in(ann), world.signed_in(ann)
    before = stored(world, ann)
    answer = browser.post("/account/password", {"current": current, "password": password})
    assert answer.status_code == 422
    assert sentence in text_of(answer)
    assert stored(world, ann) == before
    assert elsewhere.get("/account").status_code == 200


def test_whoever_finds_an_open_browser_cannot_try_passwords_for_ever(world: World) -> None:
    browser = world.signed_in(world.user())
    answers = [
        browser.post("/account/password", {"current": f"guess {number}", "password": NEW}).status_code
        for number in range(11)
    ]
    assert answers == [422] * 10 + [429]


def test_a_form_from_before_another_change_overwrites_nothing(world: World) -> None:
    ann = world.user()
    browser = world.signed_in(ann)
    page = browser.get("/account").get_data(as_text=True)
    rev = page.split('name="rev"')[1].split('value="')[1].split('"')[0]
    assert browser.post("/account", {"rev": rev, "name": "First", "email": ann.email}).status_code == 303
    assert browser.post("/account", {"rev": rev, "name": "Second", "email": ann.email}).status_code == 409
    assert stored(world, ann).name == "First"


def test_two_who_change_one_account_at_the_same_time_do_not_overwrite_each_other(world: World) -> None:
    ann = world.user()
    browser = world.signed_in(ann)
    original = Accounts.change_profile

    def slow(self: Accounts, user: User, *rest: str) -> User:
        with world.unit() as uow:
            other = uow.store(User).get(ann.id)
            other.name = "Changed meanwhile"
            uow.store(User).save(other)
        return original(self, user, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Accounts, "change_profile", lambda self, user, **typed: slow(self, user, *typed.values()))
        answer = browser.post("/account", {"name": "Mine", "email": ann.email})
    assert answer.status_code == 409
    assert stored(world, ann).name == "Changed meanwhile"


def test_the_list_shows_ones_own_sessions_and_ends_one(world: World) -> None:
    ann, bob = world.user(), world.user("Bob")
    here, elsewhere, other = world.signed_in(ann), world.signed_in(ann, "192.0.2.200"), world.signed_in(bob)
    page = here.get("/account/sessions")
    assert page.get_data(as_text=True).count("<tr><td>") == 2
    assert "192.0.2.200" in text_of(page)
    (id,) = [key[1] for key, found in world.everything().items() if found.get("address") == "192.0.2.200"
             and key[0] == "sessions"]  # fmt: skip
    assert other.post(f"/account/sessions/{id}/end").status_code == 404, "nobody ends somebody else's"
    assert elsewhere.get("/account").status_code == 200
    assert here.post(f"/account/sessions/{id}/end").status_code == 303
    assert elsewhere.get("/account").status_code == 302
    assert here.post(f"/account/sessions/{id}/end").status_code == 404


def test_signing_out_everywhere_else_leaves_this_session(world: World) -> None:
    ann = world.user()
    here, elsewhere = world.signed_in(ann), world.signed_in(ann)
    assert here.post("/account/sessions/end-others").status_code == 303
    assert here.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 302


def test_ending_the_session_one_is_in_is_signing_out(world: World) -> None:
    browser = world.signed_in(world.user())
    (id,) = [id for path, id in world.everything() if path == "sessions"]
    assert browser.post(f"/account/sessions/{id}/end").location == "/sign-in"
    assert browser.get("/account").status_code == 302


def test_the_commands_make_disable_and_repair_accounts(world: World) -> None:
    def run(*arguments: str) -> str:
        return world.app.test_cli_runner().invoke(args=["users", *arguments]).output

    assert "Made the account op@example.org" in run("create", "Op@example.org", "--name", "Op", "--password", NEW)
    assert "There is an account" in run("create", "op@example.org", "--name", "Op", "--password", NEW)
    assert "first that anybody would try" in run("create", "b@example.org", "--name", "B", "--password", "password")
    browser = world.browser()
    assert browser.sign_in("op@example.org", NEW).status_code == 303
    assert "Disabled" in run("disable", "op@example.org")
    assert browser.get("/account").status_code == 302
    assert world.browser().sign_in("op@example.org", NEW).status_code == 422
    assert "Enabled" in run("disable", "op@example.org", "--undo")
    assert "Changed the password" in run("set-password", "op@example.org", "--password", PASSWORD)
    assert world.browser().sign_in("op@example.org", PASSWORD).status_code == 303
    assert "no account" in run("disable", "nobody@example.org")
