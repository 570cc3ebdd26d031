import time

import pytest

from app.web.json_body import loads
from tests.web.probe import client, make_app

ATTACKS = {
    "ten thousand arrays": b"[" * 10_000 + b"]" * 10_000,
    "ten thousand objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "just too deep": b"[" * 34 + b"]" * 34,
    "unclosed depth": b"[" * 200_000,
    "NaN": b'{"a": NaN}',
    "Infinity": b"[-Infinity]",
    "a duplicate key": b'{"role": "viewer", "role": "owner"}',
    "a nested duplicate key": b'{"a": [{"b": 1, "b": 2}]}',
    "a duplicate key by escape": b'{"role": 1, "\\u0072ole": 2}',
    "a huge integer": b"[" + b"9" * 500_000 + b"]",
    "a huge negative integer": b"-" + b"9" * 100,
    "a huge exponent": b"1e999999",
    "a huge fraction": b"0." + b"1" * 500_000,
    "a lone surrogate": b'"\\ud800"',
    "a lone surrogate in a key": b'{"\\udfff": 1}',
    "not UTF-8": b'"\xff\xfe"',
    "a byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "two values": b"{} {}",
    "a comment": b"{} // x",
    "single quotes": b"{'a': 1}",
    "a raw line break in a text": b'"a\nb"',
    "nothing": b"",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_hostile_json_is_a_400_within_100_ms(name: str) -> None:
    browser = client(make_app())
    browser.get("/open")

    def seconds() -> float:
        started = time.thread_time()
        answer = browser.post("/json", data=ATTACKS[name], content_type="application/json")
        took = time.thread_time() - started
        assert answer.status_code == 400
        assert answer.json is not None
        assert answer.json["error"]["status"] == 400
        return took

    # The quickest, as a busy machine may make one of them slow.
    assert min(seconds() for _ in range(3)) < 0.1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, -2.5, true, null, "\\u00e4"]}', {"a": [1, -2.5, True, None, "ä"]}),
        ('"\\ud83d\\ude00"', "😀"),
        ("[" * 30 + "]" * 30, None),
        ("9007199254740991", 2**53 - 1),
    ],
)
def test_ordinary_json_is_read(text: str, value: object) -> None:
    read = loads(text)
    assert value is None or read == value


def test_another_content_type_is_not_read_as_json() -> None:
    assert client(make_app()).post("/json", data=b"{}", content_type="text/plain").status_code == 415
