import re

import pytest

from tests.web.gallery import make_gallery
from tests.web.probe import client, make_app

NONCE = re.compile(r"'nonce-([A-Za-z0-9_-]{22})'")
PATHS = ["/open", "/inside", "/root", "/nowhere", "/static/wherry.css", "/static/nothing.css", "/change", "/boom"]


def with_boom(app, registry):
    from app.web import access_control

    @app.get("/boom")
    @access_control(open=True)
    def boom():
        raise ZeroDivisionError


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE", "TRACE"])
def test_every_response_has_the_security_headers(path: str, method: str) -> None:
    answer = client(make_app(with_boom)).open(path, method=method, buffered=True)
    policy = answer.headers["Content-Security-Policy"]
    assert NONCE.search(policy)
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Permissions-Policy"]
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Cache-Control" in answer.headers


def test_a_failing_after_request_hook_does_not_lose_the_headers() -> None:
    def setup(app, registry):
        @app.after_request
        def fail(response):
            raise ZeroDivisionError

    answer = client(make_app(setup)).get("/open")
    assert answer.status_code == 500
    assert NONCE.search(answer.headers["Content-Security-Policy"])


def test_a_response_put_in_the_place_of_another_has_the_headers_too() -> None:
    def setup(app, registry):
        app.after_request(lambda response: app.response_class("other"))

    answer = client(make_app(setup)).get("/open")
    assert answer.text == "other"
    assert NONCE.search(answer.headers["Content-Security-Policy"])


def test_each_response_has_its_own_nonce() -> None:
    browser = client(make_app())
    nonces = {NONCE.search(browser.get("/open").headers["Content-Security-Policy"])[1] for _ in range(20)}  # type: ignore[index]
    assert len(nonces) == 20


def test_the_scripts_of_a_page_bear_the_nonce_of_its_header() -> None:
    answer = make_gallery().test_client().get("/t/harbour/agents/")
    nonce = NONCE.search(answer.headers["Content-Security-Policy"])
    assert nonce is not None
    scripts = re.findall(r"<script[^>]*>", answer.text)
    assert scripts
    assert all(f'nonce="{nonce[1]}"' in script and "src=" in script for script in scripts)


def test_hsts_is_sent_over_tls_only() -> None:
    browser = client(make_app())
    over_tls = browser.get("/open", base_url="https://localhost").headers
    assert re.fullmatch(r"max-age=31536000; includeSubDomains", over_tls["Strict-Transport-Security"])
    assert "Strict-Transport-Security" not in browser.get("/open").headers


def test_pages_of_somebody_who_is_signed_in_are_no_store_whatever_the_view_says() -> None:
    def setup(app, registry):
        from app.web import access_control

        @app.get("/cached")
        @access_control()
        def cached():
            return "x", {"Cache-Control": "public, max-age=60"}

    answer = client(make_app(setup), "anna").get("/cached")
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_page_without_a_word_on_caching_is_no_store() -> None:
    assert client(make_app()).get("/open").headers["Cache-Control"] == "no-store"


def test_a_file_asked_for_by_its_digest_is_kept_for_ever_and_bears_no_cookie() -> None:
    answer = client(make_app()).get("/static/wherry.css?v=0123", buffered=True)
    assert "immutable" in answer.headers["Cache-Control"]
    assert "Set-Cookie" not in answer.headers
    assert "Cookie" not in answer.headers.get("Vary", "")
