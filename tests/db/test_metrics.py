"""Counting calls."""

import threading

import pytest

from app.db import NotFound, Query
from app.db.backends.memory import MemoryDatabase
from app.db.metrics import BUCKETS, OPERATIONS, Meter


def test_a_service_without_a_meter_is_not_touched() -> None:
    assert "get" not in vars(MemoryDatabase())
    assert set(OPERATIONS) <= vars(MemoryDatabase(meter=Meter("memory"))).keys()


def test_calls_seconds_and_errors_are_counted_by_operation_and_collection() -> None:
    meter = Meter("memory")
    service = MemoryDatabase(meter=meter)
    service.save("a/notes", "1", {})
    service.save("b/notes", "1", {})
    service.update("a/notes", "1", lambda document: document)
    service.query("a/notes", Query())
    service.read_together([("a/notes", "1")])
    with pytest.raises(NotFound):
        service.delete("a/notes", "2")
    table = meter.read()
    assert {key: series.calls for key, series in table.items()} == {
        ("save", "notes"): 3,
        ("get", "notes"): 1,
        ("query", "notes"): 1,
        ("read_together", ""): 1,
        ("delete", "notes"): 1,
    }
    assert table["delete", "notes"].errors == {"NotFound": 1}
    assert table["save", "notes"].errors == {}
    for series in table.values():
        assert series.seconds > 0
        assert sum(series.buckets) == series.calls
        assert len(series.buckets) == len(BUCKETS) + 1


def test_threads_are_added_up() -> None:
    meter = Meter("memory")
    service = MemoryDatabase(meter=meter)
    threads = [threading.Thread(target=service.save, args=("a/notes", f"{n}", {})) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    service.save("a/notes", "x", {})
    assert meter.read()["save", "notes"].calls == 6


def test_what_was_read_is_a_copy() -> None:
    meter = Meter("memory")
    service = MemoryDatabase(meter=meter)
    service.save("a/notes", "1", {})
    meter.read()["save", "notes"].calls = 100
    assert meter.read()["save", "notes"].calls == 1
