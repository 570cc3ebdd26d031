"""Latency and error counters by operation and collection, kept per thread so that counting costs next to nothing.

``measure`` puts the counting around a service's public methods when metrics are on; when they are off nothing is there.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from time import perf_counter
from typing import Any, Final, TypeVar

OPERATIONS: Final = (
    "get", "get_many", "read_together", "query", "count", "scan", "save", "create", "delete", "commit", "write_batch"
)  # fmt: skip
# Upper bounds in seconds; a last bucket takes the rest.
BUCKETS: Final = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
_PATHS_LIMIT: Final = 10_000

R = TypeVar("R")


@dataclass(slots=True)
class Series:
    """One operation on one collection: calls, errors by their class, seconds in all, and calls by latency bucket."""

    calls: int = 0
    seconds: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))


Table = dict[tuple[str, str], Series]


class Meter:
    """Counters of one service. Each thread writes its own table without a lock; ``read`` adds them up."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self._local = threading.local()
        self._tables: list[Table] = []
        self._lock = threading.Lock()

    def table(self) -> Table:
        """The calling thread's own counters."""
        try:
            own: Table = self._local.table
        except AttributeError:
            own = self._local.table = {}
            with self._lock:
                self._tables.append(own)
        return own

    def read(self) -> Table:
        """The sum over threads, as of about now: a new table by (operation, collection)."""
        total: Table = {}
        with self._lock:
            tables = list(self._tables)
        for table in tables:
            for key, series in list(table.items()):
                sum_ = total.setdefault(key, Series())
                sum_.calls += series.calls
                sum_.seconds += series.seconds
                for kind, count in list(series.errors.items()):
                    sum_.errors[kind] = sum_.errors.get(kind, 0) + count
                sum_.buckets = [one + other for one, other in zip(sum_.buckets, series.buckets, strict=True)]
        return total


def measure(service: object, meter: Meter) -> None:
    """Count every call of the service's operations from now on."""
    for operation in OPERATIONS:
        setattr(service, operation, _counted(operation, getattr(service, operation), meter))


def _counted(operation: str, method: Callable[..., R], meter: Meter) -> Callable[..., R]:
    local = threading.local()

    def series_of(path: Any) -> Series:
        # The tenant is left out of the label: a series for each tenant would grow without end.
        label = path.rpartition("/")[2][:60] if type(path) is str else ""
        series = meter.table().setdefault((operation, label), Series())
        by_path = local.__dict__.setdefault("by_path", {})
        if len(by_path) >= _PATHS_LIMIT:
            by_path.clear()
        if type(path) is str:
            by_path[path] = series
        return series

    @wraps(method)
    def counted(*args: Any, **kwargs: Any) -> R:
        path = args[0] if args else ""
        try:
            series = local.by_path[path]
        except (AttributeError, KeyError, TypeError):
            series = series_of(path)
        began = perf_counter()
        try:
            return method(*args, **kwargs)
        except Exception as error:
            kind = type(error).__name__
            series.errors[kind] = series.errors.get(kind, 0) + 1
            raise
        finally:
            took = perf_counter() - began
            series.calls += 1
            series.seconds += took
            series.buckets[bisect_left(BUCKETS, took)] += 1

    return counted
