"""Clients that read pages and save agents all the time, and remember what each save was answered.

A save is acknowledged by its redirect. Any other answer to it leaves the client in doubt, and both states are right
until it has saved the same agent again: an acknowledged save rules out whatever was in doubt before.
"""

import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

from tests.run.visitor import Answer, Visitor

Kind = Literal["page", "save", "healthz", "readyz"]
CODE = "def handler(event):\n    return {'hello': event['name']}"
_MARKS = re.compile(r"Mark [0-9]+-[0-9]+(?![0-9-])")
_VERSION = re.compile(r"<dt>Version</dt><dd>([0-9]+)</dd>")


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer. ``normal``: as on a good day. ``problem``: why nobody may ever be answered so, "" if they may."""

    client: int
    kind: Kind
    status: int
    retry_after: str | None
    began: float
    ended: float
    normal: bool
    problem: str

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began

    @property
    def refused(self) -> bool:
        """Whether it is the answer of an application whose database is away: 503 and when to come again."""
        return self.status == 503 and self.retry_after is not None and int(self.retry_after) > 0


@dataclass(slots=True)
class Kept:
    """An agent that was acknowledged: its text as last acknowledged, the texts in doubt, and how many saves were."""

    mark: str
    path: str
    text: str
    doubtful: list[str] = field(default_factory=list)
    acknowledged: int = 1
    in_doubt: int = 0

    def problem(self, page: Answer) -> str:
        """What is wrong with its page after everything, "" if nothing is."""
        version = _VERSION.search(page.body)
        if page.status != 200 or version is None:
            return f"{self.mark}: acknowledged, and answered with {page.status}"
        if not any(text in page.body for text in (self.text, *self.doubtful)):
            return f"{self.mark}: neither {self.text!r} nor one of {self.doubtful}"
        if not self.acknowledged <= int(version[1]) <= self.acknowledged + self.in_doubt:
            return f"{self.mark}: version {version[1]} after {self.acknowledged} saves and {self.in_doubt} in doubt"
        return ""


class Client:
    """One person at work in one window, without end; ``pause`` is the longest rest between two requests in seconds."""

    def __init__(self, number: int, visitor: Visitor, agents: str, pause: float, seen: list[Seen]) -> None:
        self.number, self.pause = number, pause
        self.kept: list[Kept] = []
        self._visitor, self._agents, self._seen = visitor, agents, seen
        self._chosen = random.Random(number)
        self._count = 0
        self._actions: Sequence[Callable[[], None]] = (
            *[self._show] * 5,
            *[self._list] * 2,
            *[self._change] * 3,
            *[self._create] * 2,
        )

    def work(self, stop: threading.Event) -> None:
        """Until ``stop``."""
        while not stop.is_set():
            action = self._chosen.choice(self._actions) if self.kept else self._create
            action()
            stop.wait(self._chosen.uniform(0, self.pause))

    def _show(self) -> None:
        kept = self._chosen.choice(self.kept)
        self._page(kept.path, lambda page: f"<h1>{kept.mark}</h1>" in page.body)

    def _list(self) -> None:
        own = f"Mark {self.number}-"
        self._page(f"{self._agents}?q={quote(own)}", lambda page: all(mark.startswith(own) for mark in _marks(page)))

    def _create(self) -> None:
        self._count += 1
        mark = f"Mark {self.number}-{self._count}"
        text = f"{mark} as it was made."
        answer = self._visitor.post(
            f"{self._agents}new", name=mark, description=text, code=CODE, status="draft", base="0", rev=""
        )
        if self._saved(answer):
            self.kept.append(Kept(mark, answer.headers["Location"], text))

    def _change(self) -> None:
        kept = self._chosen.choice(self.kept)
        form = self._page(f"{kept.path}/edit", lambda page: page.value("name") == kept.mark)
        if form is None:
            return
        self._count += 1
        text = f"{kept.mark} as of change {self._count}."
        answer = self._visitor.post(
            f"{kept.path}/edit",
            name=kept.mark,
            description=text,
            code=CODE,
            status="draft",
            base=form.value("base"),
            rev=form.value("rev"),
        )
        # What was in doubt may have been carried out between form and save; then nothing of this save was.
        if answer.status == 409 and kept.doubtful:
            self._note("save", answer, 409)
        elif self._saved(answer):
            kept.text, kept.doubtful = text, []
            kept.acknowledged += 1
        else:
            kept.doubtful.append(text)
            kept.in_doubt += 1

    def _saved(self, answer: Answer) -> bool:
        target = answer.headers.get("Location", "")
        wrong = f"sent to {target}" if answer.status == 302 and not target.startswith(self._agents) else ""
        return self._note("save", answer, 302, wrong)

    def _page(self, path: str, right: Callable[[Answer], bool]) -> Answer | None:
        """A page, which has to be that of the right agents; None if it did not come."""
        answer = self._visitor.get(path)
        wrong = f"{path} is the page of {sorted(_marks(answer))}" if answer.status == 200 and not right(answer) else ""
        return answer if self._note("page", answer, 200, wrong) else None

    def _note(self, kind: Kind, answer: Answer, expected: int, wrong: str = "") -> bool:
        seen = noted(self.number, kind, answer, expected, wrong)
        self._seen.append(seen)
        return seen.normal


def _marks(page: Answer) -> set[str]:
    """The agents of the load that a page names."""
    return set(_MARKS.findall(page.body))


def noted(client: int, kind: Kind, answer: Answer, expected: int, wrong: str = "") -> Seen:
    """What is remembered of an answer."""
    problem = answer.problem or wrong
    retry_after = answer.headers.get("Retry-After")
    if not problem and answer.status not in (expected, 503):
        problem = f"{kind}: {answer.status} instead of {expected}"
    normal = answer.status == expected and not problem
    return Seen(client, kind, answer.status, retry_after, answer.began, answer.ended, normal, problem)


class Load:
    """So many clients, and two more threads that ask /healthz and /readyz in turn."""

    def __init__(self, visitor: Visitor, agents: str, clients: int, pause: float = 0.2) -> None:
        self.seen: list[Seen] = []
        self.clients = [Client(n, visitor.twin(), agents, pause, self.seen) for n in range(clients)]
        self._visitor = visitor
        self._stop = threading.Event()
        self._threads = [
            *(threading.Thread(target=client.work, args=(self._stop,)) for client in self.clients),
            threading.Thread(target=self._probe, args=("healthz", 0.05)),
            threading.Thread(target=self._probe, args=("readyz", 0.3)),
        ]

    @contextmanager
    def running(self) -> Iterator["Load"]:
        """They work while the block does. AssertionError if a thread does not come to its end afterwards."""
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(30)
        assert not any(thread.is_alive() for thread in self._threads), "a client still waits for its answer"

    def wait_for_saves(self, number: int, seconds: float) -> None:
        """Until every client has saved so many agents, so that what is done next meets a load in full swing."""
        end = time.monotonic() + seconds
        while any(len(client.kept) < number for client in self.clients):
            assert time.monotonic() < end, [seen for seen in self.seen if not seen.normal][:5] or "too slow"
            time.sleep(0.05)

    def problems(self) -> list[str]:
        """Answers that nobody may ever get: another request's, another status, none at all."""
        return [f"{seen.problem} (after {seen.seconds:.2f} s)" for seen in self.seen if seen.problem]

    def lost(self) -> list[str]:
        """What is wrong with what was acknowledged, by looking at each agent once more. After the end only."""
        kept = [one for client in self.clients for one in client.kept]
        assert kept, "nothing was ever acknowledged"
        return [problem for one in kept if (problem := one.problem(self._visitor.get(one.path)))]

    def _probe(self, kind: Literal["healthz", "readyz"], pause: float) -> None:
        visitor = Visitor(self._visitor.port)
        while not self._stop.wait(pause):
            self.seen.append(noted(-1, kind, visitor.get(f"/{kind}"), 200))
