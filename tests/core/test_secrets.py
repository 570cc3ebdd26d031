"""Canary secrets: what a person types as a secret, or is handed as a link, stands in no log line and no document."""

import logging
import threading

import pytest

from tests.app_database import databases
from tests.core.world import World, text_of

CANARY = "canary herons 7391"
NEXT = "another canary 4417"


def test_passwords_tokens_and_links_are_in_no_log_and_in_no_document(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ann = world.user(password=CANARY)
    world.tenant(ann, slug="harbour")
    browser = world.browser()
    browser.sign_in(ann.email, CANARY + " wrong")
    browser.sign_in(ann.email + "x", CANARY)
    assert browser.sign_in(ann.email, CANARY).status_code == 303
    session = browser.cookie() or ""
    browser.post("/account", {"name": "Ann", "email": "new@example.org", "current": CANARY + " wrong"})
    browser.post("/account/password", {"current": CANARY, "password": "short"})
    made = browser.post("/t/harbour/members/invite", {"email": "zed@example.org", "role": "viewer"})
    link = text_of(made).partition("/invitations/")[2].partition(" ")[0]
    assert len(link) > 40
    world.browser().get(f"/invitations/{link}")
    world.browser().post(f"/invitations/{link}", {"name": "", "password": NEXT})
    assert browser.post("/account/password", {"current": CANARY, "password": NEXT}).status_code == 303
    logged = "\n".join([caplog.text, *(str(vars(record)) for record in caplog.records)])
    stored = str(world.everything())
    for secret in (CANARY, NEXT, link.partition(".")[2], session, browser.token()):
        assert secret
        assert secret not in logged
        assert secret not in stored


@pytest.mark.parametrize("kind", ["set-up", "invitation"])
def test_of_ten_who_use_one_link_at_the_same_moment_one_gets_in(kind: str) -> None:
    world = World(**databases().settings(shared=True))
    if kind == "set-up":
        output = world.app.test_cli_runner().invoke(args=["first-link", "--base-url", ""]).output
        path, before = output.strip(), 0
    else:
        ann = world.user()
        world.tenant(ann, slug="harbour")
        made = world.signed_in(ann).post("/t/harbour/members/invite", {"email": "zed@example.org", "role": "viewer"})
        path, before = "/invitations/" + text_of(made).partition("/invitations/")[2].partition(" ")[0], 1
    browsers = [world.browser() for _ in range(10)]
    tokens = [browser.token(path) for browser in browsers]
    start, answers = threading.Barrier(10), []

    def use(number: int) -> None:
        fields = {"name": "Zed", "email": f"z{number}@example.org", "password": CANARY, "tenant_name": f"T {number}"}
        start.wait()
        answers.append(browsers[number].post(path, fields, tokens[number]).status_code)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers)[0] == 303
    assert set(sorted(answers)[1:]) <= {404, 409, 422}  # dead, used up at the commit, the address taken meanwhile
    documents = world.everything()
    assert len([path for path, _ in documents if path == "users"]) == before + 1
    assert len([path for path, _ in documents if path.endswith("/members")]) == before + 1
    world.database.close()


def test_a_cursor_of_another_tenant_or_another_list_is_refused(world: World) -> None:
    ann = world.user()
    browser = world.signed_in(ann)
    for slug in ("harbour", "pier"):
        tenant = world.tenant(ann, slug=slug)
        for number in range(60):
            world.join(tenant, world.user(f"P {number}", f"{slug}{number}@example.org", "seven grey herons"), "viewer")
    page = browser.get("/t/harbour/members").get_data(as_text=True)
    cursor = page.partition("cursor=")[2].partition("&")[0].partition('"')[0]
    assert browser.get(f"/t/harbour/members?cursor={cursor}").status_code == 200
    for path in (
        f"/t/pier/members?cursor={cursor}",
        f"/t/harbour/members?role=viewer&cursor={cursor}",
        f"/t/harbour/members?sort=-joined&cursor={cursor}",
        f"/t/harbour/audit?cursor={cursor}",
        f"/t/harbour/members?cursor={cursor[:-2]}",
    ):
        answer = browser.get(path)
        assert answer.status_code == 400, path
        assert "cursor" in text_of(answer)
