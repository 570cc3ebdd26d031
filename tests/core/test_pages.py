"""Dashboard, audit page, export, and what modules offer each other."""

import csv
import io
import re
from datetime import timedelta

import pytest

from app.core.activity import kind_word
from app.core.dashboard import Card, Figure, add_card, figure_of
from app.core.export import csv_lines, harmless
from app.core.offers import AgentDirectory, offer, offered
from app.tenants.entities import Invitation, Tenant
from app.users.entities import User
from tests.core.world import Browser, World, text_of


class Place:
    """Ann owns `harbour`; her browser is open."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ann: User = world.user()
        self.tenant: Tenant = world.tenant(self.ann, slug="harbour")
        self.browser: Browser = world.signed_in(self.ann)

    def invite(self, email: str) -> None:
        assert self.browser.post("/t/harbour/members/invite", {"email": email, "role": "member"}).status_code == 200


@pytest.fixture
def place(world: World) -> Place:
    return Place(world)


def test_the_dashboard_shows_the_cards_one_may_see(place: Place) -> None:
    app = place.world.app
    app.extensions["wherry"].add_permission("boats.view", "See boats", roles=("owner",))
    add_card(app, Card("Boats", "core.dashboard", "boats.view", lambda uow: Figure("12", "two at sea"), order=1))
    words = text_of(place.browser.get("/t/harbour/"))
    assert "Boats 12 two at sea" in words
    assert "Members 1" in words
    bob = place.world.user("Bob")
    place.world.join(place.tenant, bob, "viewer")
    words = text_of(place.world.signed_in(bob).get("/t/harbour/"))
    assert "Boats" not in words
    assert "Lately" not in words, "the audit record is for who may see it"


def test_the_dashboard_says_what_happened_lately_in_words(place: Place) -> None:
    place.invite("zed@example.org")
    words = text_of(place.browser.get("/t/harbour/"))
    assert "Ann created invitation zed@example.org" in words


def test_figures_say_when_they_are_not_exact() -> None:
    assert figure_of((1_000, False)) == "1,000+"
    assert figure_of((1_000, True)) == "1,000"


def test_the_audit_page_shows_who_what_when_and_from_where(place: Place) -> None:
    place.browser.post("/t/harbour/members/invite", {"email": "zed@example.org", "role": "viewer"})
    page = place.browser.get("/t/harbour/audit")
    words = text_of(page)
    assert "Ann created invitation zed@example.org" in words
    assert "192.0.2.1" in words
    assert "viewer" in words


def test_a_large_commit_is_told_in_short_and_shown_in_whole_under_its_details(place: Place) -> None:
    with place.world.unit(place.tenant.id) as uow:
        for number in range(40):
            uow.store(Invitation).add(
                Invitation(email=f"p{number}@example.org", role="viewer", invited_by="", expires_at=uow.clock())
            )
    words = text_of(place.browser.get("/t/harbour/audit"))
    assert "created invitation p5@example.org and 34 more" in words
    assert "Invitation p39@example.org" in words


def test_secrets_are_not_in_the_audit_record(place: Place) -> None:
    documents = place.world.everything()
    audit = str([found for key, found in documents.items() if "audit" in key[0]])
    for (collection, _), found in documents.items():
        if collection == "users":
            assert found["password_hash"] not in audit
            assert found["stamp"] not in audit


def test_filters_find_by_actor_action_kind_day_and_reference(place: Place) -> None:
    world = place.world
    bob = world.user("Bob")
    world.join(place.tenant, bob, "admin")
    place.invite("first@example.org")
    world.clock.forward(days=3)
    other = world.signed_in(bob)
    other.post("/t/harbour/members/invite", {"email": "second@example.org", "role": "member"})

    browser = world.signed_in(place.ann)

    def rows(query: str) -> str:
        answer = browser.get(f"/t/harbour/audit?{query}")
        assert answer.status_code == 200, query
        return text_of(answer)

    assert "second@example.org" in rows(f"actor={bob.id}")
    assert "first@example.org" not in rows(f"actor={bob.id}")
    assert "created tenant" not in rows("kind=invitations")
    assert "first@example.org" in rows("kind=invitations&action=created")
    assert "Nothing matches" in rows("action=deleted")
    assert "first@example.org" in rows("until=2026-03-02")
    assert "second@example.org" not in rows("until=2026-03-02")
    assert "second@example.org" in rows("since=2026-03-05&until=2026-03-05")
    assert "first@example.org" not in rows("since=2026-03-03")
    reference = re.findall(r"reference=([\w-]+)", browser.get("/t/harbour/audit").get_data(as_text=True))[0]
    assert rows(f"reference={reference}").count("Details") == 1


@pytest.mark.parametrize(
    "query",
    ["who=x", "action=viewed", "kind=users", "since=yesterday", "until=2026-13-01", "sort=name", "cursor=%00",
     "cursor=abcd", "actor=x&actor=y", "page=0", "$where=1"],
)  # fmt: skip
def test_an_unknown_filter_is_named_and_refused(place: Place, query: str) -> None:
    for path in ("audit", "audit.csv"):
        answer = place.browser.get(f"/t/harbour/{path}?{query}")
        if path == "audit" or not query.startswith("cursor=abcd"):
            assert answer.status_code == 400, (path, query)
        if answer.status_code == 400 and "abcd" not in query:
            assert query.partition("=")[0] in text_of(answer)


def test_a_long_record_is_paged_without_gaps_while_it_grows(place: Place) -> None:
    for number in range(60):
        place.invite(f"p{number}@example.org")
    first = place.browser.get("/t/harbour/audit").get_data(as_text=True)
    place.invite("late@example.org")
    link = re.findall(r'rel="next" href="([^"]+)"', first)[0].replace("&amp;", "&")
    second = place.browser.get(f"/t/harbour/audit{link}").get_data(as_text=True)
    seen = re.findall(r"created invitation <strong>(p\d+)@", first + second)
    assert seen == [f"p{number}" for number in reversed(range(60))]
    assert "Previous" in second


def test_the_oldest_can_come_first(place: Place) -> None:
    place.invite("a@example.org")
    words = text_of(place.browser.get("/t/harbour/audit?sort=time"))
    assert words.index("created tenant") < words.index("a@example.org")


def test_the_export_holds_everything_that_the_filters_find(place: Place) -> None:
    for number in range(55):
        place.invite(f"p{number}@example.org")
    answer = place.browser.get("/t/harbour/audit.csv?kind=invitations")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit-harbour.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"))))
    assert [row["name"] for row in rows] == [f"p{number}@example.org" for number in reversed(range(55))]
    assert {row["who"] for row in rows} == {"Ann"}
    assert {row["address"] for row in rows} == {"192.0.2.1"}


def test_an_export_that_ends_early_says_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.core.audit_routes.MOST_EXPORTED", 4)
    monkeypatch.setattr("app.core.audit_routes.PAGE", 2)
    for number in range(6):
        place.invite(f"p{number}@example.org")
    text = place.browser.get("/t/harbour/audit.csv").get_data(as_text=True)
    assert text.splitlines()[-1] == '"This file ends here, after 4 commits; there are more. Narrow the filters."'


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0"])
def test_the_export_neutralises_what_a_spreadsheet_would_run(world: World, formula: str) -> None:
    ann = world.user(formula, "ann@example.org")
    world.tenant(ann, slug="harbour")
    browser = world.signed_in(ann)
    browser.post("/t/harbour/members/invite", {"email": "x@example.org", "role": "viewer"})
    rows = list(csv.DictReader(io.StringIO(browser.get("/t/harbour/audit.csv").get_data().decode("utf-8-sig"))))
    assert {row["who"] for row in rows if row["kind"] == "invitation"} == {f"'{formula}"}
    for row in rows:
        assert all(not (value or "").startswith(("=", "+", "-", "@", "\t", "\r")) for value in row.values())


@pytest.mark.parametrize("text", ["\t=1", "\r=1", "\n=1", " =1", '"=1', "\uff1d1", "'-1"])
def test_disguised_formulas_are_neutralised_too(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Ann", "1-2", "a=b", "0", "ä"])
def test_other_text_is_exported_as_it_is(text: str) -> None:
    assert harmless(text) == text


def test_quotes_and_line_breaks_in_an_export_stay_in_their_cell() -> None:
    written = "".join(csv_lines(("a", "b"), [['say "hi"', "two\nlines; or, more"]]))
    assert list(csv.reader(io.StringIO(written.removeprefix("\ufeff"))))[1] == ['say "hi"', "two\nlines; or, more"]


def test_what_is_over_is_swept_and_nothing_else(place: Place) -> None:
    world = place.world
    world.browser().sign_in("nobody@example.org")
    world.clock.forward(days=1)
    fresh = world.signed_in(place.ann)
    output = world.app.test_cli_runner().invoke(args=["sweep"]).output
    assert "Deleted 1 sessions." in output
    assert fresh.get("/account").status_code == 200
    assert len([key for key in world.everything() if key[0] == "sessions"]) == 1
    world.clock.forward(seconds=timedelta(days=1).total_seconds())
    assert "Deleted 1 sessions." in world.app.test_cli_runner().invoke(args=["sweep"]).output


def test_modules_find_what_others_offer_by_its_protocol(world: World) -> None:
    class Directory:
        def names(self, uow: object, ids: object) -> dict[str, str]:
            return {"a": "Greeter"}

    assert offered(world.app, AgentDirectory) is None  # type: ignore[type-abstract]
    directory = Directory()
    offer(world.app, AgentDirectory, directory)  # type: ignore[type-abstract]
    assert offered(world.app, AgentDirectory) is directory  # type: ignore[type-abstract]
    with pytest.raises(ValueError, match="twice"):
        offer(world.app, AgentDirectory, directory)  # type: ignore[type-abstract]
    with pytest.raises(TypeError):
        offer(World().app, AgentDirectory, object())


def test_kinds_have_words() -> None:
    assert [kind_word(kind) for kind in ("members", "agents", "agent_versions")] == ["member", "agent", "agent version"]
