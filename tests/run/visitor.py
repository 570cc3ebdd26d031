"""A browser without a screen: cookies, forms, and a look whether an answer is the answer to what was asked."""

import http.client
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from secrets import token_hex
from urllib.parse import urlencode

PATIENCE = 20.0
"""Seconds after which a request counts as hanging."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and when: ``began`` and ``ended`` are times of ``time.monotonic``. Status 0: nothing came."""

    status: int
    headers: Mapping[str, str]
    body: str
    began: float
    ended: float
    problem: str = ""
    """What is wrong with it whatever was asked: no answer, or somebody else's."""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began

    def value(self, name: str) -> str:
        """The value of the form's first input of this name; AssertionError if the page has none."""
        found = re.search(rf'<input[^>]*\bname="{name}"[^>]*>', self.body)
        assert found is not None, f"no input {name!r} in an answer with {self.status}"
        value = re.search(r'\bvalue="([^"]*)"', found[0])
        return value[1] if value else ""


@dataclass(slots=True)
class Visitor:
    """Somebody with cookies. Used by one thread at a time; ``twin`` makes another with the same sign-in."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    csrf_token: str = ""

    def twin(self) -> "Visitor":
        """Another window of the same person."""
        return Visitor(self.port, dict(self.cookies), self.csrf_token)

    def get(self, path: str) -> Answer:
        """One page; redirects are not followed."""
        return self._ask("GET", path)

    def post(self, path: str, **fields: str) -> Answer:
        """A form, with the CSRF token of the last form that was seen."""
        return self._ask("POST", path, urlencode({"csrf_token": self.csrf_token, **fields}))

    def _ask(self, method: str, path: str, body: str | None = None) -> Answer:
        # A connection for each request: what is tested is what lies behind the server, and no connection goes stale.
        asked = token_hex(16)
        headers = {"X-Request-ID": asked, "Connection": "close"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        began = time.monotonic()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, {}, "", began, time.monotonic(), f"no answer: {error!r}")
        finally:
            connection.close()
        ended = time.monotonic()
        self._keep(response.headers.get_all("Set-Cookie") or [])
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', text)
        if token:
            self.csrf_token = token[1]
        answered = response.headers.get("X-Request-ID")
        problem = "" if answered == asked or path in ("/healthz", "/readyz") else "the answer to another request"
        return Answer(response.status, dict(response.headers), text, began, ended, problem)

    def _keep(self, lines: list[str]) -> None:
        for line in lines:
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
