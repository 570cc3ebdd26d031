"""Lost replies, lost requests, outages: nothing is done twice or claimed without being known, and no wait is long."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from google.auth.exceptions import DefaultCredentialsError

from app.db import ABSENT, Check, Conflict, DatabaseService, Delete, NotFound, Put, Unavailable
from tests.db.contract.given import NOTES, OTHERS, PEOPLE, body, make_schema
from tests.db.contract.workers import in_threads
from tests.db.fault_proxy import Cut, Fate, TcpProxy
from tests.db.firestore_fixtures import backend, firestore_url
from tests.db.firestore_server import FirestoreBackend

__all__ = ["backend", "firestore_url"]

FATES: list[Fate] = ["close", "reset", "drop the reply", Cut(9)]
BOUND = 3.0
"""Seconds within which an outage has to be told."""
RETURN = 5.0
"""Seconds after its return within which a database has to be usable again."""


@pytest.fixture
def proxy(backend: FirestoreBackend) -> Iterator[TcpProxy]:
    """Stands before the emulator."""
    query = urlsplit(backend.url).query
    if not query.startswith("emulator="):
        pytest.skip("needs an emulator: nothing can stand between Google's service and its client")
    made = TcpProxy(query.removeprefix("emulator="))
    yield made
    made.close()


@pytest.fixture
def service(backend: FirestoreBackend, proxy: TcpProxy) -> Iterator[DatabaseService]:
    """Behind the proxy, with the deadline of production, and all that it asks once already asked."""
    through = FirestoreBackend(urlsplit(backend.url)._replace(query=f"emulator={proxy.address}").geturl())
    opened = through.open(make_schema(), deadline=2.5, lease=60.0)
    opened.prepare()
    for collection in (NOTES, OTHERS, PEOPLE):
        opened.save(collection, "warm", {})
    yield opened
    opened.close()


@pytest.fixture
def beside(backend: FirestoreBackend) -> Iterator[DatabaseService]:
    """Another service that sees what there is, without the proxy."""
    opened = backend.open(make_schema())
    yield opened
    opened.close()


def outcome_of(call: Callable[[], Any]) -> str | None:
    """The ``outcome`` of the Unavailable that the call ends with."""
    with pytest.raises(Unavailable) as caught:
        call()
    return caught.value.outcome


class TestLostReplies:
    """The database did it, and its answer was lost."""

    @pytest.fixture(autouse=True)
    def lose(self, service: DatabaseService, proxy: TcpProxy) -> None:
        self.proxy = proxy

    def arm(self, fate: Fate = "drop the reply") -> None:
        self.proxy.fate = fate

    def test_a_save_is_settled_by_its_token(self, service: DatabaseService, beside: DatabaseService) -> None:
        self.arm()
        rev = service.save(NOTES, "a", {"n": 1})["rev"]
        assert self.proxy.fate == "pass"
        assert beside.get(NOTES, "a") == {"_id": "a", "_rev": rev, "n": 1}
        assert service.save(NOTES, "a", {"n": 2, "_rev": rev})

    def test_a_create_is_no_conflict_with_itself(self, service: DatabaseService, beside: DatabaseService) -> None:
        self.arm()
        rev = service.create(NOTES, "a", {"n": 1})["rev"]
        assert beside.get(NOTES, "a")["_rev"] == rev

    def test_a_replacement_is_no_conflict_with_itself(self, service: DatabaseService, beside: DatabaseService) -> None:
        rev = service.create(NOTES, "a", {"n": 1})["rev"]
        self.arm()
        rev = service.save(NOTES, "a", {"n": 2, "_rev": rev})["rev"]
        assert beside.get(NOTES, "a") == {"_id": "a", "_rev": rev, "n": 2}

    def test_one_token_proves_a_whole_commit(self, service: DatabaseService, beside: DatabaseService) -> None:
        old = service.save(NOTES, "old", {})["rev"]
        kept = service.save(PEOPLE, "kept", {})["rev"]
        self.arm()
        answers = service.commit(
            [
                Delete(NOTES, "old", old),
                Put(NOTES, "a", {"n": 1}, ABSENT),
                Check(PEOPLE, "kept", kept),
                Put(OTHERS, "b", {}),
            ]
        )
        assert answers[0] is answers[2] is None
        assert [answer["rev"] for answer in (answers[1], answers[3]) if answer] == [
            beside.get(NOTES, "a")["_rev"],
            beside.get(OTHERS, "b")["_rev"],
        ]
        assert beside.get_many(NOTES, ["old"]) == {}

    def test_a_delete_leaves_nothing_to_read_and_is_unknown(
        self, service: DatabaseService, beside: DatabaseService
    ) -> None:
        for expecting in (False, True):
            rev = service.save(NOTES, "a", {})["rev"]
            self.arm()
            assert outcome_of(partial(service.delete, NOTES, "a", rev if expecting else None)) == "unknown"
            assert beside.get_many(NOTES, ["a"]) == {}

    def test_an_increment_is_done_once(self, service: DatabaseService, beside: DatabaseService) -> None:
        service.save(NOTES, "counter", {"n": 0})
        for n in range(6):
            self.arm("drop the reply" if n % 2 else "close")
            service.update(NOTES, "counter", lambda document: {"n": document["n"] + 1})
        assert beside.get(NOTES, "counter")["n"] == 6

    def test_a_bulk_write_is_settled_for_every_document(
        self, service: DatabaseService, beside: DatabaseService
    ) -> None:
        self.arm()
        outcomes = service.write_batch(NOTES, [{"_id": f"{n}", "n": n} for n in range(30)])
        assert [(one.error, one.rev) for one in outcomes] == [
            (None, document["_rev"]) for document in beside.get_many(NOTES, [f"{n}" for n in range(30)]).values()
        ]

    def test_credentials_that_are_gone_then_do_not_make_the_outcome_known(
        self, service: DatabaseService, beside: DatabaseService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rev = service.save(NOTES, "a", {"n": 0})["rev"]
        client: Any = service._client  # type: ignore[attr-defined]
        enter = client._enter
        left: list[str] = []

        def ended(end: float) -> Any:
            if not left:
                raise DefaultCredentialsError("gone")
            left.pop()
            return enter(end)

        def once() -> None:
            left[:] = ["to be connected again"] * 2
            service.get_many(NOTES, ["a"])
            left[:] = ["the call whose reply is lost"]
            self.arm()

        monkeypatch.setattr(client, "_enter", ended)
        for write in (
            lambda: service.save(NOTES, "b", {"n": 1}),  # then nobody can look what stands there
            lambda: service.delete(NOTES, "a", rev),  # then it cannot be sent again
        ):
            once()
            assert outcome_of(write) == "unknown"
        once()
        (outcome,) = service.write_batch(NOTES, [{"_id": "c"}])
        assert isinstance(outcome.error, Unavailable)
        assert outcome.error.outcome == "unknown"
        assert sorted(beside.get_many(NOTES, ["a", "b", "c"])) == ["b", "c"]


class TestLostRequests:
    """The database never heard of it, which only looking again can tell."""

    def test_a_replacement_is_sent_again_as_it_can_be_done_once_only(
        self, service: DatabaseService, beside: DatabaseService, proxy: TcpProxy
    ) -> None:
        rev = service.save(NOTES, "a", {"n": 1})["rev"]
        proxy.fate = "close"
        rev = service.save(NOTES, "a", {"n": 2, "_rev": rev})["rev"]
        assert beside.get(NOTES, "a") == {"_id": "a", "_rev": rev, "n": 2}
        proxy.fate = "close"
        service.delete(NOTES, "a", rev)
        assert beside.get_many(NOTES, ["a"]) == {}

    def test_what_could_be_done_twice_is_unknown_and_not_sent_again(
        self, service: DatabaseService, beside: DatabaseService, proxy: TcpProxy
    ) -> None:
        calls: list[Callable[[], object]] = [
            lambda: service.save(NOTES, "a", {"n": 1}),
            lambda: service.create(NOTES, "a", {"n": 1}),
            lambda: service.commit([Put(NOTES, "a", {}), Put(OTHERS, "a", {})]),
        ]
        for call in calls:
            proxy.fate = "close"
            assert outcome_of(call) == "unknown"
            assert beside.get_many(NOTES, ["a"]) == {}

    def test_a_read_is_simply_asked_again(self, service: DatabaseService, proxy: TcpProxy) -> None:
        service.save(NOTES, "a", {"n": 1})
        for fate in FATES:
            proxy.fate = fate
            assert service.get(NOTES, "a")["n"] == 1
            proxy.fate = fate
            assert [document["_id"] for document in service.list_all(NOTES)] == ["a", "warm"]


class TestOutages:
    @pytest.mark.parametrize("kind", ["refused", "silent"])
    def test_an_outage_is_told_in_time_and_over_soon_after_it_is_over(
        self, service: DatabaseService, proxy: TcpProxy, kind: str
    ) -> None:
        rev = service.save(NOTES, "a", {"n": 1})["rev"]
        if kind == "refused":
            proxy.refuse()
        else:
            proxy.fate = "blackhole"
        calls: list[Callable[[], object]] = [
            lambda: service.get(NOTES, "a"),
            lambda: service.get_many(NOTES, ["a", "b"]),
            lambda: list(service.list_all(NOTES)),
            lambda: service.save(NOTES, "a", {"n": 2, "_rev": rev}),
            lambda: service.commit([Put(NOTES, "b", {}), Put(OTHERS, "b", {})]),
            service.ping,
        ]
        for call in calls:
            began = time.monotonic()
            with pytest.raises(Unavailable) as caught:
                call()
            assert time.monotonic() - began < BOUND
            assert caught.value.retry_after > 0
        (finding,) = service.doctor()
        assert not finding.ok
        assert finding.remedy
        if kind == "refused":
            proxy.listen()
        else:
            proxy.fate = "pass"
        back = time.monotonic()
        while True:
            try:
                assert service.get(NOTES, "a")
                break
            except Unavailable:
                assert time.monotonic() - back < RETURN
                time.sleep(0.05)
        assert time.monotonic() - back < RETURN
        service.save(NOTES, "c", {})

    def test_a_refused_connection_leaves_no_doubt_about_a_write(
        self, service: DatabaseService, proxy: TcpProxy
    ) -> None:
        proxy.refuse()
        with pytest.raises(Unavailable):
            service.get(NOTES, "a")
        for _ in range(3):
            assert outcome_of(lambda: service.save(NOTES, "a", {})) is None

    def test_a_bulk_write_in_an_outage_answers_for_every_document(
        self, service: DatabaseService, proxy: TcpProxy
    ) -> None:
        proxy.refuse()
        with pytest.raises(Unavailable):
            service.get(NOTES, "a")
        outcomes = service.write_batch(NOTES, [{"_id": f"{n}"} for n in range(450)])
        assert len(outcomes) == 450
        assert all(isinstance(outcome.error, Unavailable) and outcome.rev is None for outcome in outcomes)
        assert [outcome.id for outcome in outcomes] == [f"{n}" for n in range(450)]

    def test_a_bulk_write_into_silence_waits_for_one_part_only(self, service: DatabaseService, proxy: TcpProxy) -> None:
        proxy.fate = "blackhole"
        began = time.monotonic()
        outcomes = service.write_batch(NOTES, [{"_id": f"{n}"} for n in range(1_000)])
        assert time.monotonic() - began < 9
        errors = [outcome.error for outcome in outcomes]
        assert all(isinstance(error, Unavailable) for error in errors)
        known = [error.outcome for error in errors if isinstance(error, Unavailable)]
        assert known == ["unknown"] * 200 + [None] * 800

    def test_closing_waits_for_nobody_and_breaks_no_call(self, service: DatabaseService) -> None:
        service.save(NOTES, "a", {"n": 1})

        def work(_: int) -> None:
            for _ in range(60):
                assert service.get(NOTES, "a")["n"] == 1
                service.close()

        in_threads(work, 4)

    def test_a_stale_answer_stays_what_it_is_after_an_outage(self, service: DatabaseService, proxy: TcpProxy) -> None:
        old = service.save(NOTES, "a", {"n": 1})["rev"]
        service.save(NOTES, "a", {"n": 2})
        proxy.hang_up()  # an answer lost on the way would leave it unknown
        with pytest.raises(Conflict):
            service.save(NOTES, "a", {"n": 3, "_rev": old})
        proxy.hang_up()
        with pytest.raises(NotFound):
            service.get(NOTES, "never")
        assert body(service.get(NOTES, "a")) == {"n": 2}
