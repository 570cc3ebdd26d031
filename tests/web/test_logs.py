import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from app import create_app
from app.web import logs
from app.web.access import access_control
from app.web.context import Principal, current
from app.web.logs import HANDLER, JsonFormatter

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def app() -> Flask:
    return create_app({"ENV": "testing", "LOG_LEVEL": "INFO"})


@pytest.fixture
def lines(app: Flask) -> Iterator[Lines]:
    """What was logged since the application was made, line by line as a reader of the log would split it."""
    stream = io.StringIO()
    logs.configure("INFO", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logs.configure("WARNING")


def request(app: Flask, path: str, **arguments: Any) -> None:
    """A whole request: the line is written when the last byte has left."""
    app.test_client().get(path, buffered=True, **arguments)


def requests(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in found if line["logger"] == "wherry.request"]


def test_each_request_is_one_line_of_json(app: Flask, lines: Lines) -> None:
    request(app, "/no-such-page?token=secret", headers={"X-Request-ID": "req-12345678"})
    (line,) = requests(lines())
    assert line["method"] == "GET"
    assert line["path"] == "/no-such-page"
    assert line["status"] == 404
    assert line["correlation_id"] == "req-12345678"
    assert line["duration_ms"] >= 0
    assert line["complete"] is True
    assert line["user_id"] is None
    assert line["tenant_id"] is None
    assert "secret" not in json.dumps(lines())


def test_health_checks_are_logged_too(app: Flask, lines: Lines) -> None:
    request(app, "/healthz")
    assert [line["path"] for line in requests(lines())] == ["/healthz"]


def test_the_line_names_the_user(app: Flask, lines: Lines) -> None:
    @app.get("/who")
    @access_control(open=True)
    def who() -> str:
        current().become(Principal("user-1", "Ada", "ada@example.org"))
        return "ok"

    request(app, "/who")
    (line,) = requests(lines())
    assert line["user_id"] == "user-1"
    assert "ada@example.org" not in json.dumps(line)


def test_every_line_of_a_request_has_its_id(app: Flask, lines: Lines) -> None:
    @app.get("/talk")
    @access_control(open=True)
    def talk() -> str:
        logging.getLogger("some.library").warning("half way")
        return "ok"

    request(app, "/talk", headers={"X-Request-ID": "req-12345678"})
    assert {line["correlation_id"] for line in lines()} == {"req-12345678"}
    assert [line["message"] for line in lines()] == ["half way", "request"]


@pytest.mark.parametrize(
    "path",
    ["/a%0a%7b%22level%22:%22CRITICAL%22%7d", "/a%0d%0ab", "/a%e2%80%a8b", "/a%c2%85b", "/%ff", "/%00", "/%1b[31m"],
)
def test_nobody_can_write_a_line_of_their_own(app: Flask, lines: Lines, path: str) -> None:
    request(app, path)
    assert len(requests(lines())) == 1
    assert {line["level"] for line in lines()} <= {"INFO", "WARNING"}


def test_a_very_long_path_is_cut(app: Flask, lines: Lines) -> None:
    request(app, "/" + "x" * 10_000)
    (line,) = requests(lines())
    assert len(line["path"]) == logs.LONGEST_PATH


def test_a_broken_stream_is_logged_once_as_incomplete(app: Flask, lines: Lines) -> None:
    @app.get("/stream")
    @access_control(open=True)
    def stream() -> Any:
        def parts() -> Iterator[str]:
            yield "one"
            raise OSError("the source broke")

        return parts()

    with pytest.raises(OSError, match="the source broke"):
        request(app, "/stream")
    (line,) = requests(lines())
    assert line["complete"] is False


def test_what_is_not_json_becomes_text() -> None:
    record = logging.LogRecord("a", logging.INFO, "f", 1, "%s", ("\ud800 lone",), None)
    record.__dict__.update(thing=object, number=float("1.5"))
    line = json.loads(JsonFormatter().format(record))
    assert line["number"] == 1.5
    assert "object" in line["thing"]


def test_configuring_twice_does_not_log_twice() -> None:
    logs.configure("WARNING")
    logs.configure("WARNING")
    assert [handler.name for handler in logging.getLogger().handlers].count(HANDLER) == 1
