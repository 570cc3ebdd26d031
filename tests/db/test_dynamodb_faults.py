"""What becomes of a write whose reply is lost, of a busy table, and of a server that is gone, hangs or comes back."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.db import ABSENT, Conflict, Delete, NotFound, Put, Query, Unavailable, where
from app.db.backends.dynamodb import DynamoDatabase
from app.db.backends.dynamodb_errors import NotConfigured, NotSent, Refused
from app.db.backends.dynamodb_signing import Credentials
from app.db.errors import Throttled
from tests.db.contract.given import NOTES, OTHERS, fill, make_schema
from tests.db.dynamodb_fixtures import backend, dynamodb_url
from tests.db.dynamodb_proxy import Fate, Proxy, answer, failure
from tests.db.dynamodb_server import DynamoBackend, Server
from tests.db.fault_proxy import Cut
from tests.waiting import wait_until

__all__ = ["backend", "dynamodb_url"]

WRITES = ("PutItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem")


@pytest.fixture
def proxy(backend: DynamoBackend) -> Iterator[Proxy]:
    made = Proxy(urlsplit(urlsplit(backend.url).query.partition("=")[2]).port or 0)
    yield made
    made.close()


@pytest.fixture
def service(backend: DynamoBackend, proxy: Proxy) -> Iterator[DynamoDatabase]:
    """Through the proxy, with the usual deadlines."""
    url = f"dynamodb://tests:secret@eu-central-1/any?endpoint=http://127.0.0.1:{proxy.port}"
    opened = DynamoBackend(url, backend.prefix, timeout=2.5, grace=0.0, lease=600.0).database(make_schema())
    fill(opened, NOTES, {"a": {"n": 1}})
    opened.save(OTHERS, "a", {"n": 1})
    yield opened
    opened.close()


@pytest.fixture
def direct(backend: DynamoBackend, service: DynamoDatabase) -> Iterator[DynamoDatabase]:
    """The same data without the proxy."""
    opened = backend.database(make_schema())
    yield opened
    opened.close()


class Once:
    """One fate for the first request of an operation, then they pass; counts them."""

    def __init__(self, fate: Fate, *operations: str, times: int = 1) -> None:
        self.fate, self.operations, self.left, self.seen = fate, operations or WRITES, times, 0

    def __call__(self, operation: str, body: bytes) -> Fate:
        if operation not in self.operations:
            return "pass"
        self.seen += 1
        self.left -= 1
        return self.fate if self.left >= 0 else "pass"


FAILED, GATEWAY = failure("InternalServerError", "Internal server error", 500), answer(504, b"<html>")


@pytest.mark.parametrize("fate", ["drop the reply", Cut(-5), FAILED, GATEWAY], ids=["drop", "cut", "failed", "gateway"])
class TestLostReplies:
    def test_a_save_without_revision_is_settled_by_its_token(
        self, service: DynamoDatabase, proxy: Proxy, fate: Fate
    ) -> None:
        proxy.decide = once = Once(fate)
        if fate == GATEWAY:
            with pytest.raises(Unavailable) as caught:
                service.save(NOTES, "a", {"n": 2})
            assert caught.value.outcome == "unknown"
            assert service.get(NOTES, "a")["n"] == 1
        else:
            saved = service.save(NOTES, "a", {"n": 2})
            assert service.get(NOTES, "a") == {"_id": "a", "_rev": saved["rev"], "n": 2}
        # Sent again, now under a condition, only if DynamoDB itself said that it failed.
        assert once.seen == (2 if fate == FAILED else 1)

    def test_a_save_with_a_revision_succeeds_once(self, service: DynamoDatabase, proxy: Proxy, fate: Fate) -> None:
        rev = service.get(NOTES, "a")["_rev"]
        proxy.decide = Once(fate)
        saved = service.save(NOTES, "a", {"n": 2, "_rev": rev})
        assert service.get(NOTES, "a")["_rev"] == saved["rev"]

    def test_a_create_is_settled_by_its_token_and_not_sent_again(
        self, service: DynamoDatabase, proxy: Proxy, fate: Fate
    ) -> None:
        proxy.decide = once = Once(fate)
        if isinstance(fate, bytes):  # nothing stands there, which an applied and deleted document looks like, too
            with pytest.raises(Unavailable) as caught:
                service.create(NOTES, "new", {"n": 2})
            assert caught.value.outcome == "unknown"
            assert service.get_many(NOTES, ["new"]) == {}
        else:
            saved = service.create(NOTES, "new", {"n": 2})
            assert service.get(NOTES, "new")["_rev"] == saved["rev"]
        assert once.seen == 1

    def test_a_commit_succeeds_once(self, service: DynamoDatabase, proxy: Proxy, fate: Fate) -> None:
        rev = service.get(NOTES, "a")["_rev"]
        proxy.decide = once = Once(fate)
        saved, _, other = service.commit(
            [Put(NOTES, "a", {"n": 2}, rev), Delete(OTHERS, "a"), Put(NOTES, "b", {}, ABSENT)]
        )
        assert saved is not None
        assert other is not None
        assert service.get_many(NOTES, ["a", "b"])["a"]["_rev"] == saved["rev"]
        assert service.get(NOTES, "b")["_rev"] == other["rev"]
        assert once.seen == 2

    def test_a_deletion_succeeds_or_says_that_nobody_knows(
        self, service: DynamoDatabase, proxy: Proxy, fate: Fate
    ) -> None:
        rev = service.get(NOTES, "a")["_rev"]
        proxy.decide = Once(fate)
        if isinstance(fate, bytes):  # the request never arrived: sending it again decides
            service.delete(NOTES, "a", rev)
        else:
            with pytest.raises(Unavailable) as caught:
                service.delete(NOTES, "a", rev)
            assert caught.value.outcome == "unknown"
        with pytest.raises(NotFound):
            service.get(NOTES, "a")

    def test_a_bulk_write_answers_for_each_document(self, service: DynamoDatabase, proxy: Proxy, fate: Fate) -> None:
        proxy.decide = Once(fate)
        outcomes = service.write_batch(NOTES, [{"_id": f"{n:02}"} for n in range(60)])
        found = {
            id: document["_rev"] for id, document in service.get_many(NOTES, [f"{n:02}" for n in range(60)]).items()
        }
        for outcome in outcomes:
            if outcome.error is None:
                assert found[outcome.id] == outcome.rev
            else:
                assert isinstance(outcome.error, Unavailable)
                assert outcome.error.outcome == "unknown"
                assert outcome.id not in found
        assert sum(outcome.error is not None for outcome in outcomes) == (25 if isinstance(fate, bytes) else 0)


class TestInterference:
    def test_somebody_elses_write_after_a_lost_reply_is_left_alone_and_the_outcome_unknown(
        self, service: DynamoDatabase, direct: DynamoDatabase, proxy: Proxy
    ) -> None:
        rev = service.get(NOTES, "a")["_rev"]

        def decide(operation: str, body: bytes) -> Fate:
            if operation == "PutItem":
                proxy.decide = overtake
                return "drop the reply"
            return "pass"

        def overtake(operation: str, body: bytes) -> Fate:
            proxy.decide = lambda operation, body: "pass"
            direct.save(NOTES, "a", {"n": 3})
            return "pass"

        for change in ({"n": 2, "_rev": rev}, {"n": 2}):
            proxy.decide = decide
            with pytest.raises(Unavailable) as caught:
                service.save(NOTES, "a", change)
            assert caught.value.outcome == "unknown"
            assert service.get(NOTES, "a")["n"] == 3

    @pytest.mark.parametrize(
        "create",
        [
            lambda service: service.create(NOTES, "new", {"n": 2}),
            lambda service: service.commit([Put(NOTES, "new", {"n": 2}, ABSENT)]),
        ],
        ids=["create", "commit"],
    )
    def test_what_somebody_deleted_after_a_lost_reply_is_not_created_again(
        self,
        service: DynamoDatabase,
        direct: DynamoDatabase,
        proxy: Proxy,
        create: Callable[[DynamoDatabase], object],
    ) -> None:
        def decide(operation: str, body: bytes) -> Fate:
            proxy.decide = delete
            return "drop the reply"

        def delete(operation: str, body: bytes) -> Fate:
            proxy.decide = lambda operation, body: "pass"
            direct.delete(NOTES, "new")  # which is acknowledged
            return "pass"

        proxy.decide = decide
        with pytest.raises(Unavailable) as caught:
            create(service)
        assert caught.value.outcome == "unknown"
        assert direct.get_many(NOTES, ["new"]) == {}

    def test_a_request_that_arrives_late_changes_nothing_twice(
        self, service: DynamoDatabase, direct: DynamoDatabase, proxy: Proxy
    ) -> None:
        rev = service.get(NOTES, "a")["_rev"]
        proxy.decide = Once("late")
        rev = service.save(NOTES, "a", {"n": 2, "_rev": rev})["rev"]
        last = direct.save(NOTES, "a", {"n": 3, "_rev": rev})["rev"]
        proxy.release()
        assert direct.get(NOTES, "a") == {"_id": "a", "_rev": last, "n": 3}

    def test_a_late_commit_changes_nothing_twice(
        self, service: DynamoDatabase, direct: DynamoDatabase, proxy: Proxy
    ) -> None:
        proxy.decide = Once("late")
        service.commit([Put(NOTES, "a", {"n": 2}), Put(NOTES, "b", {"n": 2})])
        direct.commit([Put(NOTES, "a", {"n": 3}), Delete(NOTES, "b")])
        proxy.release()
        assert direct.get(NOTES, "a")["n"] == 3
        assert direct.get_many(NOTES, ["b"]) == {}

    @pytest.mark.parametrize("then", ["AccessDeniedException", "ThrottlingException", "close"])
    def test_whatever_follows_a_lost_reply_does_not_make_the_outcome_known(
        self, service: DynamoDatabase, direct: DynamoDatabase, proxy: Proxy, then: str
    ) -> None:
        revs = {collection: service.get(collection, "a")["_rev"] for collection in (NOTES, OTHERS)}
        fates: list[Fate] = []

        def decide(operation: str, body: bytes) -> Fate:
            return fates.pop() if fates else failure(then) if then != "close" else "close"

        proxy.decide = decide
        for write in (
            lambda: service.save(NOTES, "a", {"n": 2, "_rev": revs[NOTES]}),
            lambda: service.commit([Delete(NOTES, "a"), Put(OTHERS, "a", {"n": 2}, revs[OTHERS])]),
        ):
            fates.append("drop the reply")
            with pytest.raises(Unavailable) as caught:
                write()
            assert caught.value.outcome == "unknown"
        assert direct.get(OTHERS, "a")["n"] == 2

    def test_credentials_that_end_after_a_lost_reply_do_not_make_the_outcome_known(
        self, service: DynamoDatabase, direct: DynamoDatabase, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = service._client.target
        credentials = target.credentials()
        for collection, write in (
            (NOTES, lambda rev: service.save(NOTES, "a", {"n": 2, "_rev": rev})),
            (OTHERS, lambda rev: service.commit([Put(OTHERS, "a", {"n": 2}, rev), Put(NOTES, "b", {})])),
            (OTHERS, lambda rev: service.delete(OTHERS, "a", rev)),
        ):
            rev = service.get(collection, "a")["_rev"]
            left = [credentials]

            def ended(left: list[Credentials] = left) -> Credentials:
                if not left:
                    raise NotConfigured("the role is gone")
                return left.pop()

            proxy.decide = Once("drop the reply")
            monkeypatch.setattr(target, "credentials", ended)
            with pytest.raises(Unavailable) as caught:
                write(rev)
            monkeypatch.undo()
            assert caught.value.outcome == "unknown"
            assert direct.get_many(collection, ["a"]).get("a", {}).get("_rev") != rev

    def test_credentials_that_end_within_a_bulk_write_leave_each_document_its_answer(
        self, service: DynamoDatabase, direct: DynamoDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rev = service.get(NOTES, "a")["_rev"]
        target = service._client.target
        left = [target.credentials()] * 21  # one for looking at what is there

        def ended() -> Credentials:
            if not left:
                raise NotConfigured("the role is gone")
            return left.pop()

        monkeypatch.setattr(target, "credentials", ended)
        ids = [f"{n:02}" for n in range(40)]
        outcomes = service.write_batch(NOTES, [{"_id": id, "_rev": rev} for id in ids], only_newer=True)
        assert [outcome.error is None for outcome in outcomes] == [True] * 20 + [False] * 20
        assert sorted(direct.get_many(NOTES, ids)) == ids[:20]

    def test_an_outage_after_a_write_that_was_held_up_does_not_deny_the_write(
        self, service: DynamoDatabase, direct: DynamoDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry, writable = service._catalogue.registry, service._writable
        late = [False]

        def gone(name: Any) -> Any:
            if late[0]:
                raise NotSent("gone")
            return writable(name)

        def held_up(leased: Any) -> bool:
            late[0] = True
            return True

        monkeypatch.setattr(service, "_writable", gone)
        monkeypatch.setattr(registry, "late", held_up)
        for write in (
            lambda: service.save(NOTES, "b", {}),
            lambda: service.commit([Put(NOTES, "c", {}), Put(OTHERS, "c", {})]),
        ):
            late[0] = False
            with pytest.raises(Unavailable) as caught:
                write()
            assert caught.value.outcome == "unknown"
        late[0] = False
        outcomes = service.write_batch(NOTES, [{"_id": f"{n:03}"} for n in range(150)])
        told = [outcome.error.outcome for outcome in outcomes if isinstance(outcome.error, Unavailable)]
        assert told == ["unknown"] * 100 + [None] * 50
        assert len(direct.get_many(NOTES, ["b", "c", *(f"{n:03}" for n in range(150))])) == 102

    def test_a_conflict_after_a_request_that_never_arrived_is_not_taken_for_ours(
        self, service: DynamoDatabase, direct: DynamoDatabase, proxy: Proxy
    ) -> None:
        rev = service.get(NOTES, "a")["_rev"]
        direct.save(NOTES, "a", {"n": 3})
        proxy.decide = Once("close")
        with pytest.raises(Unavailable) as caught:
            service.save(NOTES, "a", {"n": 2, "_rev": rev})
        assert caught.value.outcome == "unknown"
        proxy.decide = Once("close")
        with pytest.raises(Conflict):  # a commit's client token decides
            service.commit([Put(NOTES, "a", {"n": 2}, rev), Put(NOTES, "b", {})])


class TestBulkWritesOfWhatIsNewer:
    """What a copy does to a target that others write to."""

    def test_what_somebody_creates_after_the_copy_looked_is_not_overwritten(
        self, service: DynamoDatabase, direct: DynamoDatabase, proxy: Proxy
    ) -> None:
        copied = {"_id": "new", "_rev": service.get(NOTES, "a")["_rev"], "n": 1}
        newer = direct.save(NOTES, "newer", {})["rev"]  # made later, so its token is the newer one

        def overtake(operation: str, body: bytes) -> Fate:
            if operation in WRITES:
                proxy.decide = lambda operation, body: "pass"
                direct.write_batch(NOTES, [{"_id": "new", "_rev": newer, "n": 2}], keep_revisions=True)
            return "pass"

        proxy.decide = overtake
        (outcome,) = service.write_batch(NOTES, [copied], only_newer=True)
        assert outcome.kept
        assert direct.get(NOTES, "new") == {"_id": "new", "_rev": newer, "n": 2}

    def test_a_small_table_takes_them_little_by_little(
        self, service: DynamoDatabase, direct: DynamoDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rev = service.get(NOTES, "a")["_rev"]
        call_all = service._client.call_all
        rounds = []

        def no_time_for_most(operation: str, payloads: Any, *args: Any) -> Any:
            if operation != "PutItem":
                return call_all(operation, payloads, *args)
            rounds.append(len(payloads))
            busy = Refused(400, "ProvisionedThroughputExceededException", "", {})
            done = call_all(operation, payloads[:40], *args)
            return [*done, *([busy, NotSent("no time is left")] * len(payloads))[: len(payloads) - len(done)]]

        monkeypatch.setattr(service._client, "call_all", no_time_for_most)
        ids = [f"{n:03}" for n in range(120)]
        outcomes = service.write_batch(NOTES, [{"_id": id, "_rev": rev} for id in ids], only_newer=True)
        assert [(outcome.id, outcome.error) for outcome in outcomes] == [(id, None) for id in ids]
        assert rounds == [100, 60, 20, 20]
        assert len(direct.get_many(NOTES, ids)) == 120


class TestThrottling:
    BUSY = failure("ProvisionedThroughputExceededException", "The level of configured throughput was exceeded.")

    @pytest.mark.parametrize(
        "code", ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"]
    )
    def test_a_busy_table_is_asked_again(self, service: DynamoDatabase, proxy: Proxy, code: str) -> None:
        proxy.decide = Once(failure(code), *WRITES, "GetItem", times=3)
        service.save(NOTES, "a", {"n": 2})
        assert service.get(NOTES, "a")["n"] == 2

    def test_a_table_that_stays_busy_is_throttled_within_the_deadline(
        self, service: DynamoDatabase, proxy: Proxy
    ) -> None:
        proxy.decide = lambda operation, body: self.BUSY
        for call in (lambda: service.get(NOTES, "a"), lambda: service.save(NOTES, "a", {})):
            began = time.monotonic()
            with pytest.raises(Throttled) as caught:
                call()
            assert caught.value.outcome is None
            assert caught.value.retry_after > 0
            assert time.monotonic() - began < 3.0
        (outcome,) = service.write_batch(NOTES, [{"_id": "b"}])
        assert isinstance(outcome.error, Throttled)

    def test_what_was_left_unprocessed_is_read_and_written_again(
        self, service: DynamoDatabase, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer_of = service._client._answer
        cut = {"BatchWriteItem": 0, "BatchGetItem": 0}

        def leave_some(reply: Any, kind: Any) -> Any:
            told = answer_of(reply, kind)
            if told.get("Responses") and cut["BatchGetItem"] < 2:
                cut["BatchGetItem"] += 1
                ((table, items),) = told["Responses"].items()
                left = [{"~tenant": item["~tenant"], "~id": item["~id"]} for item in items[2:]]
                return {"Responses": {table: items[:2]}, "UnprocessedKeys": {table: {"Keys": left}}}
            return told

        def forget_some(payload: Any) -> None:
            cut["BatchWriteItem"] += 1

        monkeypatch.setattr(service._client, "_answer", leave_some)
        outcomes = service.write_batch(NOTES, [{"_id": f"{n:02}", "n": n} for n in range(30)])
        assert [outcome.error for outcome in outcomes] == [None] * 30
        assert len(service.get_many(NOTES, [f"{n:02}" for n in range(30)])) == 30
        assert cut["BatchGetItem"] == 2

    def test_documents_left_over_of_a_batch_are_sent_again(
        self, service: DynamoDatabase, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        call_all = service._client.call_all
        rounds = []

        def leave_some(operation: str, payloads: Any, *args: Any) -> Any:
            kept, left = [], []
            for payload in payloads:
                ((table, requests),) = payload["RequestItems"].items()
                kept.append({"RequestItems": {table: requests[:10]}})
                left.append({"UnprocessedItems": {table: requests[10:]}})
            rounds.append(len(payloads))
            call_all(operation, kept, *args)
            return left

        monkeypatch.setattr(service._client, "call_all", leave_some)
        outcomes = service.write_batch(NOTES, [{"_id": f"{n:02}", "n": n} for n in range(60)])
        monkeypatch.undo()
        assert [outcome.error for outcome in outcomes] == [None] * 60
        assert rounds == [3, 2, 1, 1]  # 60, 33, 13 and 3 documents
        assert {id: one["_rev"] for id, one in service.get_many(NOTES, [o.id for o in outcomes]).items()} == {
            outcome.id: outcome.rev for outcome in outcomes
        }


class TestOutages:
    def test_a_hanging_server_is_an_outage_within_three_seconds(self, service: DynamoDatabase, proxy: Proxy) -> None:
        proxy.decide = lambda operation, body: "blackhole"
        for call, outcome in (
            (lambda: service.get(NOTES, "a"), None),
            (lambda: service.save(NOTES, "a", {}), "unknown"),
        ):
            began = time.monotonic()
            with pytest.raises(Unavailable) as caught:
                call()
            assert caught.value.outcome == outcome
            assert time.monotonic() - began < 3.0
        proxy.decide = lambda operation, body: "pass"
        service.get(NOTES, "a")

    def test_one_dead_connection_does_not_fail_a_read(self, service: DynamoDatabase, proxy: Proxy) -> None:
        proxy.decide = Once("blackhole", "GetItem")
        assert service.get(NOTES, "a")["n"] == 1

    def test_several_runs_survive_lost_replies(self, service: DynamoDatabase, proxy: Proxy) -> None:
        fill(service, NOTES, {f"{n}": {"status": "ab"[n % 2], "name": f"{n}"} for n in range(8)})
        for fate in ("drop the reply", "close", "reset", Cut(-5), failure("ThrottlingException"), answer(500, b"")):
            proxy.decide = Once(fate, "Query", times=2)
            query = Query(where=(where("status").in_(["a", "b", "c"]),), order_by=("name",), descending=True)
            assert [document["_id"] for document in service.query(NOTES, query).documents] == list("76543210")

    def test_what_is_no_dynamodb_is_an_outage(self, service: DynamoDatabase, proxy: Proxy) -> None:
        for reply in (b"garbage\r\n\r\n", answer(200, b"<html>"), answer(200, b"[]"), b"HTTP/1.1 200 OK\r\n\r\n"):
            proxy.decide = Once(reply, "GetItem", times=99)
            with pytest.raises(Unavailable):
                service.get(NOTES, "a")
        proxy.decide = lambda operation, body: "pass"
        assert service.get(NOTES, "a")["n"] == 1

    def test_a_wrong_clock_is_set_right_by_the_servers(self, service: DynamoDatabase, proxy: Proxy) -> None:
        skewed = failure(
            "InvalidSignatureException",
            "Signature expired: 20260102T030405Z is now earlier",
            400,
            b"Date: Fri, 01 Jan 2027 00:00:00 GMT",
        )
        proxy.decide = once = Once(skewed, "GetItem")
        assert service.get(NOTES, "a")["n"] == 1
        assert once.seen == 2
        assert abs(time.time() + service._client.skew - 1_798_761_600) < 60


class TestStops:
    def test_a_server_that_is_stopped_and_started_is_used_again_without_a_restart(
        self, dynamodb_url: str, tmp_path: Any, request: pytest.FixtureRequest
    ) -> None:
        if "127.0.0.1" not in dynamodb_url:
            pytest.skip("TEST_DYNAMODB_URL names a server that tests cannot stop")
        server = Server(tmp_path)
        request.addfinalizer(server.remove)
        server.start()
        service = DynamoBackend(server.url, "stopped", timeout=2.5, grace=0.0).database(make_schema())
        acknowledged: list[int] = []
        failures: list[tuple[float, Unavailable]] = []
        done = threading.Event()

        def write(number: int) -> None:
            n = number
            while not done.is_set():
                began = time.monotonic()
                try:
                    service.commit([Put(NOTES, f"{n:06}", {"n": n}), Put(OTHERS, f"{n:06}", {"n": n})])
                    acknowledged.append(n)
                except Unavailable as error:
                    failures.append((time.monotonic() - began, error))
                    done.wait(0.05)
                n += 4

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        try:
            service.save(NOTES, "first", {})
            for thread in threads:
                thread.start()
            wait_until(lambda: len(acknowledged) > 20)
            server.stop()
            wait_until(lambda: len(failures) > 20)
            before = len(acknowledged)
            server.start()
            back = time.monotonic()
            wait_until(lambda: len(acknowledged) > before + 8)
            assert time.monotonic() - back < 5.0
        finally:
            done.set()
            for thread in threads:
                thread.join(10)
            service.close()
            assert not any(thread.is_alive() for thread in threads)
        ids = [f"{n:06}" for n in acknowledged]
        assert len(service.get_many(NOTES, ids)) == len(service.get_many(OTHERS, ids)) == len(ids)
        assert max(seconds for seconds, _ in failures) < 3.0
        assert all(error.retry_after > 0 for _, error in failures)
        service.close()
