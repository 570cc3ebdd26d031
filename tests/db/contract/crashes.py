"""For a backend whose ``capabilities.durable`` is true: what was acknowledged is there, whatever dies."""

import random
import time
from contextlib import closing

import pytest

from app.db import DatabaseService
from tests.db.contract import workers
from tests.db.contract.backend import ContractBackend
from tests.db.contract.given import NOTES, fill, ids_of, make_schema
from tests.db.contract.processes import CONTEXT
from tests.db.contract.sizes import sized
from tests.waiting import wait_until

__all__ = ["TestCrashes", "TestDurability"]

LONGEST = 0.03
"""Seconds after the first acknowledged commit within which the process is killed: some twenty commits."""


class TestDurability:
    def test_everything_is_there_after_all_services_were_closed(self, backend: ContractBackend) -> None:
        with closing(backend.open(make_schema())) as service:
            fill(service, NOTES, {f"{n}": {"name": f"{n}"} for n in range(20)})
            before = list(service.list_all(NOTES))
        with closing(backend.open(make_schema())) as service:
            assert list(service.list_all(NOTES)) == before
            assert len(ids_of(service, NOTES)) == 20


@pytest.mark.crash
class TestCrashes:
    def test_a_process_killed_at_random_moments_leaves_whole_commits_and_every_acknowledged_one(
        self, backend: ContractBackend
    ) -> None:
        moments = random.Random(20260102)
        with closing(backend.open(make_schema())) as service:
            service.prepare()
        for kill in range(sized(20, 200)):
            acknowledged = killed_while_committing(backend, moments.uniform(0, LONGEST))
            with closing(backend.open(make_schema())) as service:
                for group in range(workers.GROUPS):
                    step = workers.step_of(service, group)
                    known = acknowledged.get(group, 0)
                    assert step >= known, f"kill {kill}: group {group} was acknowledged at {known} and is at {step}"
                wait_until_well(service)


def wait_until_well(service: DatabaseService) -> None:
    """The doctor has nothing to complain of, but for a moment that an index lags behind what was written, as on a busy
    machine. That so much was written that a file has to be compacted says nothing of what it holds."""

    def well() -> bool:
        unwell = [finding for finding in service.doctor() if not finding.ok and finding.name != "compaction"]
        assert [finding for finding in unwell if finding.name != "indexes"] == []
        return not unwell

    wait_until(well)


def killed_while_committing(backend: ContractBackend, seconds: float) -> dict[int, int]:
    """Start a process that commits without end, kill it so long after its first answer; the steps that it answered."""
    answers, writer = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=workers.commit_until_killed, args=(backend, writer))
    process.start()
    writer.close()
    acknowledged: dict[int, int] = {}
    try:
        assert answers.poll(60), "the process never committed"
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and answers.poll(left):
            note(acknowledged, answers.recv_bytes())
    finally:
        process.kill()
        process.join()
    try:
        while True:
            note(acknowledged, answers.recv_bytes())
    except EOFError:
        answers.close()
    return acknowledged


def note(acknowledged: dict[int, int], answer: bytes) -> None:
    """Remember a group's last acknowledged step."""
    group, step = map(int, answer.split())
    acknowledged[group] = step
