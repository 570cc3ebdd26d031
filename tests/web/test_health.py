import math
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from flask import Flask

from app import create_app
from app.db import Unavailable
from app.db.errors import Throttled
from app.db.time_limit import bounded
from app.web.health import Readiness
from tests.app_database import databases


class Database:
    """Only what /readyz asks."""

    def __init__(self, ping: Callable[[], None]) -> None:
        self.ping = ping


def application(ping: Callable[[], None], **overrides: object) -> Flask:
    app = create_app({"ENV": "testing", **overrides})
    app.extensions["database"] = Database(ping)
    return app


def down() -> None:
    raise Unavailable("connection to 10.1.2.3 refused: driver words")


def broken() -> None:
    raise RuntimeError("an unexpected driver error")


def test_healthz_needs_no_database() -> None:
    answer = application(broken).test_client().get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"ok": True, "status": "ok"})


def test_readyz_says_that_the_database_answers() -> None:
    app = create_app({"ENV": "testing", **databases().settings("as it is set up")})
    databases().watch(app.extensions["database"])
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, answer.json) == (200, {"ok": True, "status": "ok"})


@pytest.mark.parametrize("ping", [down, broken])
def test_readyz_is_503_with_a_wait_and_no_words_of_the_driver(ping: Callable[[], None]) -> None:
    answer = application(ping).test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json == {"ok": False, "status": "The database is not available."}
    assert int(answer.headers["Retry-After"]) > 0


def test_a_database_that_hangs_is_not_waited_for_longer_than_the_deadline() -> None:
    release = threading.Event()
    calls = []

    def hang() -> None:
        calls.append(1)
        release.wait(30)

    client = application(hang, READY_TIMEOUT=0.1).test_client()
    answers = [client.get("/readyz") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert "0.1 seconds" in answers[0].get_data(as_text=True)
    assert len(calls) == 1, "further probes wait for the ping that hangs and do not pile up"
    release.set()


def test_readiness_returns_with_the_database() -> None:
    answers = iter([down, lambda: None])
    readiness = Readiness(lambda: next(answers)(), deadline=5)
    assert readiness.problem() == "The database is not available."
    assert readiness.problem() is None


def test_a_probe_takes_its_turn_and_does_not_hold_the_thread_that_is_kept_for_other_pages() -> None:
    def none_free() -> AbstractContextManager[None]:
        raise Throttled("too many")

    asked: list[int] = []
    readiness = Readiness(lambda: asked.append(1), deadline=5, turn=none_free)
    assert readiness.problem() == "The database has more requests than it answers."
    assert asked == []


def test_a_request_takes_its_turn_at_a_database_that_is_reached_over_a_network() -> None:
    app = create_app({"ENV": "testing", "THREADS": 4})
    ends = []
    app.before_request(lambda: ends.append(bounded(math.inf)))
    app.test_client().get("/sign-in")
    app.extensions["database"].answers_within = 2.0
    app.test_client().get("/sign-in")
    assert ends[0] == math.inf
    assert ends[1] < math.inf
    assert bounded(math.inf) == math.inf


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_reach_it_under_any_host_name(path: str) -> None:
    answer = create_app({"ENV": "testing"}).test_client().get(path, headers={"Host": "10.0.0.7:8000"})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_head_has_no_body_and_post_is_refused(path: str) -> None:
    client = create_app({"ENV": "testing"}).test_client()
    assert client.head(path).data == b""
    assert client.post(path).status_code == 405


def test_health_answers_are_never_cached_and_set_no_cookie() -> None:
    answer = create_app({"ENV": "testing"}).test_client().get("/readyz")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
