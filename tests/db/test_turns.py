import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from app.db import DatabaseService, NotFound, Unavailable, open_database
from app.db import turns as module
from app.db.errors import Throttled
from app.db.time_limit import bounded
from app.db.turns import Turns

FOREVER = 1e9


class Clock:
    """A clock that goes when it is told to."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Database:
    """A service, of which two requests may wait, and what it does meanwhile is the test's."""

    def __init__(self) -> None:
        self.service: DatabaseService = open_database("memory:")
        self.service.answers_within = 2.0
        self.service.save("notes", "a", {"n": 1})
        self.meanwhile: Callable[[], object] = lambda: None
        self.asked = 0
        for operation in ("get", "save"):
            setattr(self.service, operation, self._watched(getattr(self.service, operation)))
        self.turns = Turns(self.service, at_once=2)

    def _watched(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any) -> Any:
            self.asked += 1
            self.meanwhile()
            return method(*args)

        return operation

    def get(self) -> object:
        """One request that reads one document."""
        with self.turns.one():
            return self.service.get("notes", "a")["n"]

    def save(self) -> object:
        """One request that saves one document."""
        with self.turns.one():
            return self.service.save("notes", "b", {})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "monotonic", made)
    return made


@pytest.fixture
def database(clock: Clock) -> Database:
    return Database()


@contextmanager
def all_turns_taken(database: Database) -> Iterator[list[Future[object]]]:
    """Two requests that wait for an answer as long as the block lasts."""
    inside, answer = threading.Semaphore(0), threading.Event()

    def wait() -> None:
        inside.release()
        assert answer.wait(30)

    usual = database.meanwhile
    database.meanwhile = wait
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(database.get) for _ in range(2)]
        assert all(inside.acquire(timeout=30) for _ in waiting)
        database.meanwhile = usual
        try:
            yield waiting
        finally:
            answer.set()


class TestTime:
    def test_all_operations_of_a_request_have_the_same_end(self, database: Database, clock: Clock) -> None:
        ends = []
        database.meanwhile = lambda: ends.append(bounded(FOREVER))
        with database.turns.one():
            database.service.get("notes", "a")
            clock.now += 1.0
            database.service.get("notes", "a")
        assert ends == [1_002.5, 1_002.5]
        assert bounded(FOREVER) == FOREVER

    def test_what_begins_too_late_is_not_asked_any_more(self, database: Database, clock: Clock) -> None:
        with database.turns.one():
            clock.now += 2.3
            with pytest.raises(Unavailable) as caught:
                database.service.save("notes", "b", {})
            assert caught.value.outcome is None
            assert database.service.get("notes", "a")["n"] == 1
            clock.now += 0.2
            with pytest.raises(Unavailable):
                database.service.get("notes", "a")
        assert database.asked == 1

    def test_a_patient_backend_has_longer_turns(self, database: Database) -> None:
        database.service.answers_within = 20.0
        ends = []
        database.meanwhile = lambda: ends.append(bounded(FOREVER))
        database.get()
        assert ends == [1_020.0]

    def test_outside_of_requests_and_in_this_process_there_are_no_turns(self, database: Database) -> None:
        with all_turns_taken(database):
            assert database.service.get("notes", "a")["n"] == 1
        database.service.answers_within = 0.0
        with all_turns_taken(database):
            assert database.get() == 1
            with database.turns.probe():
                pass


class TestWhoFindsNone:
    def test_is_told_at_once_if_the_database_has_been_silent_since(self, database: Database, clock: Clock) -> None:
        with all_turns_taken(database) as waiting:
            clock.now += 0.6
            asked = database.asked
            for request in (database.get, database.save):
                with pytest.raises(Throttled) as caught:
                    request()
                assert caught.value.retry_after > 0
            with pytest.raises(Throttled), database.turns.probe():
                pass
            assert database.asked == asked
        assert [one.result() for one in waiting] == [1, 1]
        assert database.get() == 1

    def test_goes_on_for_a_moment_only_while_the_database_answers_at_once(self, database: Database) -> None:
        ends = []
        with all_turns_taken(database):
            database.meanwhile = lambda: ends.append(bounded(FOREVER))
            with database.turns.one():
                for _ in range(2):
                    database.service.get("notes", "a")
            with database.turns.probe():
                pass
        assert ends == [1_000.5, 1_000.5]

    def test_is_told_at_once_if_all_of_the_last_answers_took_long(self, database: Database, clock: Clock) -> None:
        def slowly() -> None:
            clock.now += 0.2

        database.meanwhile = slowly
        for _ in range(8):
            database.get()
        with all_turns_taken(database), pytest.raises(Throttled):
            database.get()

    def test_is_told_at_once_after_a_failure_until_there_is_an_answer(self, database: Database, clock: Clock) -> None:
        def fail() -> None:
            clock.now += 0.1
            raise Unavailable("gone")

        with all_turns_taken(database):
            database.meanwhile = fail
            with pytest.raises(Unavailable, match="gone"):
                database.get()
            database.meanwhile = lambda: None
            with pytest.raises(Throttled):
                database.get()
        with pytest.raises(NotFound), database.turns.one():
            database.service.get("notes", "never")
        with all_turns_taken(database):
            assert database.get() == 1

    def test_waits_for_one_with_a_write(self, database: Database) -> None:
        ends = []
        with ThreadPoolExecutor(1) as pool:
            with all_turns_taken(database):
                database.meanwhile = lambda: ends.append(bounded(FOREVER))
                saving = pool.submit(database.save)
            assert saving.result(30)
        assert ends == [1_002.5]

    def test_finds_them_again_after_errors(self, database: Database) -> None:
        def fail() -> None:
            raise ZeroDivisionError

        database.meanwhile = fail
        for _ in range(5):
            with pytest.raises(ZeroDivisionError):
                database.get()
        database.meanwhile = lambda: None
        with all_turns_taken(database):
            pass
        assert database.get() == 1
