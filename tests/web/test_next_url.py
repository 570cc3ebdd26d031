import pytest

from app.web.next_url import safe_next

HOSTILE = [
    "//evil.example",
    "///evil.example",
    "////evil.example/path",
    "https://evil.example",
    "http:evil.example",
    "https:/evil.example",
    "HTTPS://EVIL.EXAMPLE",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/%09/evil.example",
    "/%5cevil.example",
    "/%2f/evil.example",
    "/%2fevil.example",
    "%2f%2fevil.example",
    "/%252f%252fevil.example",
    "/%255cevil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "evil.example",
    "@evil.example",
    "/.evil.example/../..//evil.example",
    "/./\\evil.example",
    "/a//evil.example",
    "/a/../..//evil.example",
    "/a/%2e%2e/%2e%2e//evil.example",
    "/\u2028/evil.example",
    "/\x00/evil.example",
    "/\u200b/evil.example",
    "http://[::1",
    "?next=//evil.example",
    "",
    "/" + "a" * 3000,
]


@pytest.mark.parametrize("payload", HOSTILE)
def test_a_target_that_could_be_another_host_is_not_followed(payload: str) -> None:
    assert safe_next(payload, "/home") == "/home"


def test_at_least_thirty_payloads_are_tried() -> None:
    assert len(set(HOSTILE)) >= 30


def test_no_target_is_the_fallback() -> None:
    assert safe_next(None) == "/"


@pytest.mark.parametrize(
    "target", ["/", "/account", "/t/pier/agents/?q=a%20b&sort=-name", "/t/pier/#top", "/a/b-c_d~e.f"]
)
def test_a_page_of_our_own_is_followed(target: str) -> None:
    assert safe_next(target) == target


def test_the_query_may_hold_what_the_path_may_not() -> None:
    assert safe_next("/search?q=https://x.example//y") == "/search?q=https://x.example//y"
