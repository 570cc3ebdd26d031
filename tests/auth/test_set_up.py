"""The first start: one link makes account, tenant and sample data, once."""

import threading
from typing import Any

import pytest

from app.auth.entities import SetUp
from app.db.unit_of_work import UnitOfWork
from app.tenants.entities import Invitation
from tests.core.world import Browser, World, text_of

TYPED = {
    "name": "Ann Marlow",
    "email": "ann@example.org",
    "password": "seven grey herons",
    "tenant_name": "Harbour Works",
    "slug": "",
    "sample": "y",
}


def link(world: World) -> str:
    result = world.app.test_cli_runner().invoke(args=["first-link", "--base-url", "http://localhost:8000/"])
    assert result.exit_code == 0, result.output
    line: str = result.output.strip()
    assert "\n" not in line
    return line.removeprefix("http://localhost:8000")


def send(world: World, path: str, browser: Browser | None = None, **typed: str) -> Any:
    browser = browser or world.browser()
    return browser.post(path, {**TYPED, **typed}, token=browser.token(path))


def test_the_link_leads_to_the_tenant_signed_in(world: World) -> None:
    path = link(world)
    browser = world.browser()
    assert "Welcome aboard" in text_of(browser.get(path))
    answer = send(world, path, browser)
    assert (answer.status_code, answer.location) == (303, "/t/harbour-works/")
    page = browser.get(answer.location)
    assert page.status_code == 200
    assert "Harbour Works" in text_of(page)
    assert "You are an owner here, Ann Marlow." in text_of(page)
    with browser.client.session_transaction() as cookie:
        assert set(cookie) <= {"sid", "csrf_token", "tenant"}


def test_looking_at_the_page_uses_nothing_up(world: World) -> None:
    path = link(world)
    before = world.everything()
    for _ in range(3):
        assert world.browser().get(path).status_code == 200
        assert world.browser().client.head(path).status_code == 200
    assert world.everything() == before
    assert send(world, path).status_code == 303


def test_the_link_is_dead_once_it_was_used(world: World) -> None:
    path = link(world)
    send(world, path)
    answer = world.browser().get(path)
    assert answer.status_code == 404
    assert "This link does not work" in text_of(answer)
    browser = world.browser()
    assert browser.post(path, {**TYPED, "email": "eve@example.org"}).status_code == 404
    assert link(world) == "/"


def test_an_account_made_on_the_command_line_kills_the_link_too(world: World) -> None:
    path = link(world)
    world.user()
    assert world.browser().get(path).status_code == 404
    assert link(world) == "/"


@pytest.mark.parametrize("token", ["x", "a" * 43, "%00", "..", "🚢"])
def test_a_made_up_token_gets_the_same_page_as_a_used_one(world: World, token: str) -> None:
    link(world)
    assert world.browser().get(f"/setup/{token}").status_code == 404


def test_the_link_is_too_old_after_a_day(world: World) -> None:
    path = link(world)
    world.clock.forward(seconds=86_399)
    assert world.browser().get(path).status_code == 200
    world.clock.forward(seconds=2)
    assert world.browser().get(path).status_code == 404
    assert send(world, link(world)).status_code == 303


def test_a_second_start_does_not_make_the_first_link_useless(world: World) -> None:
    first, second = link(world), link(world)
    assert first != second
    assert world.browser().get(first).status_code == 200
    assert send(world, second).status_code == 303
    assert world.browser().get(first).status_code == 404


def test_the_token_is_not_stored(world: World) -> None:
    path = link(world)
    assert path.removeprefix("/setup/") not in str(world.everything())


def test_every_bad_field_is_named_at_once_and_what_was_typed_is_kept(world: World) -> None:
    path = link(world)
    answer = send(world, path, name=" ", email="not an address", password="short", tenant_name="", slug="Not A Slug")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    for sentence in (
        "A name is missing.",
        "This is not an e-mail address.",
        "A password has at least 8 characters.",
        "small letters a to z",
    ):
        assert sentence in page
    assert page.count("A name is missing.") == 2, "the person's and the tenant's"
    assert "5 fields need" in text_of(answer)
    assert 'value="not an address"' in page
    assert 'value="Not A Slug"' in page
    assert "short" not in page


def test_a_refused_form_writes_nothing(world: World) -> None:
    path = link(world)
    before = world.everything()
    send(world, path, password="password")
    assert world.everything() == before


def test_two_at_the_same_time_make_exactly_one_account(world: World) -> None:
    path = link(world)
    browsers = [world.browser() for _ in range(4)]
    tokens = [browser.token(path) for browser in browsers]
    start = threading.Barrier(len(browsers))
    answers: list[int] = []

    def one(number: int) -> None:
        start.wait()
        typed = {**TYPED, "email": f"person{number}@example.org", "slug": f"tenant-{number}"}
        answers.append(browsers[number].post(path, typed, token=tokens[number]).status_code)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(browsers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(303) == 1
    assert set(answers) <= {303, 404, 409}
    documents = world.everything()
    for collection in ("users", "tenants", "sessions"):
        assert len([path for path, _ in documents if path == collection]) == 1


def test_sample_data_is_in_the_same_commit(world: World) -> None:
    registry = world.app.extensions["wherry"]
    registry.add_sample_data(lambda uow: sample(uow))
    path = link(world)
    send(world, path)
    assert [path for path, _ in world.everything() if path.endswith("/invitations")]


def test_sample_data_belongs_to_whoever_sets_up(world: World) -> None:
    seen: list[tuple[str, str, str]] = []
    world.app.extensions["wherry"].add_sample_data(
        lambda uow: seen.append((uow.actor.kind, uow.actor.id, uow.actor.name))
    )
    send(world, link(world))
    (user,) = [id for collection, id in world.everything() if collection == "users"]
    assert seen == [("user", user, "Ann Marlow")]


def test_sample_data_is_left_out_on_request(world: World) -> None:
    world.app.extensions["wherry"].add_sample_data(sample)
    path = link(world)
    browser = world.browser()
    typed = {name: value for name, value in TYPED.items() if name != "sample"}
    assert browser.post(path, typed, token=browser.token(path)).status_code == 303
    assert not [path for path, _ in world.everything() if path.endswith("/invitations")]


def test_when_sample_data_fails_there_is_no_account_either(world: World) -> None:
    def broken(uow: UnitOfWork) -> None:
        raise RuntimeError("the sample data has a mistake")

    world.app.extensions["wherry"].add_sample_data(broken)
    world.app.config["PROPAGATE_EXCEPTIONS"] = False
    path = link(world)
    keys = ("installation_keys",)  # the key of all claims is made outside of every commit
    before = world.everything(keys)
    assert send(world, path).status_code == 500
    assert world.everything(keys) == before
    assert world.browser().get(path).status_code == 200


def sample(uow: UnitOfWork) -> None:
    uow.store(Invitation).add(
        Invitation(email="sample@example.org", role="viewer", invited_by="", expires_at=uow.clock())
    )


def test_fields_that_the_form_does_not_have_change_nothing(world: World) -> None:
    path = link(world)
    send(world, path, superuser="", disabled="y", id="chosen", _id="chosen", tenant_id="chosen", role="viewer")
    documents = world.everything()
    assert "chosen" not in str(documents)
    (user,) = [document for (path, _), document in documents.items() if path == "users"]
    assert user["superuser"] is True
    assert user["disabled"] is False


def test_the_sign_in_page_of_a_new_installation_says_what_to_do(world: World) -> None:
    assert "wherry first-link" in text_of(world.browser().get("/sign-in"))
    world.user()
    assert "wherry first-link" not in text_of(world.browser().get("/sign-in"))


def test_the_set_up_document_survives_without_links(world: World) -> None:
    send(world, link(world))
    with world.unit() as uow:
        stored = uow.store(SetUp).get(SetUp.ONLY_ID)
    assert stored.links == []
    assert stored.completed_at is not None


def test_the_log_does_not_show_the_token_when_something_breaks(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.app.config["PROPAGATE_EXCEPTIONS"] = False
    path = link(world)
    monkeypatch.setattr("app.auth.set_up_routes.SetUpForm", None)
    assert world.browser().get(path).status_code == 500
    assert "Exception on /setup/(hidden) [GET]" in caplog.text
    assert path.removeprefix("/setup/") not in caplog.text


def test_the_log_does_not_show_the_token(world: World, caplog: pytest.LogCaptureFixture) -> None:
    path = link(world)
    with caplog.at_level("INFO"):
        answer = world.browser().get(path)
        answer.get_data()
        answer.close()
    (line,) = [record for record in caplog.records if record.name == "wherry.request"]
    assert line.__dict__["path"] == "/setup/(hidden)"
    assert path.removeprefix("/setup/") not in caplog.text


def test_a_completed_set_up_accepts_no_link_even_if_one_is_left_in_it(world: World) -> None:
    path = link(world)
    with world.unit() as uow:
        stored = uow.store(SetUp).get(SetUp.ONLY_ID)
        stored.completed_at = world.clock()
        uow.store(SetUp).save(stored)
    assert world.browser().get(path).status_code == 404
