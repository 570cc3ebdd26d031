"""The backfill of a runner that was held up: whatever it still has in hand, the target refuses."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.db import Conflict, NotFound
from app.db.backends.memory import MemoryDatabase
from app.db.transfer.live import fences
from app.db.transfer.live.runner import Runner
from app.db.transfer.live.tail import Superseded
from app.db.writes import Put
from tests.db.transfer.live.carrying import BOATS, Crossing, make_runner, open_file


@pytest.fixture
def crossing(tmp_path: Path) -> Iterator[Crossing]:
    with closing(Crossing(tmp_path)) as made:
        yield made


class HeldUp:
    """A runner of its own connections that stops in the middle of its first write of boats to the target."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.inside, self._go_on = threading.Event(), threading.Event()
        self._one, self._two = (open_file(folder, name) for name in ("one", "two"))
        for hook in ("_write_newer", "_commit"):
            monkeypatch.setattr(self._two, hook, self._held(getattr(self._two, hook)))
        self._runner: Runner = make_runner(self._one, self._two)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def hold(self) -> None:
        """Begin, and come as far as that. It beats no more, and is taken for dead."""
        self._runner.begin()
        self._thread.start()
        assert self.inside.wait(30)
        self._runner.close()

    def resume(self) -> BaseException | None:
        """Go on; what it ended with."""
        self._go_on.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self._failure

    def close(self) -> None:
        self.resume()
        for service in (self._one, self._two):
            service.close()

    def _held(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def write(*args: Any) -> Any:
            names = {one.name.collection for one in args[0]} if isinstance(args[0], list) else {args[0].collection}
            if "boats" in names and not self._go_on.is_set():
                self.inside.set()
                self._go_on.wait(30)
            return real(*args)

        return write

    def _run(self) -> None:
        try:
            while True:
                self._runner.step()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self._failure = error


def test_one_held_up_within_a_page_brings_nothing_back_that_was_deleted_since(
    crossing: Crossing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(HeldUp(crossing.folder, monkeypatch)) as first:
        first.hold()
        with closing(make_runner(crossing.one, crossing.two)) as second:
            second.begin()
            crossing.application.delete(BOATS, "b00003")
            crossing.carry_through(second, begin=False)
            failure = first.resume()
            assert crossing.serving is crossing.two
            with pytest.raises(NotFound):
                crossing.two.get(BOATS, "b00003")
            assert isinstance(failure, Superseded)


def test_whoever_takes_over_aborts_what_its_predecessor_had_begun_to_commit() -> None:
    done: list[str] = []

    class Watched(MemoryDatabase):
        def abort_pending(self, since: str = "") -> str:
            done.append(f"abort since {since!r}")
            return "mark"

        def _commit(self, writes: Any) -> Any:
            done.append("fences")
            return super()._commit(writes)

    service = Watched()
    fences.prepare(service)
    fences.raise_runner_fences([service], "first")
    # Only what was begun before the fences changed can have seen the old ones.
    assert done == ["abort since ''", "fences", "abort since 'mark'"]
    checks = [fences.runner_check(service, "first"), *fences.filling_checks(service, "first")]
    fences.raise_runner_fences([service], "second")
    assert fences.filling_checks(service, "first") == []
    for check in checks:
        assert check is not None
        with pytest.raises(Conflict):
            service.commit([Put(BOATS, "a", {}), check])
