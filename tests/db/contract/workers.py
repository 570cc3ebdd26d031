"""What the storms' threads and processes do. Loaded by every process: it imports no test tools."""

import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection
from typing import Any

from app.db import Check, Conflict, DatabaseService, Delete, Put, Query, where
from tests.db.contract.backend import ContractBackend
from tests.db.contract.given import NOTES, OTHERS, PEOPLE, make_schema

ACCOUNTS = [(NOTES if n % 2 else OTHERS, f"account {n}") for n in range(10)]
OPENING = 1_000
GROUPS = 8


@contextmanager
def opened(backend: ContractBackend) -> Iterator[DatabaseService]:
    """A service on the test's database, closed at the end."""
    with closing(backend.open(make_schema())) as service:
        yield service


def in_threads(work: Callable[[int], Any], number: int) -> list[Any]:
    """Call ``work(0)``, ``work(1)`` ... at the same time; the first error is raised."""
    ready = threading.Barrier(number)

    def begin(n: int) -> Any:
        ready.wait(30)
        return work(n)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(begin, range(number)))


def plus_one(document: dict[str, Any]) -> dict[str, Any]:
    """The change that a counter's update makes."""
    return {**document, "n": document["n"] + 1}


def count_up(service: DatabaseService, times: int) -> None:
    """Increment the counter so many times."""
    for _ in range(times):
        service.update(NOTES, "counter", plus_one)


def count_up_in_process(backend: ContractBackend, threads: int, times: int) -> None:
    """Increment the counter in several threads of this process."""
    with opened(backend) as service:
        in_threads(lambda _: count_up(service, times), threads)


def open_accounts(service: DatabaseService) -> None:
    """Ten accounts of two tenants with the same amount each."""
    service.commit([Put(collection, id, {"amount": OPENING}) for collection, id in ACCOUNTS])


def transfer(service: DatabaseService, times: int, seed: int) -> None:
    """Move random amounts between random accounts; a lost race is tried again."""
    chosen = random.Random(seed)
    for _ in range(times):
        one, other = chosen.sample(ACCOUNTS, 2)
        amount = chosen.randint(1, 50)
        while True:
            payer, payee = service.read_together([one, other])
            assert payer is not None
            assert payee is not None
            try:
                service.commit(
                    [
                        Put(*one, {**payer, "amount": payer["amount"] - amount}),
                        Put(*other, {**payee, "amount": payee["amount"] + amount}),
                    ]
                )
                break
            except Conflict:
                continue


def transfer_in_process(backend: ContractBackend, times: int, seed: int) -> None:
    """Transfers of one process."""
    with opened(backend) as service:
        transfer(service, times, seed)


def total(service: DatabaseService) -> int:
    """The sum of all accounts at one moment."""
    return sum(account["amount"] for account in service.read_together(ACCOUNTS) if account is not None)


def switch_off(service: DatabaseService, mine: str, other: str, ready: threading.Barrier) -> bool:
    """One side of the write skew: if both are on, switch mine off, provided that the other is still as it was read."""
    own, beside = service.read_together([(NOTES, mine), (NOTES, other)])
    assert own is not None
    assert beside is not None
    ready.wait(30)
    if not (own["on"] and beside["on"]):
        return False
    try:
        service.commit([Put(NOTES, mine, {**own, "on": False}), Check(NOTES, other, beside["_rev"])])
    except Conflict:
        return False
    return True


def use_for_the_first_time(backend: ContractBackend, number: int) -> None:
    """Create the collections of an empty database, as others do at the same moment."""
    with opened(backend) as service:
        service.prepare()
        service.save(NOTES, f"{number}", {"status": "new"})
        service.save("acme/undeclared", f"{number}", {})


def use_across_forks(backend: ContractBackend) -> None:
    """Use a service, fork workers that use it too, and use it again; raises if anything was lost."""
    with opened(backend) as service:
        service.save(NOTES, "counter", {"n": 0})
        children = []
        for number in range(3):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    count_up(service, 20)
                    service.save(PEOPLE, f"{number}", {"name": f"{number}"})
                    service.close()
                    code = 0
                finally:
                    os._exit(code)
            children.append(child)
        count_up(service, 20)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert codes == [0, 0, 0], codes
        assert service.get(NOTES, "counter")["n"] == 80
        assert [document["_id"] for document in service.list_all(PEOPLE)] == ["0", "1", "2"]


def commit_until_killed(backend: ContractBackend, answers: Connection) -> None:
    """Two threads commit one group after the other, without end, and answer each commit that was acknowledged."""
    lock = threading.Lock()

    def work(number: int) -> None:
        with opened(backend) as service:
            groups = [n for n in range(GROUPS) if n % 2 == number]
            steps = {group: step_of(service, group) for group in groups}
            while True:
                for group in groups:
                    step = steps[group] = steps[group] + 1
                    service.commit(group_writes(group, step))
                    with lock:
                        answers.send_bytes(f"{group} {step}".encode())

    in_threads(work, 2)


def group_keys(group: int) -> list[tuple[str, str]]:
    """The documents of a group; the last is there at even steps only."""
    return [(NOTES, f"g{group}"), (OTHERS, f"g{group}"), (PEOPLE, f"g{group}"), (NOTES, f"even {group}")]


def group_writes(group: int, step: int) -> list[Put | Delete]:
    """The commit that brings a group to a step."""
    *always, (collection, id) = group_keys(group)
    document = {"step": step, "name": f"group {group}", "status": f"{group}:{step}", "filler": "x" * 2_000}
    last = Put(collection, id, document) if step % 2 == 0 else Delete(collection, id)
    return [*(Put(*key, document) for key in always), last]


def step_of(service: DatabaseService, group: int) -> int:
    """The step at which a group is, 0 if it was never committed; raises if one document is not at the others' step."""
    first, second, third, even = service.read_together(group_keys(group))
    if first is None:
        assert second is third is even is None, f"group {group} is half there"
        return 0
    step = int(first["step"])
    assert second is not None
    assert third is not None
    assert second["step"] == third["step"] == step, f"group {group} is at several steps"
    assert (even is not None) == (step % 2 == 0), f"group {group}, step {step}"
    assert even is None or even["step"] == step
    (found,) = service.query(OTHERS, Query(where=(where("status").eq(f"{group}:{step}"),))).documents
    assert found == second
    return step
