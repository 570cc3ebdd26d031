import re

import pytest

from app import create_app
from app.web.correlation import HEADER, accepted


def test_every_response_names_its_id() -> None:
    client = create_app({"ENV": "testing"}).test_client()
    seen = {client.get(path).headers[HEADER] for path in ("/healthz", "/no-such-page", "/static/no-such-file")}
    assert len(seen) == 3
    assert all(re.fullmatch(r"[0-9a-f]{32}", value) for value in seen)


def test_an_id_that_comes_in_goes_out() -> None:
    client = create_app({"ENV": "testing"}).test_client()
    answer = client.get("/no-such-page", headers={HEADER: "edge-0001.a_b"})
    assert answer.headers.getlist(HEADER) == ["edge-0001.a_b"]


@pytest.mark.parametrize(
    "value", ["short", "x" * 65, "a b c d e f g", "<script>alert(1)", "abcdefgh\n", "äöüäöüäö", ""]
)
def test_an_id_that_could_harm_is_replaced(value: str) -> None:
    assert accepted(value) is None


def test_a_replaced_id_does_not_come_back() -> None:
    client = create_app({"ENV": "testing"}).test_client()
    answer = client.get("/healthz", headers={HEADER: "<script>alert(1)"})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers[HEADER])
