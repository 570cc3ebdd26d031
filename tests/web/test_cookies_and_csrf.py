import re

import pytest
from flask import session

from app.web import access_control
from app.web.feedback import notify
from tests.web.probe import KEY, client, make_app


def routes(app, registry):
    @app.get("/set/<value>")
    @access_control(open=True)
    def put(value):
        session["id"] = value
        return "set"

    @app.get("/read")
    @access_control(open=True)
    def read():
        return str(session.get("id"))

    @app.get("/token")
    @access_control(open=True)
    def token():
        from flask_wtf.csrf import generate_csrf

        return generate_csrf()

    @app.route("/posted", methods=["POST", "PUT", "PATCH", "DELETE"])
    @access_control(open=True)
    def posted():
        notify("info", "heard")
        return "done"


def cookie(answer) -> str:
    found = answer.headers.getlist("Set-Cookie")
    assert len(found) == 1
    return str(found[0])


def test_over_tls_the_cookie_is_host_bound_secure_and_hidden_from_scripts() -> None:
    text = cookie(client(make_app(routes)).get("/set/1", base_url="https://localhost"))
    assert text.startswith("__Host-wherry=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(text.split("; "))
    assert "Domain" not in text


def test_on_plain_http_the_cookie_has_a_name_that_browsers_accept() -> None:
    text = cookie(client(make_app(routes)).get("/set/1"))
    assert text.startswith("wherry=")
    assert "Secure" not in text
    assert {"HttpOnly", "SameSite=Lax"} <= set(text.split("; "))


def test_cookie_secure_makes_it_so_whatever_the_connection_looks_like() -> None:
    assert cookie(client(make_app(routes, COOKIE_SECURE=True)).get("/set/1")).startswith("__Host-wherry=")


def test_a_cookie_set_over_plain_http_is_not_believed_over_tls() -> None:
    browser = client(make_app(routes))
    browser.get("/set/planted")
    assert browser.get("/read", base_url="https://localhost").text == "None"


def test_the_cookie_is_written_only_when_it_changes() -> None:
    browser = client(make_app(routes))
    browser.get("/set/1")
    answer = browser.get("/read")
    assert answer.text == "1"
    assert "Set-Cookie" not in answer.headers


def test_a_tampered_cookie_is_no_session() -> None:
    browser = client(make_app(routes))
    value = cookie(browser.get("/set/1")).split("=", 1)[1].split(";")[0]
    browser.set_cookie("wherry", value[:-2] + ("aa" if value[-2:] != "aa" else "bb"))
    assert browser.get("/read").text == "None"


def test_a_rotated_key_still_reads_old_cookies_and_writes_with_the_new_one() -> None:
    old = client(make_app(routes))
    value = cookie(old.get("/set/1")).split("=", 1)[1].split(";")[0]
    rotated = client(make_app(routes, SECRET_KEY="the next key, also 32 characters", SECRET_KEY_FALLBACKS=[KEY]))
    rotated.set_cookie("wherry", value)
    assert rotated.get("/read").text == "1"
    written = cookie(rotated.get("/set/2")).split("=", 1)[1].split(";")[0]
    old.set_cookie("wherry", written)
    assert old.get("/read").text == "None"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_every_changing_method_needs_the_csrf_token(method: str) -> None:
    browser = client(make_app(routes, WTF_CSRF_ENABLED=True))
    token = browser.get("/token").text
    refused = browser.open("/posted", method=method)
    assert refused.status_code == 400
    assert "This form is no longer valid" in refused.text
    assert browser.open("/posted", method=method, data={"csrf_token": token}).status_code == 200
    assert browser.open("/posted", method=method, headers={"X-CSRFToken": token}).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 5000])
def test_a_wrong_token_is_refused_in_words(token: str) -> None:
    browser = client(make_app(routes, WTF_CSRF_ENABLED=True))
    browser.get("/token")
    answer = browser.post("/posted", data={"csrf_token": token}, headers={"Accept": "application/json"})
    assert answer.status_code == 400
    assert "reload the page" in answer.json["error"]["message"]  # type: ignore[index]


def test_a_token_of_another_session_is_refused() -> None:
    app = make_app(routes, WTF_CSRF_ENABLED=True)
    theirs = client(app).get("/token").text
    mine = client(app)
    mine.get("/token")
    assert mine.post("/posted", data={"csrf_token": theirs}).status_code == 400


def test_over_tls_a_post_from_another_site_is_refused_even_with_a_token() -> None:
    browser = client(make_app(routes, WTF_CSRF_ENABLED=True))
    token = browser.get("/token", base_url="https://localhost").text
    for referrer, status in (("https://evil.example/", 400), ("https://localhost/token", 200)):
        answer = browser.post(
            "/posted", base_url="https://localhost", data={"csrf_token": token}, headers={"Referer": referrer}
        )
        assert answer.status_code == status


def test_somebody_signed_out_reads_please_sign_in_and_not_invalid_form() -> None:
    assert client(make_app(routes, WTF_CSRF_ENABLED=True)).post("/t/pier/agents/edit").status_code == 401


def test_the_theme_is_remembered_without_scripts_and_leads_back_home_only() -> None:
    browser = client(make_app())
    answer = browser.post("/theme", data={"theme": "dark", "next": "/open"})
    assert (answer.status_code, answer.location) == (303, "/open")
    assert re.match(r"theme=dark; .*SameSite=Lax", cookie(answer))
    assert browser.post("/theme", data={"theme": "dark", "next": "//evil.example"}).location == "/"
    assert 'data-theme="dark"' in browser.get("/nowhere").text
    browser.set_cookie("theme", '"><script>')
    assert "data-theme" not in browser.get("/nowhere").text
