from urllib.parse import unquote, urlsplit

import pytest
from flask import request

from app.web.hosts import HostCheck
from tests.web.probe import client, make_app

CHECK = HostCheck(["localhost", "127.0.0.1", "[::1]", "wherry.example.org", ".harbour.example"])


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8000",
        "127.0.0.1:65535",
        "[::1]",
        "[::1]:8000",
        "WHERRY.example.org",
        "a.b.harbour.example",
    ],
)
def test_our_hosts_are_accepted_with_and_without_port(host: str) -> None:
    assert CHECK.allows(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "evilharbour.example",
        "localhost@evil.example",
        "evil.example#localhost",
        "localhost:0",
        "localhost:99999",
        "localhost:80:80",
        "localhost\n",
        "local host",
        "[::1",
        "127.0.0.1/evil",
        "x" * 400,
    ],
)
def test_any_other_host_is_refused(host: str) -> None:
    assert not CHECK.allows(host)


@pytest.mark.parametrize("path", ["/open", "/inside", "/nowhere", "/static/wherry.css"])
def test_a_forged_host_is_a_400_on_every_page(path: str) -> None:
    answer = client(make_app()).get(path, headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "evil.example" not in answer.text


def test_a_forged_forwarded_host_is_a_400_with_and_without_a_proxy() -> None:
    for hops in (0, 1):
        for forged in ("evil.example", "evil.example, localhost", "localhost, evil.example"):
            answer = client(make_app(PROXY_HOPS=hops)).get("/open", headers={"X-Forwarded-Host": forged})
            assert answer.status_code == 400, (hops, forged)


def test_a_proxy_of_ours_may_name_one_of_our_hosts() -> None:
    answer = client(make_app(PROXY_HOPS=1)).get("/open", headers={"X-Forwarded-Host": "app.example.org"})
    assert answer.status_code == 200


def test_the_client_address_counts_only_the_configured_hops() -> None:
    seen = []

    def setup(app, registry):
        @app.before_request
        def look():
            seen.append(request.remote_addr)

    for hops in (0, 1, 2):
        client(make_app(setup, PROXY_HOPS=hops)).get(
            "/open", headers={"X-Forwarded-For": "6.6.6.6, 10.0.0.1, 10.0.0.2"}
        )
    assert seen == ["127.0.0.1", "10.0.0.2", "10.0.0.1"]


@pytest.mark.parametrize(
    "path",
    [
        "//localhost//evil.example/",
        "/t//evil.example",
        "/t/pier//evil.example",
        "/%2f%2fevil.example",
        "/.//evil.example",
    ],
)
def test_no_address_makes_the_router_redirect_to_another_host(path: str) -> None:
    answer = client(make_app(), "anna").get("/", environ_overrides={"PATH_INFO": unquote(path), "RAW_URI": path})
    assert urlsplit(answer.headers.get("Location", "http://localhost/")).netloc in ("", "localhost")
    assert not answer.headers.get("Location", "/").startswith("//")


def test_an_empty_list_answers_to_every_host() -> None:
    assert client(make_app(ALLOWED_HOSTS=[])).get("/open", headers={"Host": "any.example"}).status_code == 200
