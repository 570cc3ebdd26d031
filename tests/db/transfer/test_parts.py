"""The parts of a transfer by themselves: references, progress, waits, stretches, courses."""

import io
import random
from collections.abc import Callable, Iterator
from threading import Event, Timer

import pytest

from app.db import DatabaseService, open_database
from app.db.capabilities import CollectionInfo
from app.db.errors import Throttled, Unavailable
from app.db.transfer.checkpoints import Checkpoint
from app.db.transfer.errors import TransferRefused
from app.db.transfer.foreign_couchdb import ForeignCouch
from app.db.transfer.live.peers import check_reference
from app.db.transfer.pacing import BatchSize, Patience, RateLimit, Stopped
from app.db.transfer.paged_reading import BYTES, Stretch, stretches
from app.db.transfer.pipeline import Course, Pipeline
from app.db.transfer.progress import Shown, Silent, make_progress, shown_bytes, shown_time
from app.db.transfer.references import clearly_same, masked, open_reference
from app.db.transfer.writing import Tally
from app.errors import WherryError
from tests.db.transfer.kit import SCHEMA, Faulty, fill, some

BOATS = CollectionInfo("boats", "tenant")


class TestReferences:
    @pytest.mark.parametrize(
        ("reference", "shown"),
        [
            ("couchdb://ann:secret@host:5984/boats", "couchdb://ann:***@host:5984/boats"),
            ("couchdb://ann:se%40cret@host/boats?timeout=3", "couchdb://ann:***@host/boats?timeout=3"),
            ("couchdb://ann:se@cret@host/boats", "couchdb://ann:***@host/boats"),
            ("dynamodb://key:secret@eu-central-1/boats", "dynamodb://key:***@eu-central-1/boats"),
            ("dynamodb://region/boats?Secret=x", "dynamodb://region/boats?Secret=%2A%2A%2A"),
            ("sqlite:////var/boats.db", "sqlite:////var/boats.db"),
            ("memory:", "memory:"),
            ("production", "production"),
            ("env:URL", "env:URL"),
            ("couchdb://ann:sec[ret@host/x", "a URL that cannot be read"),
            ("dynamodb://key:se/cret@eu-central-1/boats", "dynamodb://***"),
            ("dynamodb://key:12/cret@eu-central-1/boats", "dynamodb://***"),
            ("couchdb://ann:se?cret@host/boats", "couchdb://***"),
            ("couchdb://ann:se#cret@host/boats", "couchdb://***"),
            ("couchdb://ann:s@e/cret@host/boats", "couchdb://***"),
            ("couchdb:ann:secret@host/boats", "couchdb://***"),
            ("couchdb://ann:secret", "couchdb://***"),
            ("sqlite:////var/mail@host/boats.db", "sqlite:////var/mail@host/boats.db"),
        ],
    )
    def test_they_are_shown_without_what_is_secret(self, reference: str, shown: str) -> None:
        assert masked(reference) == shown

    @pytest.mark.parametrize(
        "url", ["couchdb://ann:hunter2@:x/p", "couch://ann:hunter2@h/p", "://hunter2", "hunter2:x"]
    )
    def test_a_refused_url_does_not_show_its_password(self, url: str) -> None:
        with pytest.raises(Exception) as caught:
            open_reference(url, "TARGET")
        assert "ann:hunter2" not in str(caught.value)

    @pytest.mark.parametrize("secret", ["sec/ret", "12/ret", "sec?ret", "sec#ret", "sec[ret", "s@c/ret"])
    @pytest.mark.parametrize("url", ["dynamodb://key:{}@eu-central-1/boats", "couchdb://ann:{}@host/boats"])
    def test_a_password_that_is_not_encoded_is_refused_and_no_part_of_it_shown(self, url: str, secret: str) -> None:
        reference, environ = url.format(secret), {"THERE": url.format(secret)}
        uses: tuple[Callable[[], object], ...] = (
            lambda: open_reference(reference, "TARGET"),
            lambda: open_reference("env:THERE", "TARGET", environ=environ),
            lambda: check_reference(reference, "TARGET"),
            lambda: open_database(reference),
            lambda: ForeignCouch.from_url(reference.replace("dynamodb", "http")),
        )
        for use in uses:
            with pytest.raises(WherryError) as caught:
                use()
            assert "ret" not in str(caught.value)
            assert "%2F" in str(caught.value) or "cannot be read" in str(caught.value)
        assert not clearly_same(reference, "couchdb://ann:x@host/boats")

    def test_a_backend_that_is_unknown_is_named_with_the_role(self) -> None:
        with pytest.raises(TransferRefused, match=r"TARGET begins with 'postgres:'.*sqlite:"):
            open_reference("postgres://host/db", "TARGET")

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            ("sqlite:////a/b.db", "sqlite:////a/../a/b.db", True),
            ("sqlite:////a/b.db", "sqlite:////a/b.db?durability=normal", True),
            ("sqlite:////a/b.db", "sqlite:////a/c.db", False),
            ("couchdb://u:p@Host:5984/x", "couchdb://v:q@host:5984/x/", True),
            ("couchdb://u:p@host:5984/x", "couchdb://u:p@host:5984/y", False),
            ("firestore://p/x", "firestore://p/x?database=other", False),
            ("firestore://p/x?credentials=a.json", "firestore://p/x?database=(default)", True),
            ("couchdb://u:p@host:5984/x?timeout=3", "couchdb://u:p@host:5984/x", True),
            ("dynamodb://r/abc?endpoint=http://a:1", "dynamodb://k:s@r/abc?endpoint=http://a:1", True),
            ("dynamodb://r/abc?endpoint=http://a:1", "dynamodb://r/abc?endpoint=http://b:1", False),
            ("memory:", "memory:", False),
            ("production", "production", True),
            ("production", "development", False),
        ],
    )
    def test_what_is_clearly_the_same(self, one: str, other: str, same: bool) -> None:
        assert clearly_same(one, other) is same
        assert clearly_same(other, one) is same

    def test_a_variable_is_looked_into(self) -> None:
        environ = {"ONE": "sqlite:////a/b.db"}
        assert clearly_same("env:ONE", "sqlite:////a/./b.db", environ)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class TestProgress:
    def test_a_bar_shows_documents_bytes_rate_and_time_left(self) -> None:
        clock, stream = Clock(), io.StringIO()
        shown = Shown(stream, bar=True, clock=clock)
        shown.begin("copy", 10_000)
        clock.now += 2
        shown.advance(2_500, 1_200_000)
        last = stream.getvalue().rpartition("\r")[2]
        assert last.split("  ") == [
            "copy", "[######..................]", " 25%", "2,500 of about 10,000 documents", "1.2 MB", "1,250/s",
            "6 s left",
        ]  # fmt: skip
        shown.end()
        assert stream.getvalue().endswith("\n")

    def test_lines_come_now_and_then_and_never_over_each_other(self) -> None:
        clock, stream = Clock(), io.StringIO()
        shown = Shown(stream, bar=False, clock=clock)
        shown.begin("copy")
        for _ in range(100):
            clock.now += 0.2
            shown.advance(10, 100)
        shown.note("The target: slower.")
        shown.end()
        lines = stream.getvalue().splitlines()
        assert lines[0] == "copy  250 documents  2.5 kB  50/s"
        assert len(lines) == 4 + 2
        assert "\r" not in stream.getvalue()

    def test_a_note_does_not_break_the_bar(self) -> None:
        stream = io.StringIO()
        shown = Shown(stream, bar=True)
        shown.begin("copy", 10)
        shown.note("Hear, hear.")
        assert "\rHear, hear.\n" in stream.getvalue()

    def test_json_is_silent_and_a_pipe_gets_lines(self) -> None:
        assert isinstance(make_progress(as_json=True), Silent)
        made = make_progress(stream=io.StringIO())
        assert isinstance(made, Shown)

    @pytest.mark.parametrize(
        ("number", "text"),
        [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (2_500_000, "2.5 MB"), (1e12, "1,000.0 GB")],
    )
    def test_bytes(self, number: int, text: str) -> None:
        assert shown_bytes(int(number)) == text

    @pytest.mark.parametrize(
        ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7_620, "2 h 07 min")]
    )
    def test_times(self, seconds: float, text: str) -> None:
        assert shown_time(seconds) == text


class TestWaits:
    def test_an_error_is_raised_when_patience_is_at_an_end(self) -> None:
        patience = Patience("The target", 0.2, Event(), Silent())
        tries = [0]

        def work() -> None:
            tries[0] += 1
            raise Unavailable("Nobody there.", retry_after=0.01)

        with pytest.raises(Unavailable, match="Nobody there"):
            patience.call(work)
        assert tries[0] > 1

    def test_an_answer_in_between_begins_it_anew(self) -> None:
        patience = Patience("The target", 0.15, Event(), Silent())
        fates = iter([True, True, False] * 5)
        answered = 0
        for _ in range(5):
            patience.call(lambda: refuse(next(fates)))
            answered += 1
        assert answered == 5

    def test_a_stop_ends_a_wait_without_a_word(self) -> None:
        stop = Event()
        patience = Patience("The target", 600.0, stop, Silent())
        Timer(0.1, stop.set).start()
        with pytest.raises(Stopped):
            patience.call(lambda: refuse(True, 60.0))

    def test_batches_are_halved_to_a_bound_and_grow_after_five_that_went_well(self) -> None:
        size = BatchSize(200)
        for _ in range(9):
            size.complained()
        assert size.now == 25
        for _ in range(5):
            size.went_well()
        assert size.now == 50
        assert BatchSize(10).now == 10

    def test_a_rate_spreads_documents_over_time(self) -> None:
        stop = Event()
        limit = RateLimit(100.0, stop)
        limit.take(1_000)
        stop.set()
        with pytest.raises(Stopped):
            limit.take(1)


class TestStretches:
    def stretched(self, source: DatabaseService, tenants: list[str] | None, after: str | None) -> Iterator[Stretch]:
        return stretches(source, BOATS, tenants, after, 2_000, Patience("The source", 1.0, Event(), Silent()))

    def test_large_documents_come_in_small_numbers(self) -> None:
        source = Faulty(SCHEMA)
        fill(source, "t1/boats", [{"_id": f"{n:04}", "text": "x" * 50_000} for n in range(300)])
        limits: list[int] = []
        source.judge = lambda what, name, limit: limits.append(limit)
        found = [len(stretch.documents) for stretch in self.stretched(source, None, None)]
        assert (sum(found), limits[0]) == (300, 100)
        assert set(limits[1:]) == {BYTES // 50_000 - 1}

    def test_small_ones_are_gathered_up_to_the_bound(self) -> None:
        source = Faulty(SCHEMA)
        fill(source, "t1/boats", some(9_000))
        found = [len(stretch.documents) for stretch in self.stretched(source, None, None)]
        assert found == [2_000, 2_000, 2_000, 2_000, 1_000]

    @pytest.mark.parametrize("tenants", [None, ["t2", "t3", "nobody", "t1"]])
    def test_from_the_place_behind_any_stretch_the_rest_follows(self, tenants: list[str] | None) -> None:
        source = open_database("memory:", SCHEMA)
        for tenant in ("t1", "t2", "t3"):
            fill(source, f"{tenant}/boats", some(150))
        whole = list(self.stretched(source, tenants, None))
        keys = [[(path, document["_id"]) for path, document in stretch.documents] for stretch in whole]
        assert sum(map(len, keys)) == 450
        for place, stretch in enumerate(whole[:-1]):
            rest = [
                (path, one["_id"])
                for more in self.stretched(source, tenants, stretch.after)
                for path, one in more.documents
            ]
            assert rest == [key for several in keys[place + 1 :] for key in several]

    def test_a_place_that_another_secret_sealed_begins_the_tenant_anew(self) -> None:
        first = open_database("memory:", SCHEMA, cursor_secret=b"one")
        second = open_database("memory:", SCHEMA, cursor_secret=b"two")
        for source in (first, second):
            fill(source, "t1/boats", some(150))
        after = next(self.stretched(first, ["t1"], None)).after
        assert sum(len(stretch.documents) for stretch in self.stretched(second, ["t1"], after)) == 150


class TestPipelines:
    def test_a_place_moves_on_only_over_what_is_written_whatever_ends_first(self) -> None:
        saved: list[Checkpoint] = []
        course = Course(BOATS, Checkpoint("boats", "r"), saved.append)
        course._saved_at = float("-inf")
        numbers = [course.give() for _ in range(20)]
        order = random.Random(7).sample(numbers, 20)
        written: set[int] = set()
        for number in order:
            course.written(number, str(number) if number < 19 else None, Tally(copied=1))
            written.add(number)
            reached = next((place for place in range(20) if place not in written), 20)
            assert course.checkpoint.copied == reached
            assert course.checkpoint.done == (reached == 20)
        assert saved[-1].done

    def test_the_first_failure_ends_all_of_it(self) -> None:
        stop = Event()
        endless = Stretch([("t1/boats", {"_id": "a"})], 10, "on")

        def read(collection: CollectionInfo, after: str | None) -> Iterator[Stretch]:
            while True:
                yield endless

        def write(collection: CollectionInfo, stretch: Stretch) -> Tally:
            raise ValueError("out of ink")

        pipeline = Pipeline(
            read, write, readers=2, writers=3, limit=RateLimit(None, stop), stop=stop, progress=Silent()
        )
        courses = [Course(BOATS, Checkpoint("boats", "r"), lambda checkpoint: None) for _ in range(3)]
        with pytest.raises(ValueError, match="out of ink"):
            pipeline.run(courses)
        assert stop.is_set()


def refuse(condition: bool, seconds: float = 0.01) -> None:
    if condition:
        raise Throttled("Slower, please.", retry_after=seconds)
