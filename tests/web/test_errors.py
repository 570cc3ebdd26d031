import pytest
from flask import abort

from app.db.errors import (
    Conflict,
    InvalidQuery,
    NotFound,
    NotWritable,
    Throttled,
    TooLarge,
    Unauthorised,
    Unavailable,
)
from app.errors import Invalid, NotAllowed, NotSignedIn, Problem, TooManyAttempts, WherryError
from app.web import access_control
from app.web.errors import WORDS
from tests.web.probe import SECRET, client, make_app

RAISED = {
    400: InvalidQuery("is no field of this list", name="colour"),
    401: NotSignedIn("Please sign in to go on."),
    403: NotAllowed("You are a viewer here."),
    404: NotFound("t-secret/agents", "a-secret"),
    409: Conflict([("t-secret/agents", "a-secret")]),
    413: TooLarge(SECRET),
    422: Invalid({"name": [Problem("taken", "That name is taken.")], "": [Problem("invalid", "The tenant is full.")]}),
    429: TooManyAttempts("Ten tries in a minute.", retry_after=41.2),
    500: WherryError(SECRET),
    503: Unavailable(SECRET, retry_after=2.5),
}


def failing(error: BaseException | int):
    def setup(app, registry):
        @app.route("/fail", methods=["GET", "POST"])
        @access_control(open=True)
        def fail():
            if isinstance(error, int):
                abort(error)
            raise error

    return setup


def ask(error: BaseException | int, accept: str = "text/html", method: str = "POST", user: str = ""):
    headers = {"Accept": accept, "X-Request-ID": "a-reference-1"}
    environ = {"wherry.correlation_id": "a-reference-1"}
    return client(make_app(failing(error)), user).open(
        "/fail", method=method, headers=headers, environ_overrides=environ
    )


@pytest.mark.parametrize("status", RAISED)
def test_an_error_of_our_own_is_a_page_with_words_and_a_reference(status: int) -> None:
    answer = ask(RAISED[status])
    assert answer.status_code == status
    assert answer.mimetype == "text/html"
    assert WORDS[status][0] in answer.text or status == 503
    assert "a-reference-1" in answer.text
    assert "Go to the start page" in answer.text or "Sign in" in answer.text


@pytest.mark.parametrize("status", RAISED)
def test_a_program_gets_the_envelope(status: int) -> None:
    answer = ask(RAISED[status], accept="application/json")
    assert answer.status_code == status
    assert answer.json["ok"] is False
    error = answer.json["error"]
    assert set(error) == {"status", "title", "message", "fields", "correlation_id"}
    assert error["status"] == status
    assert error["correlation_id"] == "a-reference-1"


@pytest.mark.parametrize("error", [*RAISED.values(), ZeroDivisionError(SECRET), KeyError(SECRET)], ids=repr)
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_nobody_sees_drivers_words_names_of_collections_or_traces(error: Exception, accept: str) -> None:
    text = ask(error, accept).text
    for word in (SECRET, "t-secret", "a-secret", "Traceback", "app/db", "ZeroDivision", "KeyError"):
        assert word not in text


@pytest.mark.parametrize("status", sorted(set(WORDS)))
def test_an_error_of_the_framework_looks_the_same(status: int) -> None:
    answer = ask(status)
    assert answer.status_code == status
    assert WORDS[status][0] in answer.text


def test_invalid_names_every_field_for_a_program() -> None:
    fields = ask(RAISED[422], "application/json").json["error"]["fields"]
    assert fields["name"] == [{"code": "taken", "message": "That name is taken."}]
    assert fields[""] == [{"code": "invalid", "message": "The tenant is full."}]


def test_a_query_that_cannot_be_answered_names_the_offending_part() -> None:
    assert "colour" in ask(RAISED[400]).text


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (TooManyAttempts("x", retry_after=41.2), "42"),
        (Unavailable("x", retry_after=0.1), "1"),
        (Throttled("x", retry_after=3), "3"),
        (Unauthorised("x"), "1"),
        (503, "5"),
        (429, "60"),
    ],
)
def test_429_and_503_say_when_to_come_back_in_whole_seconds(error: Exception | int, seconds: str) -> None:
    for accept in ("text/html", "application/json"):
        assert ask(error, accept).headers["Retry-After"] == seconds


def test_an_unknown_outcome_is_told_as_such() -> None:
    assert "may or may not" in ask(Unavailable("x", outcome="unknown")).text


def test_a_full_disk_is_told_as_such() -> None:
    text = ask(NotWritable("x")).text
    assert "Nothing can be saved" in text
    assert "Reading goes on" in text


def test_405_keeps_the_allow_header() -> None:
    answer = client(make_app()).post("/open")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_a_body_too_large_is_a_413_for_forms_and_json() -> None:
    app = make_app(MAX_CONTENT_LENGTH=1000, MAX_FORM_MEMORY_SIZE=500, MAX_FORM_PARTS=5)
    browser = client(app)
    assert browser.post("/form", data={"a": "x" * 2000}).status_code == 413
    assert browser.post("/json", json={"a": "x" * 2000}).status_code == 413


@pytest.mark.parametrize("kind", ["multipart/form-data", "application/x-www-form-urlencoded"])
def test_a_form_with_too_many_bytes_or_fields_is_a_413_however_it_is_sent(kind: str) -> None:
    browser = client(make_app(MAX_CONTENT_LENGTH=9000, MAX_FORM_MEMORY_SIZE=2000, MAX_FORM_PARTS=5))
    many = {f"f{number}": "" for number in range(6)}
    assert browser.post("/form", data={"a": "x" * 2100}, content_type=kind).status_code == 413
    assert browser.post("/form", data=many, content_type=kind).status_code == 413
    del many["f5"]
    assert browser.post("/form", data=many, content_type=kind).status_code != 413
    assert browser.post("/form", data={"a": "x" * 300}, content_type=kind).status_code != 413


@pytest.mark.parametrize(
    "path", ["/t/harbour//agents/", "/t/harbour/agents/%2fedit", "/t/harbour/agents//", "/open/%2f"]
)
def test_two_slashes_are_no_page_and_redirect_nowhere(path: str) -> None:
    answer = client(make_app(), "anna").get(path)
    assert answer.status_code == 404
    assert "Location" not in answer.headers


def test_a_body_too_large_is_refused_before_its_csrf_token_is_looked_at() -> None:
    app = make_app(MAX_CONTENT_LENGTH=1000, WTF_CSRF_ENABLED=True)
    assert client(app).post("/form", data={"a": "x" * 2000}).status_code == 413


def test_somebody_known_sees_the_error_inside_the_layout() -> None:
    answer = client(make_app(), "anna").get("/root")
    assert answer.status_code == 403
    assert "Your account" in answer.text


def test_the_page_comes_even_when_the_layout_fails() -> None:
    def setup(app, registry):
        def broken():
            raise LookupError(SECRET)

        app.jinja_env.globals["navigation"] = broken

    answer = client(make_app(setup), "anna").get("/root")
    assert answer.status_code == 403
    assert WORDS[403][0] in answer.text
    assert SECRET not in answer.text


def test_the_page_comes_even_when_every_template_function_fails() -> None:
    def setup(app, registry):
        def broken(*arguments):
            raise ValueError(SECRET)

        for name in ("asset", "theme", "messages", "navigation", "csrf_field"):
            app.jinja_env.globals[name] = broken

    answer = client(make_app(setup), "anna").get("/root")
    assert answer.status_code == 403
    assert "You may not do this" in answer.text
    assert answer.headers["Content-Security-Policy"]


def test_an_identify_hook_that_fails_is_a_503_and_never_lets_anybody_in() -> None:
    def setup(app, registry):
        def unavailable(request, uow):
            raise Unavailable(SECRET)

        registry._identify = unavailable

    browser = client(make_app(setup), "anna")
    for path in ("/inside", "/root", "/t/pier/agents/"):
        answer = browser.get(path)
        assert answer.status_code == 503
        assert SECRET not in answer.text
        assert "Back in a moment" in answer.text


def test_an_error_page_never_asks_who_is_signed_in() -> None:
    def setup(app, registry):
        def count(request, uow):
            raise AssertionError("asked")

        registry._identify = count

    assert client(make_app(setup)).get("/nowhere").status_code == 404


def test_browsers_and_curl_get_html_programs_get_json() -> None:
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
    expected = {browser: "text/html", "*/*": "text/html", "application/json": "application/json", "": "text/html"}
    for accept, mimetype in expected.items():
        assert client(make_app()).get("/nowhere", headers={"Accept": accept}).mimetype == mimetype
    assert client(make_app()).post("/nowhere", json={}).mimetype == "application/json"
