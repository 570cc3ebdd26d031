"""A copy that is cut off, slowed down or refused for a while."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.db import NotFound, Unavailable
from app.db.errors import NotWritable, Throttled, Unauthorised
from app.db.transfer.checkpoints import Checkpoints
from app.db.transfer.collections import CHECKPOINTS
from tests.db.transfer.kit import SCHEMA, Faulty, Held, carry, harbour, held


@pytest.fixture
def source() -> Faulty:
    made = Faulty(SCHEMA)
    harbour(made, 400)
    return made


@pytest.fixture
def target() -> Faulty:
    return Faulty(SCHEMA)


@pytest.fixture(autouse=True)
def saved_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint behind every stretch."""
    monkeypatch.setattr("app.db.transfer.pipeline._SAVED_EVERY", 0.0)


def fail_after(number: int, what: str, error: Exception) -> Callable[[str, str, int], None]:
    """Let so many calls pass, then fail for good."""
    made = [0]

    def judge(call: str, name: str, size: int) -> None:
        if call == what and not name.startswith("migration_"):
            made[0] += 1
            if made[0] > number:
                raise error

    return judge


class TestGoingOn:
    @pytest.mark.parametrize("calls", [0, 1, 2, 5, 9])
    @pytest.mark.parametrize("side", ["source", "target"])
    def test_a_copy_that_was_cut_off_goes_on_where_it_was(
        self, source: Faulty, target: Faulty, side: str, calls: int
    ) -> None:
        faulty, what = (source, "scan") if side == "source" else (target, "write_batch")
        faulty.judge = fail_after(calls, what, Unavailable("The cable is cut."))
        with pytest.raises(Unavailable, match="cable"):
            carry(source, target, chunk=50, patience=0.05)
        arrived = len(held_of(target))
        faulty.judge = lambda *_: None
        report = carry(source, target, chunk=50)
        assert held_of(target) == held_of(source)
        assert report.resumed
        assert report.copied + report.same == 805
        # What was in flight comes again, and no more.
        assert report.moved <= 805 - arrived + 3 * 50

    def test_a_collection_that_was_done_is_only_looked_through_again(self, source: Faulty, target: Faulty) -> None:
        stop_when_the_others_are_done(source, target)
        read: list[str] = []
        source.judge = lambda what, name, size: read.append(name)
        report = carry(source, target)
        assert read[0] == "notes"
        assert set(read[1:]) == {"boats", "harbours"}
        assert (report.copied, report.same, report.moved, report.again) == (805, 0, 3, 802)
        assert held_of(target) == held_of(source)

    def test_what_was_written_since_to_a_collection_that_was_done_is_carried_too(
        self, source: Faulty, target: Faulty
    ) -> None:
        stop_when_the_others_are_done(source, target)
        source.judge = lambda *_: None
        source.save("t1/boats", "b00003", {"name": "changed"})
        source.create("harbours", "new", {"name": "new"})
        source._tables["boats"].partitions["t1"].rows["b00000"] = spoiled(source)
        report = carry(source, target)
        assert (report.copied, report.rejected) == (807, 1)
        assert [one.id for one in report.rejections] == ["b00000"]
        left_out = {("t1/boats", "b00000")}
        assert without(held_of(target), left_out) == without(held_of(source), left_out)

    def test_one_that_is_cut_off_as_it_looks_again_does_that_next_time(self, source: Faulty, target: Faulty) -> None:
        stop_when_the_others_are_done(source, target)
        source.judge = lambda what, name, size: fail_on(name == "boats")
        with pytest.raises(Unavailable):
            carry(source, target, patience=0.05)
        source.judge = lambda *_: None
        source.save("t1/boats", "b00000", {"name": "changed"})
        report = carry(source, target)
        assert (report.copied, report.moved, report.again) == (806, 0, 805)
        assert held_of(target) == held_of(source)
        assert not carry(source, target).resumed

    def test_whoever_sees_to_later_writes_need_not_look_again(self, source: Faulty, target: Faulty) -> None:
        stop_when_the_others_are_done(source, target)
        source.judge = lambda what, name, size: fail_on(name != "notes")
        assert carry(source, target, look_again=False).again == 0

    def test_told_to_restart_it_begins_anew(self, source: Faulty, target: Faulty) -> None:
        source.judge = lambda what, name, size: fail_on(name == "notes")
        with pytest.raises(Unavailable):
            carry(source, target, patience=0.05)
        source.judge = lambda *_: None
        report = carry(source, target, resume=False)
        assert (report.resumed, report.moved) == (False, 805)

    def test_another_choice_of_tenants_begins_anew(self, source: Faulty, target: Faulty) -> None:
        source.judge = lambda what, name, size: fail_on(name == "notes")
        with pytest.raises(Unavailable):
            carry(source, target, patience=0.05)
        source.judge = lambda *_: None
        assert not carry(source, target, tenants=("t1",)).resumed
        assert carry(source, target).moved == 805

    def test_tenants_are_gone_through_from_where_the_copy_was(self, source: Faulty, target: Faulty) -> None:
        target.judge = fail_after(6, "write_batch", Unavailable("The cable is cut."))
        with pytest.raises(Unavailable):
            carry(source, target, tenants=("t2", "t1"), chunk=50, patience=0.05)
        target.judge = lambda *_: None
        report = carry(source, target, tenants=("t2", "t1"), chunk=50)
        assert report.resumed
        assert report.moved < 700
        assert set(held_of(target)) == {key for key in held_of(source) if key[0] != "harbours"}

    def test_rejected_documents_of_before_are_counted_and_named(
        self, source: Faulty, target: Faulty, tmp_path: Path
    ) -> None:
        source._tables["boats"].partitions["t1"].rows["b00000"] = spoiled(source)
        source.judge = lambda what, name, size: fail_on(name == "notes")
        with pytest.raises(Unavailable):
            carry(source, target, patience=0.05)
        source.judge = lambda *_: None
        report = carry(source, target, rejects=tmp_path / "rejects.jsonl")
        assert (report.rejected, [one.id for one in report.rejections]) == (1, ["b00000"])
        assert (tmp_path / "rejects.jsonl").read_text().count("b00000") == 1

    def test_a_finished_copy_is_no_copy_to_go_on_with(self, source: Faulty, target: Faulty) -> None:
        carry(source, target)
        run = Checkpoints(target).read_run()
        assert run is not None
        assert run.finished
        assert not carry(source, target).resumed


class TestADatabaseThatComplains:
    def test_batches_get_smaller_and_grow_again(self, source: Faulty, target: Faulty) -> None:
        seen = [0]

        def judge(what: str, name: str, size: int) -> None:
            if what == "write_batch" and size > 60 and seen[0] < 5:
                seen[0] += 1
                raise Throttled("Slower, please.", retry_after=0.01)

        target.judge = judge
        assert carry(source, target, chunk=400).copied == 805
        assert seen[0] >= 3
        assert min(target.sizes) <= 60
        assert held_of(target) == held_of(source)

    def test_a_short_outage_is_waited_for(self, source: Faulty, target: Faulty) -> None:
        begun = time.monotonic()

        def judge(what: str, name: str, size: int) -> None:
            fail_on(time.monotonic() < begun + 0.4)

        source.judge = target.judge = judge
        assert carry(source, target).copied == 805

    @pytest.mark.parametrize("refusal", [Unauthorised("You may not."), NotWritable("The disk is full.")])
    def test_what_waiting_does_not_mend_ends_the_copy_at_once(
        self, source: Faulty, target: Faulty, refusal: Unavailable
    ) -> None:
        target.judge = fail_after(3, "write_batch", refusal)
        begun = time.monotonic()
        with pytest.raises(type(refusal)):
            carry(source, target, chunk=50, patience=600)
        assert time.monotonic() - begun < 30

    def test_documents_that_were_not_taken_are_sent_again(self, source: Faulty, target: Faulty) -> None:
        """An outcome that is an outage is neither a success nor a reason to leave a document out."""
        refused: set[str] = set()
        write = Faulty.write_batch

        class Choosy(Faulty):
            def write_batch(self, collection, documents, keep_revisions=False, only_newer=False):
                outcomes = write(self, collection, documents, keep_revisions, only_newer)
                for place, outcome in enumerate(outcomes):
                    if place % 7 == 3 and outcome.id not in refused and collection == "t1/boats":
                        refused.add(outcome.id)
                        self.delete(collection, outcome.id)
                        outcomes[place] = type(outcome)(outcome.id, None, Throttled("Slower.", retry_after=0.01))
                return outcomes

        choosy = Choosy(SCHEMA)
        report = carry(source, choosy)
        assert len(refused) > 20
        assert (report.copied, report.rejected) == (805, 0)
        assert held_of(choosy) == held_of(source)

    def test_an_interruption_ends_every_thread_and_is_handed_on(self, source: Faulty, target: Faulty) -> None:
        target.judge = fail_after(2, "write_batch", KeyboardInterrupt())  # type: ignore[arg-type]
        with pytest.raises(KeyboardInterrupt):
            carry(source, target, chunk=20, workers=3)
        target.judge = lambda *_: None
        assert carry(source, target).copied >= 700
        assert held_of(target) == held_of(source)


class TestTheRate:
    def test_it_is_kept(self, source: Faulty, target: Faulty) -> None:
        begun = time.monotonic()
        carry(source, target, collections=("notes", "harbours"), rate=10.0)
        assert time.monotonic() - begun >= 0.3


class TestASourceInUse:
    def test_what_is_there_all_the_while_is_not_missed(self, target: Faulty) -> None:
        """Between any two stretches documents are added, changed and deleted everywhere."""
        source = Faulty(SCHEMA)
        harbour(source, 300)
        staying = {key for key in held_of(source) if not key[1].endswith("7")}
        calls = [0]

        def meddle(what: str, name: str, size: int) -> None:
            calls[0] += 1
            if name != "boats":
                return
            source.save("t1/boats", f"a{calls[0]:05}", {"name": "new, in front"})
            source.save("t2/boats", f"z{calls[0]:05}", {"name": "new, at the end"})
            source.save("t1/boats", "b00011", {"name": f"changed {calls[0]}"})
            with_seven = f"b{calls[0] * 10 - 3:05}"
            try:
                source.delete("t1/boats", with_seven)
            except NotFound:
                return

        source.judge = meddle
        carry(source, target, chunk=20)
        source.judge = lambda *_: None
        assert calls[0] > 20
        assert staying <= set(held_of(target))
        carry(source, target)
        assert {key: one for key, one in held_of(target).items() if key in held_of(source)} == held_of(source)


def held_of(service: Faulty) -> dict[tuple[str, str], dict[str, object]]:
    """What it holds, without asking ``judge``."""
    judge, service.judge = service.judge, lambda *_: None
    try:
        return held(service)
    finally:
        service.judge = judge


def stop_when_the_others_are_done(source: Faulty, target: Faulty) -> None:
    """A copy that is cut off when it begins with the notes."""

    def judge(what: str, name: str, size: int) -> None:
        end = time.monotonic() + 10
        while (
            name == "notes"
            and time.monotonic() < end
            and not all(is_done(target, other) for other in ("boats", "harbours"))
        ):
            time.sleep(0.01)
        fail_on(name == "notes")

    source.judge = judge
    with pytest.raises(Unavailable):
        carry(source, target, patience=0.05)


def without(found: Held, keys: set[tuple[str, str]]) -> Held:
    return {key: document for key, document in found.items() if key not in keys}


def is_done(target: Faulty, collection: str) -> bool:
    """Whether a copy has noted that it is through with a collection."""
    return bool(target.get_many(CHECKPOINTS, [collection]).get(collection, {}).get("done"))


def fail_on(condition: bool) -> None:
    if condition:
        raise Unavailable("The cable is cut.", retry_after=0.01)


def spoiled(source: Faulty) -> Any:
    row = source._tables["boats"].partitions["t1"].rows["b00000"]
    return row._replace(data=b'{"_spoiled":1}')
